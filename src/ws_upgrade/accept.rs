//! The hand-off between layer and handler: the handshake on the way in, the acceptance on the way out.

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use tokio::task::JoinHandle;

use super::{
    handshake::{Decision, Head, decide, protocol},
    rejection::{WsRejection, WsRejectionKind},
    socket::WsSocket,
};
use crate::core::{
    LayerBody,
    trace::{event, in_current_span},
};

/// Starts the task of a handler.
pub(super) type Handler = Box<dyn FnOnce(WsSocket) -> JoinHandle<()> + Send>;

/// A validated opening handshake, waiting for the handler's decision.
///
/// The layer leaves it in the request's extensions. As an axum handler's argument it is extracted; elsewhere
/// [`from_request`](Self::from_request) takes it out. The handler either [accepts](Self::accept) or answers with anything else,
/// which is sent as it is.
///
/// ```
/// use donjon::ws_upgrade::{WsAccept, WsHandshake};
///
/// async fn handler(handshake: WsHandshake) -> WsAccept {
///     handshake.accept(|mut socket| async move {
///         let _ = socket.send("welcome").await;
///     })
/// }
/// ```
#[derive(Clone, Debug)]
pub struct WsHandshake {
    pub(super) subprotocol: Option<HeaderValue>,
    pub(super) acceptance: Acceptance,
}

impl WsHandshake {
    /// Takes the handshake out of a request.
    ///
    /// # Errors
    /// [`NoHandshake`](WsRejectionKind::NoHandshake) if the request is none, or did not come through a
    /// [`WsUpgradeLayer`](super::WsUpgradeLayer).
    pub fn from_request<B>(request: &mut Request<B>) -> Result<Self, WsRejection> {
        request.extensions_mut().remove().ok_or_else(|| {
            Self::missing(request.method(), request.version(), request.uri(), request.headers(), request.extensions())
        })
    }

    /// The refusal where no layer has left one. If the client did ask for a WebSocket, this is the server's fault and not its own.
    pub(crate) fn missing(
        method: &Method,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> WsRejection {
        let head = Head { method, version, uri, headers, protocol: protocol(extensions) };
        if decide(head) != Decision::NotAHandshake {
            event!(ERROR, "a websocket handshake came to a handler with no WsUpgradeLayer around its route");
        }
        WsRejectionKind::NoHandshake.over(version)
    }

    /// The subprotocol that will be agreed on when the handshake is accepted.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_ref()?.to_str().ok()
    }

    /// Accepts: `handler` runs in a task of its own once the connection has become a WebSocket.
    ///
    /// Nothing happens before the answer reaches the layer. If something on the way replaces it, by a timeout say, nothing is
    /// upgraded and `handler` is dropped without being called.
    #[must_use = "the handshake is accepted by the response that this becomes"]
    pub fn accept<F, Fut>(self, handler: F) -> WsAccept
    where
        F: FnOnce(WsSocket) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        // In an async block, so that a panic, be it of the function or of its future, drops the socket while it unwinds.
        let handler: Handler = Box::new(move |socket| tokio::spawn(in_current_span(async move { handler(socket).await })));
        WsAccept { handler, acceptance: self.acceptance }
    }
}

/// The decision to open the socket: an axum response, or one elsewhere by [`into_http_response`](Self::into_http_response).
#[must_use = "the handshake is accepted by the response that this becomes"]
pub struct WsAccept {
    handler: Handler,
    acceptance: Acceptance,
}

impl WsAccept {
    /// The response that makes the layer complete the handshake: 101 without the fields of one. More headers, a cookie say, may be
    /// added to it.
    ///
    /// Without the layer around it is no valid answer and no client takes it for one. A service whose body is of another type
    /// turns it over with `.map(|_| ...)`; the layer sends no body with a 101 in any case.
    #[must_use]
    pub fn into_http_response<B>(self) -> Response<LayerBody<B>> {
        let mut response = Response::new(LayerBody::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        self.acceptance.give(self.handler);
        response
    }
}

impl fmt::Debug for WsAccept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsAccept").finish_non_exhaustive()
    }
}

/// The handler on its way to the layer, which waits for it at the other end.
#[derive(Clone, Default)]
pub(super) struct Acceptance(Arc<Mutex<Option<Handler>>>);

impl Acceptance {
    fn handler(&self) -> MutexGuard<'_, Option<Handler>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, handler: Handler) {
        let replaced = self.handler().replace(handler);
        drop(replaced);
    }

    /// The handler, if the handshake was accepted by a response.
    pub(super) fn take(&self) -> Option<Handler> {
        self.handler().take()
    }
}

impl fmt::Debug for Acceptance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptance").finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "tracing"))]
mod tests {
    use super::*;
    use crate::core::trace::logged;

    #[test]
    fn a_layer_that_is_missing_is_reported() {
        for (name, fields, reported) in [
            ("no handshake", &[("accept", "text/html")][..], false),
            ("another upgrade", &[("connection", "upgrade"), ("upgrade", "h2c")], false),
            ("a handshake", &[("connection", "upgrade"), ("upgrade", "websocket")], true),
        ] {
            let mut request = Request::get("/chat");
            for (field, value) in fields {
                request = request.header(*field, *value);
            }
            let told = logged(|| {
                let refused = WsHandshake::from_request(&mut request.body(()).unwrap()).unwrap_err();
                assert_eq!(refused.kind(), WsRejectionKind::NoHandshake, "{name}");
            });
            assert_eq!(told.contains("no WsUpgradeLayer"), reported, "{name}");
        }
    }
}
