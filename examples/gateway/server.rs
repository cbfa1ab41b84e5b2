//! Serving HTTP/1.1 and HTTP/2 in clear text, each for as long as its client behaves.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::poll_fn,
    mem,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use pin_project_lite::pin_project;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    time,
};
use tower::{BoxError, Service, ServiceExt as _, util::Oneshot};

use crate::{
    client::{ClientBody, Connection},
    interim::{Interim, Telling},
    quiet::{Quiet, Silence},
    seldom::Seldom,
    stall::Stall,
    stream::ClientStream,
    timer::KeepingTimer,
};

/// How long a client may take over the header of a request, and how long a connection may stay without one.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

type Server = auto::Builder<TokioExecutor>;

/// Serves `app` until `stop`, then until the requests that are open are answered.
pub(crate) async fn serve<S, B>(listener: TcpListener, app: S, patience: Duration, stop: impl Future<Output = ()>)
where
    S: Service<Request<ClientBody>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let (closing, closed) = watch::channel(());
    let doors = Doors { closed, patience };
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => doors.converse(stream, peer, app.clone()),
                // Out of file descriptors, for one: it passes.
                Err(_) => time::sleep(Duration::from_millis(100)).await,
            },
            () = &mut stop => break,
        }
    }
    drop(listener);
    drop(doors);
    let _ = closing.send(());
    // Each connection has a receiver for as long as it lasts.
    closing.closed().await;
}

/// For one connection, since it keeps its timer.
fn server() -> Server {
    let mut server = Server::new(TokioExecutor::new());
    server.http1().timer(KeepingTimer::default()).header_read_timeout(HEADER_TIMEOUT);
    server.http2().timer(TokioTimer::new()).keep_alive_interval(HEADER_TIMEOUT);
    server
}

/// What the connections have in common.
struct Doors {
    closed: watch::Receiver<()>,
    patience: Duration,
}

impl Doors {
    /// Serves one connection in a task of its own.
    fn converse<S, B>(&self, stream: TcpStream, peer: SocketAddr, app: S)
    where
        S: Service<Request<ClientBody>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        // Small answers should not wait for more.
        drop(stream.set_nodelay(true));
        let (asked, silence, interim) = (Arc::new(Notify::new()), Silence::default(), Interim::default());
        let stream = ClientStream::new(TokioIo::new(stream), Quiet::new(silence.clone()), Stall::new(self.patience));
        let stream = Telling::new(stream, interim.clone());
        let service = Desk { app: RefCell::new(app), peer, interim, first: Cell::new(Some(Arc::clone(&asked))) };
        // Served without upgrades, no WebSocket would open.
        let connection = server().serve_connection_with_upgrades(stream, service).into_owned();
        let mut closed = self.closed.clone();
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            let mut end = Seldom::new(async {
                tokio::select! {
                    _ = closed.changed() => End::Asked,
                    () = unused(&asked) => End::Now,
                }
            });
            let mut ended = false;
            poll_fn(|cx| {
                silence.over();
                if !ended && let Poll::Ready(end) = Pin::new(&mut end).poll(cx) {
                    ended = true;
                    match end {
                        End::Asked => connection.as_mut().graceful_shutdown(),
                        End::Now => return Poll::Ready(()),
                    }
                }
                connection.as_mut().poll(cx).map(drop)
            })
            .await;
        });
    }
}

/// How a connection is to end that does not end of itself.
enum End {
    /// When the requests that are open are answered.
    Asked,
    Now,
}

/// Is ready when no request has come in time. The timeout for headers begins only when the first bytes have told HTTP/1 from HTTP/2.
async fn unused(asked: &Notify) {
    if time::timeout(HEADER_TIMEOUT, asked.notified()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

/// Where the requests of one connection come in.
struct Desk<S> {
    /// Kept from request to request: a clone for each would cost more than most answers do.
    app: RefCell<S>,
    peer: SocketAddr,
    interim: Interim,
    /// Told of the first request.
    first: Cell<Option<Arc<Notify>>>,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Desk<S>
where
    S: Service<Request<ClientBody>, Response = Response<B>, Error = Infallible> + Clone,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Answer<S, S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        if let Some(first) = self.first.take() {
            first.notify_one();
        }
        // HTTP/1.0 knows no interim responses (RFC 9110 §15.2), and in HTTP/2 hyper does not let us send them.
        let interim = (request.version() == Version::HTTP_11).then(|| self.interim.begin());
        let ended = interim.is_some().then(|| self.interim.clone());
        let connection = Connection { peer: self.peer, interim };
        let request = request.map(|content| ClientBody { content, connection });
        let app = &mut *self.app.borrow_mut();
        let answer = match app.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Answering::Called { answer: app.call(request) },
            // It goes with the request, since readiness is its own; whom it has to wake is known when the future is polled.
            Poll::Pending => {
                let waiting = app.clone();
                Answering::Waiting { answer: Box::pin(mem::replace(app, waiting).oneshot(request)) }
            }
        };
        Answer { answer, ended }
    }
}

pin_project! {
    /// An answer, after which nothing more is told of its request.
    struct Answer<S: Service<Request<ClientBody>>, F> {
        #[pin]
        answer: Answering<S, F>,
        ended: Option<Interim>,
    }
}

pin_project! {
    #[project = AnsweringProjection]
    enum Answering<S: Service<Request<ClientBody>>, F> {
        Called { #[pin] answer: F },
        Waiting { answer: Pin<Box<Oneshot<S, Request<ClientBody>>>> },
    }
}

impl<S, F> Future for Answer<S, F>
where
    S: Service<Request<ClientBody>, Future = F>,
    F: Future<Output = Result<S::Response, S::Error>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = match this.answer.project() {
            AnsweringProjection::Called { answer } => answer.poll(cx),
            AnsweringProjection::Waiting { answer } => answer.as_mut().poll(cx),
        };
        if let (Poll::Ready(_), Some(ended)) = (&answer, this.ended) {
            ended.end();
        }
        answer
    }
}
