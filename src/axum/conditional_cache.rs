use std::convert::Infallible;

use axum_core::{
    extract::FromRequestParts,
    response::{IntoResponse, IntoResponseParts, Response, ResponseParts},
};
use http::request::Parts;

use crate::conditional_cache::{Preconditions, Validators};

/// The conditions of the request, for a handler that writes to ask before it does. Never refused: a request may have none.
impl<S: Sync> FromRequestParts<S> for Preconditions {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::from_headers(&parts.headers))
    }
}

/// Writes `ETag` and `Last-Modified`: `(validators, content)` is a response.
impl IntoResponseParts for Validators {
    type Error = Infallible;

    fn into_response_parts(self, mut response: ResponseParts) -> Result<ResponseParts, Infallible> {
        self.write(response.headers_mut());
        Ok(response)
    }
}

/// A response without content, of which the validators are all there is to say: of what has just been written.
impl IntoResponse for Validators {
    fn into_response(self) -> Response {
        (self, ()).into_response()
    }
}
