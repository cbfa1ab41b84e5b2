use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use super::{refusal, requirement::Requirement};
use crate::LayerBody;

pin_project! {
    /// The future of [`RequireScope`](super::RequireScope).
    #[must_use = "futures do nothing unless polled"]
    pub struct RequireScopeFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Inner { #[pin] future: F },
        NotGranted { requirement: Arc<Requirement> },
        Unknown,
    }
}

impl<F> RequireScopeFuture<F> {
    pub(super) fn inner(future: F) -> Self {
        Self { state: State::Inner { future } }
    }

    pub(super) fn not_granted(requirement: Arc<Requirement>) -> Self {
        Self { state: State::NotGranted { requirement } }
    }

    pub(super) fn unknown() -> Self {
        Self { state: State::Unknown }
    }
}

impl<F, B, E> Future for RequireScopeFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<LayerBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(match self.project().state.project() {
            StateProj::Inner { future } => ready!(future.poll(cx))?.map(LayerBody::inner),
            StateProj::NotGranted { requirement } => refusal::not_granted(requirement),
            StateProj::Unknown => refusal::unknown(),
        }))
    }
}

impl<F> fmt::Debug for RequireScopeFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireScopeFuture").finish_non_exhaustive()
    }
}
