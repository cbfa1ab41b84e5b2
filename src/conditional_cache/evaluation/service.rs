use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::future::{Plan, ResponseFuture};
use crate::conditional_cache::{body::ResponseBody, partial::Cutter, tagging::Tagger};

/// The service that [`PreconditionLayer`](super::PreconditionLayer) makes.
#[derive(Clone, Debug)]
pub struct Precondition<S> {
    inner: S,
    tagger: Tagger,
    cutter: Cutter,
}

impl<S> Precondition<S> {
    pub(super) fn new(inner: S, tagger: Tagger, cutter: Cutter) -> Self {
        Self { inner, tagger, cutter }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Precondition<S>
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
        let plan = Plan::of(&request, self.tagger, &self.cutter, None);
        self.cutter.prepare(&mut request);
        ResponseFuture::new(self.inner.call(request), plan)
    }
}
