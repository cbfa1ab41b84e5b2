use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body::Body;
use tower_service::Service;

use super::{
    body::ResponseBody,
    config::Config,
    future::{Plan, ResponseFuture},
    precondition::Preconditions,
    range::{ByteRanges, Ranges},
    tagging::accepts_coding,
};
use crate::core::Principal;

/// The service that [`ConditionalCacheLayer`](super::ConditionalCacheLayer) makes.
#[derive(Clone, Debug)]
pub struct ConditionalCache<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> ConditionalCache<S> {
    pub(super) fn new(inner: S, config: Arc<Config>) -> Self {
        Self { inner, config }
    }

    /// What the response will be judged by. Only GET and HEAD: after any other method the work is done, and no condition can undo it.
    fn plan<B>(&self, request: &Request<B>) -> Option<Plan> {
        let head = match *request.method() {
            Method::GET => false,
            Method::HEAD => true,
            _ => return None,
        };
        let mut plan = Plan {
            head,
            preconditions: None,
            ranges: None,
            candidates: self.config.policy.candidates(request.uri().path()),
            authorization: false,
            cookie: false,
            principal: request.extensions().get::<Principal>().is_some(),
            may_be_coded: false,
            config: Arc::clone(&self.config),
        };
        let (mut conditional, mut ranged) = (false, false);
        // One pass is quicker than to look up seven.
        for (name, value) in request.headers() {
            match *name {
                header::AUTHORIZATION => plan.authorization = true,
                header::COOKIE => plan.cookie = true,
                header::ACCEPT_ENCODING => plan.may_be_coded = plan.may_be_coded || accepts_coding(value.as_bytes()),
                header::IF_MATCH | header::IF_NONE_MATCH | header::IF_MODIFIED_SINCE | header::IF_UNMODIFIED_SINCE => {
                    conditional = true;
                }
                header::RANGE => ranged = true,
                _ => {}
            }
        }
        // Only to GET does Range mean anything (§14.2).
        if ranged && !head && self.config.ranges != Ranges::Off {
            plan.ranges = ByteRanges::from_headers(request.headers()).map(Box::new);
            // If-Range means nothing without Range (§13.1.5).
            conditional |= plan.ranges.is_some() && request.headers().contains_key(header::IF_RANGE);
        }
        // In a box: as small as can be, since it waits beside every request.
        plan.preconditions = conditional.then(|| Box::new(Preconditions::from_headers(request.headers())));
        Some(plan)
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

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let plan = self.plan(&request);
        ResponseFuture::new(self.inner.call(request), plan)
    }
}
