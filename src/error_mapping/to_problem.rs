use crate::Problem;

/// An error of one's own that knows what to tell the client.
///
/// Its [`Display`](std::fmt::Display) is for the log, its problem for the client: nothing passes from the one to the other by itself. The layer is
/// told of the type by [`map_own`](super::ErrorMappingLayer::map_own), and finds it wherever it is in a source chain.
///
/// ```
/// use donjon::{Problem, error_mapping::{ErrorMappingLayer, ToProblem}};
/// use http::StatusCode;
///
/// #[derive(Debug, thiserror::Error)]
/// enum OrderError {
///     #[error("no order {0}")]
///     Unknown(u64),
///     #[error("the customer's credit is used up")]
///     OutOfCredit,
///     #[error("the order book cannot be read")]
///     Book(#[from] std::io::Error),
/// }
///
/// impl ToProblem for OrderError {
///     fn to_problem(&self) -> Problem {
///         match self {
///             Self::Unknown(_) => Problem::new(StatusCode::NOT_FOUND).with_detail("There is no such order."),
///             Self::OutOfCredit => Problem::new(StatusCode::PAYMENT_REQUIRED).with_type("https://shop.example/out-of-credit"),
///             Self::Book(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR),
///         }
///     }
/// }
///
/// let layer = ErrorMappingLayer::new().map_own::<OrderError>();
/// ```
///
/// # Wrapped errors
/// - An error that is `#[error(transparent)]` takes the place of the one that it wraps, whose type nobody sees any more; `#[source]` and `#[from]`
///   beneath a text of its own leave it in the chain.
/// - A service may fail with `anyhow::Error`. What was given a context is found in it; the type of what was not is hidden by anyhow's conversion
///   into a standard error, for this layer's own knowledge of an upstream's errors too. This keeps it:
///
/// ```
/// # use bytes::Bytes;
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// # async fn handle(_: Request<()>) -> anyhow::Result<Response<Full<Bytes>>> { Ok(Response::default()) }
/// use donjon::error_mapping::ErrorMappingLayer;
/// use tower::{ServiceBuilder, service_fn};
///
/// let service = ServiceBuilder::new()
///     .layer(ErrorMappingLayer::new())
///     .map_err(anyhow::Error::reallocate_into_boxed_dyn_error_without_backtrace)
///     .service(service_fn(handle));
/// # fn is_service<S: tower::Service<Request<()>>>(_: S) {}
/// # is_service(service);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which problem it is",
    label = "this error has no `Problem`",
    note = "implement `donjon::error_mapping::ToProblem` for `{Self}`, or give the problem in a closure: `.map::<{Self}>(|error| ...)`"
)]
pub trait ToProblem {
    /// What the client is told of it. Of a status below 400 it is a 500.
    fn to_problem(&self) -> Problem;
}
