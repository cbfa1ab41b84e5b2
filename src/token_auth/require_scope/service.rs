use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{
    future::RequireScopeFuture,
    requirement::{Requirement, Standing},
};
use crate::LayerBody;

/// The service of [`RequireScopeLayer`](super::RequireScopeLayer).
#[derive(Clone, Debug)]
pub struct RequireScope<S> {
    inner: S,
    requirement: Arc<Requirement>,
}

impl<S> RequireScope<S> {
    pub(super) fn new(inner: S, requirement: Arc<Requirement>) -> Self {
        Self { inner, requirement }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RequireScope<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<LayerBody<ResBody>>;
    type Error = S::Error;
    type Future = RequireScopeFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        match self.requirement.judge(request.extensions().get()) {
            Standing::Granted => RequireScopeFuture::inner(self.inner.call(request)),
            Standing::NotGranted => RequireScopeFuture::not_granted(Arc::clone(&self.requirement)),
            Standing::Unknown => RequireScopeFuture::unknown(),
        }
    }
}
