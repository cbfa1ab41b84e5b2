use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use pin_project_lite::pin_project;

use super::{
    body::ResponseBody, classify::Failure, config::Config, guard::guard, negotiate::Wanted, respond, upstream::InnerError,
};

pin_project! {
    /// The future of [`ErrorMapping`](super::ErrorMapping).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
        wanted: Wanted,
        config: Config,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Running { #[pin] future: F },
        Failed { failure: Option<Failure> },
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(super) fn running(future: F, wanted: Wanted, config: Config) -> Self {
        Self { state: State::Running { future }, wanted, config }
    }

    #[cold]
    pub(super) fn failed(failure: Failure, wanted: Wanted, config: Config) -> Self {
        Self { state: State::Failed { failure: Some(failure) }, wanted, config }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: InnerError,
{
    type Output = Result<Response<ResponseBody<B>>, Infallible>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let wanted = *this.wanted;
        let failure = match this.state.as_mut().project() {
            StateProj::Running { future } => {
                // Written from within, not returned: a response is large, and each hand that passes it on copies it.
                let mut polled = Poll::Pending;
                match guard(|| polled = future.poll(cx)) {
                    Err(panicked) => panicked.into(),
                    Ok(()) => match polled {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Ok(response)) => {
                            return Poll::Ready(Ok(respond::pass_or_render(response, wanted, this.config)));
                        }
                        Poll::Ready(Err(error)) => Failure::of(error),
                    },
                }
            }
            StateProj::Failed { failure } => match failure.take() {
                Some(failure) => failure,
                // Polled again after it was ready: the caller's mistake, and no reason to panic.
                None => return Poll::Pending,
            },
        };
        Poll::Ready(Ok(answer(this.state, failure, wanted, this.config)))
    }
}

#[cold]
#[inline(never)]
fn answer<F, B>(mut state: Pin<&mut State<F>>, failure: Failure, wanted: Wanted, config: &Config) -> Response<ResponseBody<B>> {
    let response = respond::answer(&failure, wanted, config);
    // What has failed is not polled again. Dropping it, or its error, may panic once more.
    let _ = guard(|| state.set(State::Failed { failure: None }));
    let _ = guard(|| drop(failure));
    response
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
