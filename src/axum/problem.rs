use axum_core::{
    body::Body,
    response::{IntoResponse, Response},
};

use crate::Problem;

/// A handler may return a problem, or a `Result` whose error is one.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.into_http_response::<Body>().map(Body::new)
    }
}
