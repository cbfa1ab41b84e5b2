use std::{
    fmt,
    future::Future,
    task::{Context, Poll},
};

use http::{Method, Request, Response, request::Parts};
use http_body::Body;
use tower_service::Service;

use super::future::FromVersionFuture;
use crate::{
    conditional_cache::{body::ResponseBody, version::Version},
    core::ready::take_ready,
};

/// The service that [`FromVersionLayer`](super::FromVersionLayer) makes.
///
/// # Clone
///
/// The inner service must be `Clone`: while the source is asked, the future holds the one that was polled ready.
#[derive(Clone)]
pub struct FromVersion<S, V> {
    inner: S,
    source: V,
}

impl<S, V> FromVersion<S, V> {
    pub(super) fn new(inner: S, source: V) -> Self {
        Self { inner, source }
    }
}

impl<S, V, F, T, ReqBody, ResBody> Service<Request<ReqBody>> for FromVersion<S, V>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    V: Fn(&Parts) -> F,
    F: Future<Output = Option<T>>,
    T: Into<Version>,
    ResBody: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = FromVersionFuture<S, ReqBody, F>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return FromVersionFuture::passing(self.inner.call(request));
        }
        let (parts, body) = request.into_parts();
        let version = (self.source)(&parts);
        FromVersionFuture::asking(version, take_ready(&mut self.inner), Request::from_parts(parts, body))
    }
}

impl<S: fmt::Debug, V> fmt::Debug for FromVersion<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromVersion").field("inner", &self.inner).finish_non_exhaustive()
    }
}
