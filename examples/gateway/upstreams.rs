//! The way to the upstream: requests through retries, WebSockets past them, both through one circuit breaker.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use donjon::error_mapping::{CircuitBreaker, CircuitBreakerLayer, GatewayRetryPolicy, ReplayBody};
use futures_util::future::Either;
use http::Request;
use http_body::Body;
use tower::{BoxError, Layer as _, Service, ServiceBuilder, retry::Retry};

use crate::{message, proxy::Proxy};

/// As much of an upload is kept, to be sent again.
const REPLAY: usize = 64 * 1024;

/// The circuit opens when three quarters of this many requests in a row failed.
const WINDOW: u32 = 64;

/// The service. Clones share the connections, the budget of retries and the circuit.
#[derive(Clone)]
pub(crate) struct Upstreams {
    websockets: CircuitBreaker<Proxy>,
    requests: Retry<GatewayRetryPolicy, CircuitBreaker<Proxy>>,
}

impl Upstreams {
    pub(crate) fn new(proxy: Proxy) -> Self {
        let websockets = CircuitBreakerLayer::new().open_after(WINDOW / 4 * 3, WINDOW).layer(proxy);
        let requests = ServiceBuilder::new().retry(GatewayRetryPolicy::new()).service(websockets.clone());
        Self { websockets, requests }
    }
}

impl<B> Service<Request<B>> for Upstreams
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Response = <CircuitBreaker<Proxy> as Service<Request<B>>>::Response;
    type Error = BoxError;
    type Future = Either<
        <CircuitBreaker<Proxy> as Service<Request<B>>>::Future,
        <Retry<GatewayRetryPolicy, CircuitBreaker<Proxy>> as Service<Request<ReplayBody<B>>>>::Future,
    >;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        ready!(Service::<Request<B>>::poll_ready(&mut self.websockets, cx))?;
        Service::<Request<ReplayBody<B>>>::poll_ready(&mut self.requests, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // A connection that is to become a WebSocket cannot be handed out twice.
        if message::asks_for_websocket(&request) {
            Either::Left(self.websockets.call(request))
        } else {
            Either::Right(self.requests.call(request.map(|body| ReplayBody::new(body, REPLAY))))
        }
    }
}
