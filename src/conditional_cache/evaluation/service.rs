use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::future::{Plan, ResponseFuture};
use crate::conditional_cache::{body::ResponseBody, cache_policy::Writer, partial::Cutter, tagging::Tagger};

/// The service that [`ConditionalCacheLayer`](super::super::ConditionalCacheLayer) and [`PreconditionLayer`](super::PreconditionLayer) make.
#[derive(Clone, Debug)]
pub struct ConditionalCache<S> {
    inner: S,
    /// `None` where no policy is written.
    writer: Option<Writer>,
    tagger: Tagger,
    cutter: Cutter,
}

impl<S> ConditionalCache<S> {
    pub(in crate::conditional_cache) fn new(inner: S, writer: Option<Writer>, tagger: Tagger, cutter: Cutter) -> Self {
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
        let plan = Plan::of(&request, self.tagger, &self.cutter, self.writer.as_ref());
        self.cutter.prepare(&mut request);
        ResponseFuture::new(self.inner.call(request), plan)
    }
}
