use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Method, Request, Response, header};
use http_body::Body;
use tower_service::Service;

use super::{
    body::ResponseBody,
    config::Config,
    future::{Asked, ResponseFuture},
    validator::{Suffix, Undone},
};

/// Makes the pages of the service within load their images late; made by [`LazyImagesLayer`](super::LazyImagesLayer).
#[derive(Clone)]
pub struct LazyImages<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> LazyImages<S> {
    pub(super) fn new(inner: S, config: Arc<Config>) -> Self {
        Self { inner, config }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for LazyImages<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let undone = Undone::take(request.headers_mut(), || Suffix::of(self.config.revision()));
        let place = self.config.locates().then(|| (request.uri().clone(), request.headers().get(header::HOST).cloned()));
        let asked = Asked { connect: *request.method() == Method::CONNECT, undone, place };
        ResponseFuture::new(self.inner.call(request), asked, Arc::clone(&self.config))
    }
}

impl<S: fmt::Debug> fmt::Debug for LazyImages<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyImages").field("inner", &self.inner).field("config", &self.config).finish()
    }
}
