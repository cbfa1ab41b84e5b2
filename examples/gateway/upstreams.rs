//! The way to the upstream: requests through retries, WebSockets past them, both through one circuit breaker. What goes no further than here is
//! answered before: it says nothing of the upstream.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;

use donjon::{
    LayerBody,
    error_mapping::{CircuitBreaker, CircuitBreakerLayer, GatewayRetryPolicy, ReplayBody},
};
use futures_util::{TryFutureExt as _, future::BoxFuture};
use http::{HeaderValue, Request, Response, header};
use http_body::Body;
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use tower::{BoxError, Layer as _, Service, ServiceBuilder, ServiceExt as _, retry::Retry};
use tower_http::timeout::TimeoutBody;

use crate::{
    client::ClientBody,
    max_forwards::{self, Reach},
    message,
    options::Options,
    proxy::Proxy,
};

/// As much of an upload is kept, to be sent again.
const REPLAY: usize = 64 * 1024;

/// The circuit opens when three quarters of this many requests in a row failed.
const WINDOW: u32 = 64;

/// The service. Clones share the connections, the budget of retries and the circuit.
///
/// What is asked is cloned when it is asked: this is cloned for each connection, and once more for each request that the cache does not answer.
#[derive(Clone)]
pub(crate) struct Upstreams {
    ways: Arc<Ways>,
}

struct Ways {
    websockets: WebSockets,
    requests: Requests,
    patience: Duration,
}

/// What the upstream sends, cut off when it falls silent: around the circuit breaker, since a stream that is silent for so long need not be
/// broken, and there are as many of them as a client asks for.
type ResponseBody = LayerBody<UnsyncBoxBody<Bytes, BoxError>>;

type WebSockets = CircuitBreaker<Proxy>;
type Requests = Retry<GatewayRetryPolicy, CircuitBreaker<Proxy>>;

impl Upstreams {
    pub(crate) fn new(options: &Options, proxy: Proxy) -> Self {
        let websockets = CircuitBreakerLayer::new().open_after(WINDOW / 4 * 3, WINDOW).layer(proxy);
        let requests = ServiceBuilder::new().retry(GatewayRetryPolicy::new()).service(websockets.clone());
        Self { ways: Arc::new(Ways { websockets, requests, patience: options.patience }) }
    }
}

impl Service<Request<ClientBody>> for Upstreams {
    type Response = Response<ResponseBody>;
    type Error = BoxError;
    // In a box, or all that the cache answers at once would be carried about in the room that asking takes.
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ClientBody>) -> Self::Future {
        let (mut head, ClientBody { content, connection }) = request.into_parts();
        if let Reach::Here { content, media_type } = max_forwards::count(&mut head) {
            return Box::pin(std::future::ready(Ok(our_own(content, media_type))));
        }
        head.extensions.insert(connection);
        let request = Request::from_parts(head, content);
        let patience = self.ways.patience;
        // A connection that is to become a WebSocket cannot be handed out twice.
        if message::asks_for_websocket(&request) {
            Box::pin(self.ways.websockets.clone().oneshot(request).map_ok(move |response| passed_back(response, patience)))
        } else {
            let request = request.map(|body| ReplayBody::new(body, REPLAY));
            Box::pin(self.ways.requests.clone().oneshot(request).map_ok(move |response| passed_back(response, patience)))
        }
    }
}

fn passed_back<B>(response: Response<B>, patience: Duration) -> Response<ResponseBody>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    response.map(|body| match body.is_end_stream() {
        true => LayerBody::empty(),
        false => LayerBody::inner(TimeoutBody::new(patience, body).boxed_unsync()),
    })
}

fn our_own(content: String, media_type: Option<&'static str>) -> Response<ResponseBody> {
    let mut response = Response::new(LayerBody::full(content));
    if let Some(media_type) = media_type {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    response
}
