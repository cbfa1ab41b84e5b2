//! A body that is read once from its source and as often as it takes from memory.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::replay_error::ReplayError;
use crate::error_mapping::upstream::BoxError;

/// A smaller chunk is copied: a [`Bytes`] is 32 bytes more, and may hold a buffer much longer than itself, and who sends chooses how small they are.
pub(super) const SMALL: usize = 1024;

/// What the readers of one body share.
pub(super) struct Recording<B> {
    /// `None` once it has ended or failed.
    source: Option<Pin<Box<B>>>,
    chunks: Vec<Bytes>,
    /// Small chunks since the last one of `chunks`, in one. It is read as the next one.
    small: BytesMut,
    trailers: Option<HeaderMap>,
    bytes: usize,
    cap: usize,
    /// Nobody can begin any more: the body failed, or was longer than the cap.
    lost: bool,
    readers: u64,
    /// How often one reader has taken over from all others there were.
    takeovers: u64,
    waker: Option<Waker>,
}

/// How far one reader has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Reader {
    /// 0 for one that has not begun. Of those that have, the last one goes on alone: an attempt that was given up may still be asking.
    number: u64,
    /// The takeovers before it was made. After another it cannot begin.
    takeovers: u64,
    chunk: usize,
    had_trailers: bool,
}

impl<B: Body<Error: Into<BoxError>>> Recording<B> {
    pub(super) fn new(source: B, cap: usize) -> Self {
        Self {
            source: Some(Box::pin(source)),
            chunks: Vec::new(),
            small: BytesMut::new(),
            trailers: None,
            bytes: 0,
            cap,
            lost: false,
            readers: 0,
            takeovers: 0,
            waker: None,
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        !self.lost
    }

    pub(super) fn poll_frame(
        &mut self,
        reader: &mut Reader,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReplayError>>> {
        if let Err(error) = self.admit(reader) {
            return Poll::Ready(Some(Err(error)));
        }
        if let Some(chunk) = self.chunks.get(reader.chunk) {
            reader.chunk += 1;
            return Poll::Ready(Some(Ok(Frame::data(chunk.clone()))));
        }
        let Some(source) = &mut self.source else {
            let trailers = if reader.had_trailers { None } else { self.trailers.clone() };
            reader.had_trailers = true;
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        };
        match source.as_mut().poll_frame(cx) {
            Poll::Pending => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(self.record(frame, reader)))),
            Poll::Ready(Some(Err(error))) => {
                self.lose();
                self.source = None;
                Poll::Ready(Some(Err(ReplayError::source(error.into()))))
            }
            Poll::Ready(None) => {
                self.source = None;
                Poll::Ready(None)
            }
        }
    }

    pub(super) fn reader(&self) -> Reader {
        Reader { takeovers: self.takeovers, ..Reader::default() }
    }

    /// From here on no other reader gets anything, begun or not, so nothing is lost that this one has not had.
    pub(super) fn take_over(&mut self, reader: &mut Reader) -> bool {
        let admitted = self.admit(reader).is_ok();
        if admitted {
            self.takeovers += 1;
        }
        admitted
    }

    fn admit(&mut self, reader: &mut Reader) -> Result<(), ReplayError> {
        if reader.number == 0 {
            if reader.takeovers != self.takeovers {
                return Err(ReplayError::superseded());
            }
            if self.lost {
                return Err(ReplayError::lost());
            }
            self.readers += 1;
            reader.number = self.readers;
            self.close_small();
            // Whoever waits for the source would never hear of it again.
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
        if reader.number == self.readers { Ok(()) } else { Err(ReplayError::superseded()) }
    }

    fn record(&mut self, frame: Frame<B::Data>, reader: &mut Reader) -> Frame<Bytes> {
        let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
        if let Some(data) = frame.data_ref() {
            self.bytes = self.bytes.saturating_add(data.len());
            if self.bytes > self.cap {
                self.lose();
            } else if !self.lost {
                self.keep(data);
                reader.chunk = self.kept();
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            reader.had_trailers = true;
            self.trailers = Some(trailers.clone());
            // They are the end: hyper asks no further, so that this reader may never hear of it (RFC 9110 §6.5).
            self.source = None;
        }
        frame
    }

    fn keep(&mut self, data: &Bytes) {
        if data.len() < SMALL {
            self.small.extend_from_slice(data);
        } else {
            self.close_small();
            self.chunks.push(data.clone());
        }
    }

    fn close_small(&mut self) {
        if !self.small.is_empty() {
            self.chunks.push(self.small.split().freeze());
        }
    }

    /// How many chunks there are to read.
    fn kept(&self) -> usize {
        self.chunks.len() + usize::from(!self.small.is_empty())
    }

    fn lose(&mut self) {
        self.lost = true;
        self.chunks = Vec::new();
        self.small = BytesMut::new();
    }

    pub(super) fn is_end_stream(&self, reader: &Reader) -> bool {
        let read = reader.chunk >= self.kept() && (reader.had_trailers || self.trailers.is_none());
        let is_left_behind = reader.number != self.readers && self.lost;
        read && !is_left_behind && self.source.as_ref().is_none_or(|source| source.is_end_stream())
    }

    pub(super) fn size_hint(&self, reader: &Reader) -> SizeHint {
        let chunks = self.chunks.iter().map(Bytes::len).chain([self.small.len()]);
        let kept = chunks.skip(reader.chunk).map(|length| length as u64).sum::<u64>();
        let rest = self.source.as_ref().map_or_else(|| SizeHint::with_exact(0), |source| source.size_hint());
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(kept));
        }
        hint.set_lower(rest.lower().saturating_add(kept));
        hint
    }
}
