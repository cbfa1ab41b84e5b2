use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use hyper::upgrade::OnUpgrade;
use tower_service::Service;

use super::{
    accept::WsHandshake,
    config::Config,
    future::{Opening, ResponseFuture},
    handshake::{Decision, asks_for_upgrade, decide},
    rejection::WsRejectionKind,
    session::Session,
};
use crate::core::{LayerBody, Principal};

/// The service that [`WsUpgradeLayer`](super::WsUpgradeLayer) makes.
#[derive(Clone, Debug)]
pub struct WsUpgrade<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> WsUpgrade<S> {
    pub(super) fn new(inner: S, config: Arc<Config>) -> Self {
        Self { inner, config }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for WsUpgrade<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<LayerBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        if asks_for_upgrade(request.version(), request.headers()) {
            self.shake_hands(request)
        } else {
            ResponseFuture::pass(self.inner.call(request))
        }
    }
}

impl<S> WsUpgrade<S> {
    // Out of line, so that the way of every other request stays short.
    #[inline(never)]
    fn shake_hands<B>(&mut self, mut request: Request<B>) -> ResponseFuture<S::Future>
    where
        S: Service<Request<B>>,
    {
        match open(&self.config, &request) {
            Ok(None) => ResponseFuture::pass(self.inner.call(request)),
            Ok(Some(opening)) => {
                request.extensions_mut().insert(WsHandshake { subprotocol: opening.session.subprotocol.clone() });
                ResponseFuture::open(self.inner.call(request), opening)
            }
            Err(kind) => ResponseFuture::reject(kind.into()),
        }
    }
}

/// The one way in: handshake, origin, subprotocol, and a connection that can be upgraded, in this order.
fn open<B>(config: &Config, request: &Request<B>) -> Result<Option<Box<Opening>>, WsRejectionKind> {
    let headers = request.headers();
    let handshake = match decide(request.method(), request.version(), request.uri(), headers) {
        Decision::NotAHandshake => return Ok(None),
        Decision::Rejected(kind) => return Err(kind),
        Decision::Accepted(handshake) => handshake,
    };
    if !config.origins.permits(headers, &handshake.authority) {
        return Err(WsRejectionKind::Origin);
    }
    let subprotocol = config.subprotocols.choose(headers).map_err(|_| WsRejectionKind::Subprotocol)?.cloned();
    // Left where it is, so that a proxy beneath may take the connection itself; whoever awaits it first has it.
    let on_upgrade = request.extensions().get::<OnUpgrade>().cloned().ok_or(WsRejectionKind::NoUpgrade)?;
    Ok(Some(Box::new(Opening {
        accept: handshake.accept_value().ok_or(WsRejectionKind::Key)?,
        session: Session {
            on_upgrade,
            limits: config.limits,
            clock: config.clock.clone(),
            subprotocol,
            deflate: config.deflate.as_ref().and_then(|extension| extension.negotiate(headers)),
            principal: request.extensions().get::<Principal>().cloned(),
        },
    })))
}
