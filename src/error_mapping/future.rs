use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{
    asked::Asked,
    body::ResponseBody,
    classify::Failure,
    config::Config,
    guard::{catch, guard},
    respond,
    upstream::InnerError,
};

pin_project! {
    /// The future of [`ErrorMapping`](super::ErrorMapping).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
        asked: Option<Asked>,
        config: Config,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        // A client that leaves drops the work wherever it stands, in the task of its connection.
        fn drop(this: Pin<&mut Self>) {
            if std::mem::needs_drop::<F>() {
                let _ = guard(|| this.project().state.set(State::Failed { failure: None }));
            }
        }
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
    pub(super) fn running(future: F, asked: Asked, config: Config) -> Self {
        Self { state: State::Running { future }, asked: Some(asked), config }
    }

    #[cold]
    pub(super) fn failed(failure: Failure, asked: Asked, config: Config) -> Self {
        Self { state: State::Failed { failure: Some(failure) }, asked: Some(asked), config }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: InnerError,
{
    type Output = Result<Response<ResponseBody<B>>, Infallible>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let failure = match this.state.as_mut().project() {
            StateProj::Running { future } => {
                // Written from within, not returned: a response is large, and each hand that passes it on copies it.
                let mut polled = Poll::Pending;
                match catch(|| polled = future.poll(cx)) {
                    Err(panicked) => Failure::Panic(panicked),
                    Ok(()) => match polled {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Ok(response)) => {
                            return Poll::Ready(Ok(respond::pass_or_render(
                                response,
                                this.asked.take().unwrap_or_default(),
                                this.config,
                            )));
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
        Poll::Ready(Ok(answer(this.state, failure, this.asked.take().unwrap_or_default(), this.config)))
    }
}

#[cold]
#[inline(never)]
fn answer<F, B>(mut state: Pin<&mut State<F>>, failure: Failure, asked: Asked, config: &Config) -> Response<ResponseBody<B>> {
    let response = respond::answer(&failure, asked, config);
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
