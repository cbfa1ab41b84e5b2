use std::{convert::Infallible, error::Error, io};

use hyper_util::client::legacy;

use super::{
    body::BodyError,
    upstream::{BoxError, UpstreamError},
};
use crate::Problem;

/// An error that can be looked at where it is.
///
/// What stands between a gateway and its upstream has to judge an error that it does not own. A box of errors is no error itself, so there is
/// no one bound of the standard library for both.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be looked at as an error",
    label = "this is the error of the service within, or of its body",
    note = "implement `donjon::error_mapping::AsError` for `{Self}`, or box the error before it comes here: \
            `.map_err(tower::BoxError::from)`, on the service or on the body whose error it is",
    note = "a box of errors has to be a `tower::BoxError`, that is, a `Box<dyn std::error::Error + Send + Sync>`"
)]
pub trait AsError {
    /// The error, with its sources.
    fn as_error(&self) -> &(dyn Error + 'static);
}

impl AsError for BoxError {
    fn as_error(&self) -> &(dyn Error + 'static) {
        &**self
    }
}

macro_rules! as_itself {
    ($($(#[$cfg:meta])? $error:ty,)*) => {$(
        $(#[$cfg])?
        impl AsError for $error {
            fn as_error(&self) -> &(dyn Error + 'static) {
                self
            }
        }
    )*};
}

as_itself! {
    BodyError,
    Infallible,
    Problem,
    UpstreamError,
    hyper::Error,
    io::Error,
    legacy::Error,
    #[cfg(feature = "axum")]
    axum_core::Error,
    #[cfg(feature = "error-mapping-reqwest")]
    reqwest::Error,
}
