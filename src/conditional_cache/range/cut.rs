use std::{
    collections::VecDeque,
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use http_body::{Body, Frame, SizeHint};

/// How many frames are skipped before other tasks get their turn, for a body that is always ready.
const FRAMES_PER_TURN: usize = 64;

/// A piece of what is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::conditional_cache) enum Segment {
    /// What stands between the parts.
    Own(Bytes),
    /// These bytes of the content.
    Content(Range<u64>),
}

impl Segment {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Own(bytes) => bytes.len() as u64,
            Self::Content(range) => range.end.saturating_sub(range.start),
        }
    }
}

/// Parts of a body, in ascending order, and what stands between them. What comes before a part is skipped as it streams by, what comes
/// after the last is never asked for, and so neither are trailers: they speak of the whole.
///
/// The size is exact. A body that turns out shorter than it was said to be leaves part of it unpaid: a server must not take the content
/// for complete, and no bytes are made up.
pub(in crate::conditional_cache) struct Cut<B> {
    body: Pin<Box<B>>,
    /// Where in the content the next byte is that `rest` and `body` give.
    at: u64,
    /// Of a frame from which a part has been taken.
    rest: Bytes,
    segments: VecDeque<Segment>,
    left: u64,
    torn: bool,
}

/// What a poll of a body like `B` gives.
type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

impl<B> Cut<B> {
    pub(in crate::conditional_cache) fn new(body: B, segments: Vec<Segment>) -> Self {
        let left = segments.iter().fold(0_u64, |left, segment| left.saturating_add(segment.length()));
        Self { body: Box::pin(body), at: 0, rest: Bytes::new(), segments: segments.into(), left, torn: false }
    }

    pub(in crate::conditional_cache) fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    pub(in crate::conditional_cache) fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }

    /// What is there of the first segment.
    fn take(&mut self) -> Option<Bytes> {
        let range = match self.segments.front_mut()? {
            Segment::Content(range) => range,
            Segment::Own(bytes) => {
                let bytes = std::mem::take(bytes);
                self.segments.pop_front();
                return Some(bytes);
            }
        };
        let skipped = length_of(range.start.saturating_sub(self.at)).min(self.rest.len());
        self.rest.advance(skipped);
        self.at += skipped as u64;
        let taken = self.rest.split_to(length_of(range.end.saturating_sub(self.at)).min(self.rest.len()));
        if taken.is_empty() {
            return None;
        }
        self.at += taken.len() as u64;
        range.start = self.at;
        if range.is_empty() {
            self.segments.pop_front();
        }
        Some(taken)
    }
}

impl<B> Cut<B>
where
    B: Body<Data: From<Bytes>>,
{
    pub(in crate::conditional_cache) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Polled<B> {
        for _ in 0..FRAMES_PER_TURN {
            if self.left == 0 || self.torn {
                return Poll::Ready(None);
            }
            if let Some(bytes) = self.take() {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                return Poll::Ready(Some(Ok(Frame::data(bytes.into()))));
            }
            match ready!(self.body.as_mut().poll_frame(cx)).transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => self.receive(data),
                // A kind of frame that does not exist yet.
                Some(Err(frame)) if !frame.is_trailers() => {}
                // The end, and not all has come.
                _ => self.torn = true,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Passes over what no part wants before it is copied, for data that is no `Bytes`.
    fn receive(&mut self, mut data: B::Data) {
        if let Some(Segment::Content(range)) = self.segments.front() {
            let skipped = length_of(range.start.saturating_sub(self.at)).min(data.remaining());
            data.advance(skipped);
            self.at += skipped as u64;
        }
        self.rest = data.copy_to_bytes(data.remaining());
    }
}

/// As much of it as can be in memory at once.
fn length_of(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
