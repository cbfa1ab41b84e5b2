//! What came of a body, and how far each reader is: without locks, wakers or an inner body.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use http::HeaderMap;

use super::{
    super::store::StoredBody,
    room::{Held, Room},
};

/// One reader among others.
pub(super) type Place = u64;

/// The number of a chunk.
type At = u64;

/// What a chunk costs beyond its bytes, so that a body in single bytes is not held at a hundred times its size.
const CHUNK: u64 = 64;

#[derive(Debug)]
pub(super) struct Buffer {
    /// The most that may be held, in bytes.
    max: u64,
    /// What `Content-Length` said.
    expected: Option<u64>,
    chunks: VecDeque<Bytes>,
    /// The number of the first of them.
    first: At,
    /// What the chunks take.
    held: Held,
    received: u64,
    trailers: Option<Arc<HeaderMap>>,
    end: Option<End>,
    /// It is more than may be stored, or than there is room for.
    too_large: bool,
    readers: BTreeMap<Place, At>,
    next: Place,
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    /// An error, or a length that was not reached.
    Cut,
}

/// What a reader gets next.
#[derive(Clone, Debug)]
pub(super) enum Next {
    Chunk(Bytes),
    Trailers(Arc<HeaderMap>),
    End,
    /// It does not go on, and was not all.
    Cut,
}

/// Whether a body may be read on when its last reader is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    Allowed,
    Forbidden,
}

/// What a reader that goes away leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Others read on, or there is nothing to be read.
    Unchanged,
    /// A place from which to read the rest for the store.
    ToFinish(Place),
    /// A body that nobody wants any more.
    Ended,
}

impl Buffer {
    pub(super) fn new(max: u64, expected: Option<u64>, room: Room) -> Self {
        Self {
            max,
            expected,
            chunks: VecDeque::new(),
            first: 0,
            held: Held::nothing(room),
            received: 0,
            trailers: None,
            end: None,
            too_large: expected.is_some_and(|length| length > max),
            readers: BTreeMap::new(),
            next: 0,
        }
    }

    /// A reader from the beginning; after the first, none once the beginning is not there any more, or nothing good can come.
    pub(super) fn enter(&mut self) -> Option<Place> {
        if self.end == Some(End::Cut) || (self.too_large && self.next > 0) {
            return None;
        }
        let place = self.next;
        self.next += 1;
        self.readers.insert(place, 0);
        Some(place)
    }

    /// What a reader gets next, if it is there.
    pub(super) fn next(&mut self, place: Place) -> Option<Next> {
        let at = self.readers.get_mut(&place)?;
        let Some(ahead) = at.checked_sub(self.first) else { return Some(Next::Cut) };
        if let Some(chunk) = usize::try_from(ahead).ok().and_then(|ahead| self.chunks.get(ahead)) {
            *at += 1;
            let chunk = chunk.clone();
            self.trim();
            return Some(Next::Chunk(chunk));
        }
        // The trailers count as a chunk after the last.
        match (self.end?, &self.trailers) {
            (End::Cut, _) => Some(Next::Cut),
            (End::Whole, Some(trailers)) if ahead == self.chunks.len() as u64 => {
                *at += 1;
                Some(Next::Trailers(Arc::clone(trailers)))
            }
            (End::Whole, _) => Some(Next::End),
        }
    }

    /// Whether a reader has had all there is.
    pub(super) fn is_over(&self, place: Place) -> bool {
        let last = self.first + self.chunks.len() as u64 + u64::from(self.trailers.is_some());
        self.end == Some(End::Whole) && self.readers.get(&place).is_some_and(|at| *at >= last)
    }

    pub(super) fn push(&mut self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        self.received += chunk.len() as u64;
        let fits = self.held.add(chunk.len() as u64 + CHUNK);
        self.chunks.push_back(chunk);
        self.too_large |= !fits || self.is_over_max();
        self.trim();
    }

    pub(super) fn push_trailers(&mut self, trailers: HeaderMap) {
        self.trailers = Some(Arc::new(trailers));
    }

    /// The inner body has ended by itself.
    pub(super) fn end(&mut self) {
        let whole = self.expected.is_none_or(|length| length == self.received);
        self.end.get_or_insert(if whole { End::Whole } else { End::Cut });
    }

    /// The inner body failed, or nobody reads it any more. All that was promised may be there all the same.
    pub(super) fn cut(&mut self) {
        let whole = self.is_complete();
        self.end.get_or_insert(if whole { End::Whole } else { End::Cut });
    }

    pub(super) fn is_ended(&self) -> bool {
        self.end.is_some()
    }

    /// A reader goes away. If it was the last, the body ends with it, unless it `may` be finished and that is worth it: its end is known,
    /// and within what may be stored.
    pub(super) fn leave(&mut self, place: Place, may: Finish) -> Left {
        self.readers.remove(&place);
        self.trim();
        if self.end.is_some() || !self.readers.is_empty() {
            return Left::Unchanged;
        }
        let is_near = !self.too_large && self.expected.is_some_and(|length| self.received < length);
        match self.enter() {
            Some(place) if is_near && may == Finish::Allowed => Left::ToFinish(place),
            _ => {
                self.readers.clear();
                self.cut();
                Left::Ended
            }
        }
    }

    /// Whether all that was promised is there, though the inner body may not have said that it ended.
    pub(super) fn is_complete(&self) -> bool {
        self.expected == Some(self.received)
    }

    fn is_over_max(&self) -> bool {
        self.held.bytes() > self.max.saturating_add(CHUNK)
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.too_large
    }

    /// All of it, in memory of its own size: a small chunk may be a part of a large one that others hold. `None` if it is not whole.
    pub(super) fn stored(&self) -> Option<StoredBody> {
        if self.end != Some(End::Whole) || self.too_large {
            return None;
        }
        let body = StoredBody::copied(&self.chunks);
        Some(match &self.trailers {
            Some(trailers) => body.with_trailers(HeaderMap::clone(trailers)),
            None => body,
        })
    }

    /// Of what is not to be stored, lets go what all have read, and what is too far behind.
    fn trim(&mut self) {
        if !self.too_large || self.next == 0 {
            return;
        }
        let slowest = self.readers.values().min().copied().unwrap_or(At::MAX);
        // Not the last one: whoever brought it has not read it yet.
        while self.first < slowest || (self.is_over_max() && self.chunks.len() > 1) {
            let Some(chunk) = self.chunks.pop_front() else { break };
            self.held.subtract(chunk.len() as u64 + CHUNK);
            self.first += 1;
        }
    }
}
