use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::circuit::Word;
use crate::{
    LayerBody,
    error_mapping::{
        as_error::AsError,
        body::BodyError,
        cause::Cause,
        chain::chain,
        walk::{Place, cause_of},
    },
};

pin_project! {
    /// The response body of [`CircuitBreaker`](super::CircuitBreaker): the inner body, observed, or the problem of an open circuit.
    ///
    /// Frames, trailers, size hints and errors pass unchanged. An error that is the upstream's fault takes back the success that the head
    /// was counted as; an end, a client that leaves, and one that lets the body wait for long, change nothing.
    pub struct CircuitBreakerBody<B> {
        #[pin]
        body: LayerBody<B>,
        // None once nothing more is to be said.
        word: Option<Word>,
    }
}

impl<B> CircuitBreakerBody<B> {
    pub(super) fn observed(body: B, word: Option<Word>) -> Self {
        Self { body: LayerBody::inner(body), word }
    }

    pub(super) fn own(body: LayerBody<B>) -> Self {
        Self { body, word: None }
    }
}

impl<B> Body for CircuitBreakerBody<B>
where
    B: Body<Data: From<Bytes>, Error: AsError>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        this.word.take_if(|word| !word.asked_in_time());
        let polled = this.body.as_mut().poll_frame(cx);
        match (&polled, &mut *this.word) {
            (Poll::Ready(Some(Err(error))), word) => failed(word.take(), error),
            (Poll::Ready(Some(Ok(_))), Some(word)) if !this.body.is_end_stream() => word.handed_out(),
            (Poll::Ready(_), word) => *word = None,
            (Poll::Pending, _) => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cold]
fn failed(word: Option<Word>, error: &impl AsError) {
    if let Some(word) = word
        && cause_in_body(error.as_error()).is_upstreams()
    {
        word.take_back();
    }
}

/// What a layer within has said of it, if one has.
fn cause_in_body(error: &(dyn Error + 'static)) -> Cause {
    let told = chain(error).find_map(<dyn Error>::downcast_ref).map(BodyError::cause);
    told.unwrap_or_else(|| cause_of(error, Place::Relayed))
}

impl<B> fmt::Debug for CircuitBreakerBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreakerBody").field("body", &self.body).finish_non_exhaustive()
    }
}
