use std::{
    convert::Infallible,
    fmt,
    future::Future,
    mem,
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
    guard::{Panicked, catch, guard, told},
    inner::InnerError,
    respond,
    terms::Terms,
};

pin_project! {
    /// The future of [`ErrorMapping`](super::ErrorMapping).
    #[project = Projection]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        // None once it has ended, or if it never began.
        #[pin]
        future: Option<F>,
        asked: Asked,
        terms: Terms,
        // Why it never began. In a box, since few fail.
        failure: Option<Box<Failure>>,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        // A client that leaves drops the work wherever it stands, in the task of its connection.
        fn drop(this: Pin<&mut Self>) {
            if mem::needs_drop::<F>() && this.future.is_some() {
                leave(this.project().future);
            }
        }
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(super) fn running(future: F, asked: Asked, terms: Terms) -> Self {
        Self { future: Some(future), asked, terms, failure: None }
    }

    #[cold]
    pub(super) fn failed(failure: Option<Failure>, asked: Asked, terms: Terms) -> Self {
        Self { future: None, asked, terms, failure: failure.map(Box::new) }
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
        // Written from within, not returned: a response is large, and each hand that passes it on copies it.
        let mut polled = Poll::Pending;
        let caught = catch(|| {
            if let Some(future) = this.future.as_mut().as_pin_mut() {
                polled = future.poll(cx);
                if polled.is_ready() {
                    this.future.set(None);
                }
            }
        });
        match polled {
            Poll::Ready(Ok(response)) if caught.is_ok() && respond::passes(&response, this.terms) => {
                Poll::Ready(Ok(response.map(|body| ResponseBody::inner(body, Terms::default()))))
            }
            Poll::Pending if caught.is_ok() && this.failure.is_none() => Poll::Pending,
            polled => decide(polled, caught.err(), this),
        }
    }
}

type Polled<B> = Poll<Result<Response<ResponseBody<B>>, Infallible>>;

/// What becomes of everything but a response that passes as it is.
#[cold]
#[inline(never)]
fn decide<F, B: Body, E: InnerError>(
    polled: Poll<Result<Response<B>, E>>,
    panicked: Option<Panicked>,
    this: Projection<'_, F>,
) -> Polled<B> {
    if let (Poll::Ready(_), Some(panicked)) = (&polled, &panicked) {
        // What is done has panicked when it was dropped, which changes nothing of its answer.
        told(panicked);
    }
    let (asked, terms) = (*this.asked, this.terms);
    Poll::Ready(Ok(match polled {
        Poll::Ready(Ok(response)) => respond::pass_or_render(response, asked, terms),
        Poll::Ready(Err(error)) => answer(this.future, Failure::of(error), asked, terms),
        Poll::Pending => match panicked.map(Failure::Panic).or_else(|| this.failure.take().map(|failure| *failure)) {
            Some(failure) => answer(this.future, failure, asked, terms),
            // Or polled again after it was ready: the caller's mistake, and no reason to panic.
            None => return Poll::Pending,
        },
    }))
}

#[cold]
#[inline(never)]
fn answer<F, B>(future: Pin<&mut Option<F>>, failure: Failure, asked: Asked, terms: &mut Terms) -> Response<ResponseBody<B>> {
    let response = respond::answer(&failure, asked, terms);
    leave(future);
    response
}

/// What is not polled again may panic when it is dropped.
fn leave<F>(mut future: Pin<&mut Option<F>>) {
    let _ = guard(|| future.set(None));
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
