use std::{
    convert::Infallible,
    fmt,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{
    asked::Asked,
    body::ResponseBody,
    classify::Failure,
    config::Config,
    future::ResponseFuture,
    guard::{catch, guard},
    inner::{InnerBody, InnerError},
    terms::Terms,
};

/// Answers the errors and panics of the service within; made by [`ErrorMappingLayer`](super::ErrorMappingLayer).
///
/// An inner service that fails to become ready fails the next call: [`poll_ready`](Service::poll_ready) says ready, and the call that it
/// admits is answered with that error without reaching the inner service.
///
/// # Clone
/// A clone starts without such a failure, since a clone of the inner service has to be polled anew too.
pub struct ErrorMapping<S> {
    inner: S,
    terms: Terms,
    unready: Option<Failure>,
}

impl<S> ErrorMapping<S> {
    pub(super) fn new(inner: S, config: Config) -> Self {
        Self { inner, terms: Terms::new(config), unready: None }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for ErrorMapping<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: InnerError,
    ResBody: InnerBody,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.unready.is_none() {
            match catch(|| self.inner.poll_ready(cx)) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(Ok(()))) => {}
                Ok(Poll::Ready(Err(error))) => self.unready = Some(Failure::of(error)),
                Err(panicked) => self.unready = Some(Failure::Panic(panicked)),
            }
        }
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let (asked, terms) = match self.terms.is_default() {
            true => (Asked::of(&request), Terms::default()),
            false => Asked::configured(&mut request, &self.terms),
        };
        if self.unready.is_some() {
            let _ = guard(|| drop(request));
            return ResponseFuture::failed(self.unready.take(), asked, terms);
        }
        // Written from within, not returned: a future is large, and each hand that passes it on copies it.
        let mut future = None;
        let caught = catch(|| future = Some(self.inner.call(request)));
        match future {
            Some(future) => ResponseFuture::running(future, asked, terms),
            None => ResponseFuture::failed(caught.err().map(Failure::Panic), asked, terms),
        }
    }
}

impl<S: Clone> Clone for ErrorMapping<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), terms: self.terms.clone(), unready: None }
    }
}

impl<S: fmt::Debug> fmt::Debug for ErrorMapping<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorMapping").field("inner", &self.inner).field("config", self.terms.config()).finish_non_exhaustive()
    }
}
