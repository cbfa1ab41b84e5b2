use axum_core::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::request::Parts;

use crate::ws_upgrade::{WsAccept, WsHandshake, WsRejection};

/// A handler that needs a handshake answers 426 to a request without one. `Option<WsHandshake>` takes both.
impl<S: Sync> FromRequestParts<S> for WsHandshake {
    type Rejection = WsRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, WsRejection> {
        let handshake = parts.extensions.remove();
        handshake.ok_or_else(|| Self::missing(&parts.method, parts.version, &parts.uri, &parts.headers, &parts.extensions))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for WsHandshake {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.remove())
    }
}

impl IntoResponse for WsAccept {
    fn into_response(self) -> Response {
        self.into_http_response::<Body>().map(Body::new)
    }
}

impl IntoResponse for WsRejection {
    fn into_response(self) -> Response {
        self.into_http_response::<Body>().map(Body::new)
    }
}
