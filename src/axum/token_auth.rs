use axum_core::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header, request::Parts};
use serde::de::DeserializeOwned;

use crate::{
    Principal,
    token_auth::{Claims, IssuedToken, LoginError, Rejection, RejectionKind, TokenErrorKind},
};

/// Who is calling; without a verified token the request is refused with 401 and a bare challenge.
impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Rejection> {
        parts.extensions.get().cloned().ok_or_else(|| RejectionKind::Missing.into())
    }
}

/// Who is calling, or nobody.
impl<S: Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Rejection> {
        Ok(parts.extensions.get().cloned())
    }
}

/// The claims, or 401: without a verified token by a bare challenge, with claims that are not a `T` as `invalid_token`.
impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Claims<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Rejection> {
        claims(parts)?.ok_or_else(|| RejectionKind::Missing.into())
    }
}

/// The claims, or nobody's. Claims that are not a `T` are still refused.
impl<T: DeserializeOwned, S: Sync> OptionalFromRequestParts<S> for Claims<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Rejection> {
        claims(parts)
    }
}

fn claims<T: DeserializeOwned>(parts: &Parts) -> Result<Option<Claims<T>>, Rejection> {
    let Some(principal) = parts.extensions.get::<Principal>() else { return Ok(None) };
    match Claims::from_principal(principal) {
        Ok(claims) => Ok(Some(claims)),
        Err(_) => Err(RejectionKind::InvalidToken(TokenErrorKind::ClaimsMalformed).into()),
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.into_http_response::<Body>(None).map(Body::new)
    }
}

impl IntoResponse for LoginError {
    fn into_response(self) -> Response {
        self.into_http_response::<Body>().map(Body::new)
    }
}

/// The response of a token endpoint: the JSON of [RFC 6749 §5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1), not to be stored.
impl IntoResponse for IssuedToken {
    fn into_response(self) -> Response {
        // Two texts and a number always serialise.
        let json = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(json));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
