//! Serving HTTP/1.1 and HTTP/2 in clear text, each for as long as its client behaves.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    time,
};
use tower::{BoxError, Service, ServiceExt as _};

use crate::{
    interim::{Interim, Telling},
    proxy::Connection,
    stall::Stalling,
};

/// How long a client may take over the header of a request, and how long a connection may stay without one.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

type Server = auto::Builder<TokioExecutor>;

/// Serves `app` until `stop`, then until the requests that are open are answered.
pub(crate) async fn serve<S, B>(listener: TcpListener, app: S, patience: Duration, stop: impl Future<Output = ()>)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let doors = Doors { server: server(), connections: GracefulShutdown::new(), patience };
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
    doors.connections.shutdown().await;
}

fn server() -> Server {
    let mut server = Server::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    server.http2().timer(TokioTimer::new()).keep_alive_interval(HEADER_TIMEOUT);
    server
}

/// What the connections have in common.
struct Doors {
    server: Server,
    connections: GracefulShutdown,
    patience: Duration,
}

impl Doors {
    /// Serves one connection in a task of its own.
    fn converse<S, B>(&self, stream: TcpStream, peer: SocketAddr, app: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        // Small answers should not wait for more.
        drop(stream.set_nodelay(true));
        let asked = Arc::new(Notify::new());
        let heard = Arc::clone(&asked);
        let interim = Interim::default();
        let stream = Telling::new(Stalling::new(TokioIo::new(stream), self.patience), interim.clone());
        let answered = interim.clone();
        let app = app.map_response(move |response| {
            answered.end();
            response
        });
        let service = TowerToHyperService::new(app.map_request(move |mut request: Request<Incoming>| {
            heard.notify_one();
            // HTTP/1.0 knows no interim responses (RFC 9110 §15.2), and in HTTP/2 hyper does not let us send them.
            let interim = (request.version() == Version::HTTP_11).then(|| interim.begin());
            request.extensions_mut().insert(Connection { peer, interim });
            request
        }));
        // Served without upgrades, no WebSocket would open.
        let connection = self.server.serve_connection_with_upgrades(stream, service);
        let connection = self.connections.watch(connection.into_owned());
        tokio::spawn(async move {
            // The timeout for headers begins only when the first bytes have told HTTP/1 from HTTP/2.
            let silence = async {
                if time::timeout(HEADER_TIMEOUT, asked.notified()).await.is_ok() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                _ended = connection => {}
                () = silence => {}
            }
        });
    }
}
