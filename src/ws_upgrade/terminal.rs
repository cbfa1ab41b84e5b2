use std::{
    convert::Infallible,
    fmt,
    future::{Future, Ready, ready},
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{accept::WsHandshake, socket::WsSocket};
use crate::core::LayerBody;

/// A service that accepts every handshake, to stand beneath a [`WsUpgradeLayer`](super::WsUpgradeLayer) where there is no router.
///
/// A request that is no handshake is answered 426.
///
/// ```
/// use donjon::ws_upgrade::{WsService, WsSocket, WsUpgradeLayer};
/// use tower::Layer;
///
/// async fn greet(mut socket: WsSocket) {
///     let _ = socket.send("welcome").await;
/// }
///
/// let service = WsUpgradeLayer::new().layer(WsService::new(greet));
/// ```
#[derive(Clone)]
pub struct WsService<H> {
    handler: H,
}

impl<H, Fut> WsService<H>
where
    H: FnOnce(WsSocket) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    /// A clone of `handler` runs for every socket, in a task of its own.
    #[must_use]
    pub fn new(handler: H) -> Self {
        Self { handler }
    }
}

impl<H, Fut, B> Service<Request<B>> for WsService<H>
where
    H: FnOnce(WsSocket) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    type Response = Response<LayerBody<String>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        ready(Ok(match WsHandshake::from_request(&mut request) {
            Ok(handshake) => handshake.accept(self.handler.clone()).into_http_response(),
            Err(rejection) => rejection.into_http_response(),
        }))
    }
}

impl<H> fmt::Debug for WsService<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsService").finish_non_exhaustive()
    }
}
