use std::{error::Error, fmt, sync::Arc};

use http::{Response, StatusCode};

use super::{as_error::AsError, chain::chain, guard::Foreign, upstream::BoxError};
use crate::{LayerBody, Problem};

/// Any error, as what a handler fails with that has to make its own response of it, as every handler of axum does.
///
/// The response carries the error along, and [`ErrorMapping`](super::ErrorMapping) answers it as it answers what a service fails with: by
/// its own knowledge of the type, by what it was [told](super::ErrorMappingLayer::map), with one event. `?` turns every error into one,
/// also a box of errors, a [`Problem`] and a text for the log:
///
#[cfg_attr(feature = "axum", doc = "```")]
#[cfg_attr(not(feature = "axum"), doc = "```ignore")]
/// use axum::{Router, routing::get};
/// use donjon::{Problem, error_mapping::{ErrorMappingLayer, HandlerError, ToProblem}};
/// use http::StatusCode;
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("no order {0}")]
/// struct Unknown(u64);
///
/// impl ToProblem for Unknown {
///     fn to_problem(&self) -> Problem {
///         Problem::new(StatusCode::NOT_FOUND).with_detail("There is no such order.")
///     }
/// }
///
/// async fn order() -> Result<String, HandlerError> {
///     let book = tokio::fs::read_to_string("orders").await?; // answered 500
///     Ok(book.lines().nth(17).ok_or(Unknown(17))?.to_owned()) // answered 404
/// }
///
/// let app: Router = Router::new().route("/orders/17", get(order)).layer(ErrorMappingLayer::new().map_own::<Unknown>());
/// ```
///
/// A limit that the handler itself met half way, as an [`Overloaded`](tower::load_shed::error::Overloaded) of a service that it called, is
/// [`Cause::Unavailable`](super::Cause::Unavailable) in the role of an origin: the handler had begun.
///
/// Where no layer stands above, the response is the problem in the error's chain, and if there is none a 500 that says nothing. Nobody hears
/// of the error then.
///
/// It is no [`Error`] itself, so that every error can become one; [`as_error`](AsError::as_error) shows what is in it.
pub struct HandlerError(Foreign);

impl<E: Into<BoxError>> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self(Foreign::new(error.into()))
    }
}

impl HandlerError {
    /// The response that carries the error to the layer. Handlers of axum need not call it: there it is a response by itself.
    #[must_use]
    pub fn into_http_response<B>(self) -> Response<LayerBody<B>> {
        let problem = chain(&*self.0).find_map(|error| error.downcast_ref::<Problem>());
        let problem = problem.filter(|problem| problem.status().is_client_error() || problem.status().is_server_error());
        let problem = problem.cloned().unwrap_or_else(|| Problem::new(StatusCode::INTERNAL_SERVER_ERROR));
        let mut response = problem.into_http_response();
        response.extensions_mut().insert(Carried(Arc::new(self.0)));
        response
    }
}

impl AsError for HandlerError {
    fn as_error(&self) -> &(dyn Error + 'static) {
        &*self.0
    }
}

/// Without the error, whose texts are not for every log.
impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerError").finish_non_exhaustive()
    }
}

/// In the extensions of a response that a handler's error was made into, until the layer has answered it.
#[derive(Clone)]
pub(super) struct Carried(pub(super) Arc<Foreign>);
