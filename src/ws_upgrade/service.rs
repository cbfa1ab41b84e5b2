use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use hyper::upgrade::OnUpgrade;
use tower_service::Service;

use super::{
    accept::{Acceptance, WsHandshake},
    config::Config,
    future::{Opening, ResponseFuture},
    handshake::{Decision, Head, decide, may_be_handshake, protocol},
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
        if may_be_handshake(request.method(), request.version(), request.headers()) {
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
                let subprotocol = opening.session.subprotocol.clone();
                request.extensions_mut().insert(WsHandshake { subprotocol, acceptance: opening.acceptance.clone() });
                ResponseFuture::open(self.inner.call(request), opening)
            }
            Err(kind) => {
                self.config.counters.refused();
                ResponseFuture::reject(kind.over(request.version()))
            }
        }
    }
}

/// The one way in: handshake, origin, subprotocol, a connection that can be upgraded, and a place for one more, in this order, so that
/// nothing malformed ever holds a place.
fn open<B>(config: &Arc<Config>, request: &Request<B>) -> Result<Option<Box<Opening>>, WsRejectionKind> {
    let (headers, extensions) = (request.headers(), request.extensions());
    let handshake = match decide(Head {
        method: request.method(),
        version: request.version(),
        uri: request.uri(),
        headers,
        protocol: protocol(extensions),
    }) {
        Decision::NotAHandshake => return Ok(None),
        Decision::Rejected(kind) => return Err(kind),
        Decision::Accepted(handshake) => handshake,
    };
    if !config.origins.permits(headers, &handshake.authority) {
        return Err(WsRejectionKind::Origin);
    }
    let subprotocol = config.subprotocols.choose(headers).map_err(|_| WsRejectionKind::Subprotocol)?.cloned();
    // Left where it is, so that a proxy beneath may take the connection itself; whoever awaits it first has it.
    let on_upgrade = extensions.get::<OnUpgrade>().cloned().ok_or(WsRejectionKind::NoUpgrade)?;
    let draining = match &config.drain {
        None => None,
        Some(drain) => Some(drain.join().ok_or(WsRejectionKind::Draining)?),
    };
    let principal = extensions.get::<Principal>();
    let permit = match &config.door {
        None => None,
        Some(door) => Some(door.enter(principal, headers, extensions)?),
    };
    Ok(Some(Box::new(Opening {
        answer: handshake.answer().ok_or(WsRejectionKind::Key)?,
        acceptance: Acceptance::default(),
        session: Session {
            on_upgrade,
            config: Arc::clone(config),
            subprotocol,
            deflate: config.deflate.as_ref().and_then(|extension| extension.negotiate(headers)),
            principal: principal.cloned(),
            draining,
            permit,
        },
    })))
}
