use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    body::ResponseBody,
    cache_policy::Writer,
    evaluation::{Plan, ResponseFuture},
    partial::Cutter,
    tagging::Tagger,
};

/// The service that [`ConditionalCacheLayer`](super::ConditionalCacheLayer) makes.
#[derive(Clone, Debug)]
pub struct ConditionalCache<S> {
    inner: S,
    writer: Writer,
    tagger: Tagger,
    cutter: Cutter,
}

impl<S> ConditionalCache<S> {
    pub(super) fn new(inner: S, writer: Writer, tagger: Tagger, cutter: Cutter) -> Self {
        Self { inner, writer, tagger, cutter }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for ConditionalCache<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body<Data: From<Bytes>>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let plan = Plan::of(&request, self.tagger, &self.cutter, Some(&self.writer));
        self.cutter.prepare(&mut request);
        ResponseFuture::new(self.inner.call(request), plan)
    }
}
