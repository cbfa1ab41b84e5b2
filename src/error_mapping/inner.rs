//! What the service within may be, and what the compiler says of one that is not.

use http_body::Body;

use super::upstream::BoxError;

/// What a service within may fail with: any error, a box of one, and whatever else becomes a box of one.
///
/// It is there for every such type, and for no other.
#[diagnostic::on_unimplemented(
    message = "the service within fails with `{Self}`, which is no error, or none that may cross threads",
    label = "this service's error cannot be mapped",
    note = "implement `std::error::Error` for `{Self}` (`thiserror` derives it), or turn it into an error beneath the layer: \
            `.map_err(|error| tower::BoxError::from(...))`",
    note = "a box of errors has to be a `tower::BoxError`, that is, a `Box<dyn std::error::Error + Send + Sync>`"
)]
pub trait InnerError {
    /// The error, boxed.
    fn into_box(self) -> BoxError;
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> InnerError for E {
    fn into_box(self) -> BoxError {
        self.into()
    }
}

/// What a service within may answer with: any body of HTTP.
///
/// It is there for every such type, and for no other.
#[diagnostic::on_unimplemented(
    message = "the service within answers with a body of `{Self}`, which is no `http_body::Body`",
    label = "this service's response cannot be passed on",
    note = "turn it into a body beneath the layer: `.map_response(|response| response.map(Full::<Bytes>::from))`, with \
            `http_body_util::Full`, or with `axum::body::Body::from`"
)]
pub trait InnerBody: Body {}

#[diagnostic::do_not_recommend]
impl<B: Body> InnerBody for B {}
