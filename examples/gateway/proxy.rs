//! Asking the upstream, as a tower service: streaming both ways, its failures as errors for the layers above to judge.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use donjon::{Problem, Retryability, error_mapping::UpstreamError};
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode, request};
use http_body::Body;
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tower::{BoxError, Service, timeout::error::Elapsed};
use tower_http::timeout::TimeoutBody;

use crate::{
    client::Connection,
    expectation::{self, Gate},
    message,
    options::Options,
    patience::{Audible, Heard},
    tunnel::Tunnels,
    upstream::Upstream,
    via::Pseudonym,
};

/// How long a connection may take to open, or half of the patience: whoever cannot be reached has to be told from who does not answer.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection is kept for the next request: less than the five seconds after which many servers close it.
const KEPT: Duration = Duration::from_secs(4);
/// How much longer an upstream is waited for than a client that uploads to it: who of two has fallen silent is told by the body first.
const AFTERTHOUGHT: Duration = Duration::from_millis(500);

/// What is sent to the upstream.
type RequestBody = UnsyncBoxBody<Bytes, BoxError>;

/// The service. Clones share the connections.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    client: Client<HttpConnector, RequestBody>,
    upstream: Upstream,
    us: Pseudonym,
    patience: Duration,
    tunnels: Tunnels,
}

impl Proxy {
    pub(crate) fn new(options: &Options, us: Pseudonym, tunnels: Tunnels) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT.min(options.patience / 2)));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(KEPT).build(connector);
        let (upstream, patience) = (options.upstream.clone(), options.patience);
        Self { shared: Arc::new(Shared { client, upstream, us, patience, tunnels }) }
    }
}

impl<B> Service<Request<B>> for Proxy
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Incoming>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.answer(request).await })
    }
}

impl Shared {
    async fn answer<B>(&self, request: Request<B>) -> Result<Response<Incoming>, BoxError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let (mut head, body) = request.into_parts();
        let peer = head.extensions.get().map(|connection: &Connection| connection.peer);
        let out_of_bounds =
            || Problem::new(StatusCode::BAD_REQUEST).with_detail("The request target leads out of the gateway's realm.");
        let websocket =
            message::send_on(&mut head, &self.upstream, peer, &self.us).map_err(|message::OutOfBounds| out_of_bounds())?;
        if websocket { self.switch(head).await } else { self.exchange(head, body).await }
    }

    /// One request, one response.
    async fn exchange<B>(&self, head: request::Parts, body: B) -> Result<Response<Incoming>, BoxError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let gate = expectation::is_in(&head.headers).then(Gate::default);
        let interim = head.extensions.get().and_then(|connection: &Connection| connection.interim.clone());
        let heard = Heard::now();
        let mut request = if body.is_end_stream() {
            Request::from_parts(head, nothing())
        } else {
            let inner = TimeoutBody::new(self.patience, body).boxed_unsync();
            let body = Audible { inner, heard: heard.clone() };
            let body = if let Some(gate) = &gate { gate.before(body).boxed_unsync() } else { body.boxed_unsync() };
            Request::from_parts(head, body)
        };
        if gate.is_some() || interim.is_some() {
            let us = self.us.clone();
            hyper::ext::on_informational(&mut request, move |response| {
                match (response.status(), &gate, &interim) {
                    // Hyper's server sends this one itself, at the first look into the client's body.
                    (StatusCode::CONTINUE, Some(gate), _) => gate.open(),
                    (StatusCode::CONTINUE, ..) | (.., None) => {}
                    (status, _, Some(interim)) => interim.tell(status, &message::interim(response.headers(), &us)),
                }
            });
        }
        pass_back(self.ask(request, &heard).await?, &self.us)
    }

    /// The opening handshake of a WebSocket.
    async fn switch(&self, mut head: request::Parts) -> Result<Response<Incoming>, BoxError> {
        let full = || Problem::new(StatusCode::SERVICE_UNAVAILABLE).with_detail("Too many WebSockets are open.");
        let place = self.tunnels.enter().ok_or_else(full)?;
        // Hyper's server leaves it in the request, and its client must not find it there.
        let client = head.extensions.remove::<OnUpgrade>();
        let mut response = self.ask(Request::from_parts(head, nothing()), &Heard::now()).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return pass_back(response, &self.us);
        }
        let upstream = hyper::upgrade::on(&mut response);
        let (mut head, body) = response.into_parts();
        match (client, message::send_back(&mut head, &self.us)) {
            (Some(client), true) => place.open(client, upstream, self.patience),
            _ => return Err(unasked()),
        }
        Ok(Response::from_parts(head, body))
    }

    /// The upstream's answer, if it comes while the client or the upstream is heard of.
    async fn ask(&self, request: Request<RequestBody>, heard: &Heard) -> Result<Response<Incoming>, BoxError> {
        let patience = if request.body().is_end_stream() { self.patience } else { self.patience.saturating_add(AFTERTHOUGHT) };
        tokio::select! {
            answer = self.client.request(request) => Ok(answer?),
            () = heard.silence(patience) => Err(UpstreamError::new(Elapsed::new()).into()),
        }
    }
}

fn pass_back(response: Response<Incoming>, us: &Pseudonym) -> Result<Response<Incoming>, BoxError> {
    let (mut head, body) = response.into_parts();
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(unasked());
    }
    message::send_back(&mut head, us);
    // What the only upstream has answered is its answer, a 503 too. Only the want of one is mended by trying again. Of every other status the
    // retry policy thinks so by itself, and to the client this would be a word as well, if errors without content were filled.
    if matches!(head.status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT) {
        head.extensions.insert(Retryability::Never);
    }
    Ok(Response::from_parts(head, body))
}

/// RFC 9110 §15.2.2: a server switches only to what it was asked for.
fn unasked() -> BoxError {
    UpstreamError::new("the upstream switched to a protocol that it was not asked for").into()
}

fn nothing() -> RequestBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}
