use axum_core::{
    body::Body,
    response::{IntoResponse, Response},
};

use crate::error_mapping::HandlerError;

/// A handler may return a `Result` whose error is one.
impl IntoResponse for HandlerError {
    fn into_response(self) -> Response {
        self.into_http_response::<Body>().map(Body::new)
    }
}
