//! Holding a body back until its tag can be told.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;

use super::body::{ResponseBody, Then};

/// How many frames are taken before other tasks get their turn, for a body that is always ready.
const FRAMES_PER_TURN: usize = 64;

/// A body of which the beginning is held back.
///
/// A body of known size is awaited to its end: the size has been checked, and the client can do little with half of it. Of any other
/// only what is ready is taken; as soon as it lets us wait, it may be a stream that somebody watches, and what is held is let go.
pub(super) struct Hold<B> {
    body: Pin<Box<B>>,
    size: Option<u64>,
    limit: usize,
    /// The only frame so far, as it came: most bodies are of one frame, and it is never copied.
    single: Bytes,
    joined: BytesMut,
}

/// How the holding ended.
pub(super) enum Outcome<E> {
    /// The whole content is held.
    Complete(Option<HeaderMap>),
    /// The body ended, with less or more than it had announced.
    Torn(Option<HeaderMap>),
    /// It came to more than the limit, or let us wait.
    LetGo,
    /// The body failed after what is held.
    Failed(E),
}

impl<B: Body> Hold<B> {
    /// Whether there is something to tag, and not known to be too much.
    pub(super) fn fits(body: &B, limit: usize) -> bool {
        !body.is_end_stream() && body.size_hint().exact().is_none_or(|size| size <= limit as u64)
    }

    pub(super) fn new(body: B, limit: usize) -> Self {
        let size = body.size_hint().exact();
        Self { body: Box::pin(body), size, limit, single: Bytes::new(), joined: BytesMut::new() }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<B::Error>> {
        for _ in 0..FRAMES_PER_TURN {
            let polled = self.body.as_mut().poll_frame(cx);
            if polled.is_pending() && self.size.is_none() {
                return Poll::Ready(Outcome::LetGo);
            }
            let frame = match ready!(polled) {
                None => return Poll::Ready(self.ended(None)),
                Some(Err(error)) => return Poll::Ready(Outcome::Failed(error)),
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(data) => self.keep(data),
                Err(frame) => match frame.into_trailers() {
                    Ok(trailers) => return Poll::Ready(self.ended(Some(trailers))),
                    // A kind of frame that does not exist yet, and carries neither content nor the end of it.
                    Err(_) => continue,
                },
            }
            if self.content().len() > self.limit {
                return Poll::Ready(Outcome::LetGo);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn ended(&self, trailers: Option<HeaderMap>) -> Outcome<B::Error> {
        if self.size.is_none_or(|size| size == self.content().len() as u64) {
            Outcome::Complete(trailers)
        } else {
            Outcome::Torn(trailers)
        }
    }

    fn keep(&mut self, mut data: B::Data) {
        let chunk = data.copy_to_bytes(data.remaining());
        if self.content().is_empty() {
            self.single = chunk;
        } else if !chunk.is_empty() {
            if self.joined.is_empty() {
                let whole = self.size.and_then(|size| usize::try_from(size).ok()).unwrap_or(0).min(self.limit);
                self.joined.reserve(whole.max(self.single.len() + chunk.len()));
                self.joined.extend_from_slice(&self.single);
                self.single = Bytes::new();
            }
            self.joined.extend_from_slice(&chunk);
        }
    }

    /// What is held.
    pub(super) fn content(&self) -> &[u8] {
        if self.joined.is_empty() { &self.single } else { &self.joined }
    }

    /// The body as it would have been without holding.
    pub(super) fn release(self, outcome: Outcome<B::Error>) -> ResponseBody<B> {
        let Self { body, size, single, joined, .. } = self;
        let held = if joined.is_empty() { single } else { joined.freeze() };
        let then = match outcome {
            Outcome::Complete(None) | Outcome::Torn(None) => Then::End,
            Outcome::Complete(Some(trailers)) | Outcome::Torn(Some(trailers)) => Then::Trailers(trailers),
            Outcome::LetGo => Then::Rest(body),
            Outcome::Failed(error) => Then::Failed(error),
        };
        ResponseBody::replay(held, size, then)
    }
}
