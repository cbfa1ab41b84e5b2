use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{
    body::SharedCacheBody,
    cache_status::{self, Handling, Telling},
    store::Store,
    write::Write,
};

/// All that takes more than one step: it is never on the way of a hit, or of a request that the cache has nothing to do for.
pub(super) type Work<B, E> = Pin<Box<dyn Future<Output = Result<Response<SharedCacheBody<B>>, E>> + Send>>;

pin_project! {
    /// The response future of [`SharedCache`](super::SharedCache).
    pub struct ResponseFuture<F, B, E, St> {
        #[pin]
        state: State<F, B, E, St>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B, E, St> {
        // A hit.
        Ready { response: Option<Response<SharedCacheBody<B>>> },
        // None of the cache's concern.
        Pass { #[pin] inner: F, status: Telling, handling: Handling },
        // The answer may change what is stored.
        Write { #[pin] inner: F, write: Option<Write<St>> },
        Work { work: Work<B, E> },
    }
}

impl<F, B, E, St> ResponseFuture<F, B, E, St> {
    pub(super) fn ready(response: Response<SharedCacheBody<B>>) -> Self {
        Self { state: State::Ready { response: Some(response) } }
    }

    pub(super) fn pass(inner: F, status: Telling, handling: Handling) -> Self {
        Self { state: State::Pass { inner, status, handling } }
    }

    pub(super) fn write(inner: F, write: Write<St>) -> Self {
        Self { state: State::Write { inner, write: Some(write) } }
    }

    pub(super) fn work(work: Work<B, E>) -> Self {
        Self { state: State::Work { work } }
    }
}

impl<F, B, E, St> Future for ResponseFuture<F, B, E, St>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data: From<Bytes>, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    St: Store,
{
    type Output = Result<Response<SharedCacheBody<B>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project().state.project() {
                StateProj::Ready { response } => match response.take() {
                    Some(response) => return Poll::Ready(Ok(response)),
                    // Asked again after it was ready, against the contract of futures.
                    None => return Poll::Pending,
                },
                StateProj::Pass { inner, status, handling } => {
                    let mut response = ready!(inner.poll(cx))?.map(SharedCacheBody::inner);
                    cache_status::write(response.headers_mut(), status, *handling);
                    return Poll::Ready(Ok(response));
                }
                StateProj::Write { inner, write } => {
                    let response = ready!(inner.poll(cx))?;
                    match write.take() {
                        Some(write) if Write::<St>::is_effective(&response) => {
                            let work: Work<B, E> = Box::pin(async move { Ok(write.answered(response).await) });
                            State::Work { work }
                        }
                        Some(write) => return Poll::Ready(Ok(write.told(response.map(SharedCacheBody::inner)))),
                        None => return Poll::Ready(Ok(response.map(SharedCacheBody::inner))),
                    }
                }
                StateProj::Work { work } => return work.as_mut().poll(cx),
            };
            self.as_mut().project().state.set(next);
        }
    }
}

impl<F, B, E, St> fmt::Debug for ResponseFuture<F, B, E, St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Ready { .. } => "ready",
            State::Pass { .. } | State::Write { .. } => "passing",
            State::Work { .. } => "working",
        };
        write!(f, "ResponseFuture({state})")
    }
}
