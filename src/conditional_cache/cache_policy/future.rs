use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use super::writing::Reading;

pin_project! {
    /// The future of [`CachePolicyService`](super::CachePolicyService).
    #[must_use = "futures do nothing unless polled"]
    pub struct CachePolicyFuture<F> {
        #[pin]
        inner: F,
        reading: Option<Reading>,
    }
}

impl<F> CachePolicyFuture<F> {
    pub(super) fn new(inner: F, reading: Option<Reading>) -> Self {
        Self { inner, reading }
    }
}

impl<F, B, E> Future for CachePolicyFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if let Some(reading) = this.reading {
            reading.write(&mut response);
        }
        Poll::Ready(Ok(response))
    }
}

impl<F> fmt::Debug for CachePolicyFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachePolicyFuture").finish_non_exhaustive()
    }
}
