//! ErrorMapping, driven from outside.

mod attempts;
mod canary;
mod causes;
mod circuit_breaker;
mod contract;
mod correlation;
mod cut_bodies;
mod cycles;
mod drops;
#[cfg(feature = "axum")]
mod extractors;
mod faults;
mod forms;
mod gateway;
#[cfg(feature = "axum")]
mod handlers;
mod load;
#[cfg(feature = "tracing")]
mod logged;
mod own_errors;
mod panics;
mod reports;
mod retry;
mod secrets;
mod special;
mod uploads;
#[cfg(all(feature = "error-mapping-http2", feature = "error-mapping-rustls"))]
mod upstream_protocols;

use bytes::Bytes;
use donjon::{
    Problem, Retryability,
    error_mapping::{Cause, ErrorMappingLayer},
};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use tower::{BoxError, Layer, Service, ServiceExt as _};

use crate::support::{empty, get, whole};

pub(crate) type Asked = Request<Empty<Bytes>>;

/// What came out of the layer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) cause: Option<Cause>,
    pub(crate) problem: Option<Problem>,
    pub(crate) retryability: Option<Retryability>,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a text"))
    }
}

/// Sends one request through a layer into a service.
pub(crate) async fn answer<S, B>(layer: &ErrorMappingLayer, inner: S, request: Asked) -> Answer
where
    S: Service<Asked, Response = Response<B>, Error: Into<BoxError>>,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    read(layer.layer(inner).oneshot(request).await.expect("infallible")).await
}

pub(crate) async fn read<B>(response: Response<B>) -> Answer
where
    B: http_body::Body<Error: std::fmt::Debug>,
{
    let (parts, body) = whole(response).await;
    Answer {
        status: parts.status,
        headers: parts.headers,
        cause: parts.extensions.get().copied(),
        problem: parts.extensions.get().cloned(),
        retryability: parts.extensions.get().copied(),
        body: String::from_utf8(body.to_vec()).expect("a text"),
    }
}

/// A service that fails once with this error.
pub(crate) fn failing(
    error: impl Into<BoxError>,
) -> impl Service<Asked, Response = Response<Full<Bytes>>, Error = BoxError, Future: Send> {
    let mut error = Some(error.into());
    tower::service_fn(move |_: Asked| std::future::ready(Err(error.take().expect("called once"))))
}

pub(crate) fn accepting(accept: &str) -> Asked {
    empty(get("/").header("accept", accept))
}
