use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::{
    future::CachePolicyFuture,
    writing::{Reading, Writer},
};

/// The service that [`CachePolicyLayer`](super::CachePolicyLayer) makes.
#[derive(Clone, Debug)]
pub struct CachePolicyService<S> {
    inner: S,
    writer: Writer,
}

impl<S> CachePolicyService<S> {
    pub(super) fn new(inner: S, writer: Writer) -> Self {
        Self { inner, writer }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for CachePolicyService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = CachePolicyFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let reading = Reading::of_any(&self.writer, &request);
        CachePolicyFuture::new(self.inner.call(request), reading)
    }
}
