use std::{collections::BTreeMap, ops::Range, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;

/// The content of a stored response: the whole of it, or the ranges of it that were seen
/// ([RFC 9111 §3.3](https://www.rfc-editor.org/rfc/rfc9111#section-3.3)).
///
/// Cloning is a reference count.
#[derive(Clone, Debug)]
pub struct StoredBody {
    parts: Parts,
    trailers: Option<Arc<HeaderMap>>,
}

#[derive(Clone, Debug)]
enum Parts {
    /// The usual case, without an allocation of its own.
    One(Bytes),
    Whole {
        chunks: Arc<[Bytes]>,
        length: u64,
    },
    /// Apart from each other, and not empty: what touches is one part.
    Ranges {
        parts: Arc<BTreeMap<u64, Bytes>>,
        complete_length: Option<u64>,
    },
}

impl StoredBody {
    /// The whole content.
    #[must_use]
    pub fn whole(chunks: impl IntoIterator<Item = Bytes>) -> Self {
        let mut chunks: Vec<Bytes> = chunks.into_iter().filter(|chunk| !chunk.is_empty()).collect();
        let parts = match chunks.len() {
            0 | 1 => Parts::One(chunks.pop().unwrap_or_default()),
            _ => Parts::Whole { length: chunks.iter().map(|chunk| chunk.len() as u64).sum(), chunks: chunks.into() },
        };
        Self { parts, trailers: None }
    }

    /// The whole content, copied into memory of its own size.
    pub(crate) fn copied<'a>(chunks: impl IntoIterator<Item = &'a Bytes, IntoIter: Clone>) -> Self {
        let chunks = chunks.into_iter();
        let mut left: usize = chunks.clone().map(Bytes::len).sum();
        let mut pieces = Vec::with_capacity(left.div_ceil(PIECE));
        let mut piece = Vec::with_capacity(left.min(PIECE));
        for chunk in chunks {
            let mut rest: &[u8] = chunk;
            while let Some((now, later)) = rest.split_at_checked(rest.len().min(PIECE - piece.len())).filter(|_| !rest.is_empty())
            {
                piece.extend_from_slice(now);
                rest = later;
                if piece.len() == PIECE {
                    left -= PIECE;
                    pieces.push(std::mem::replace(&mut piece, Vec::with_capacity(left.min(PIECE))).into());
                }
            }
        }
        pieces.push(piece.into());
        Self::whole(pieces)
    }

    /// One part of a content whose complete length may be unknown. `None` if it does not lie within that length, or if nothing is in it.
    #[must_use]
    pub fn part(start: u64, bytes: Bytes, complete_length: Option<u64>) -> Option<Self> {
        let end = start.checked_add(bytes.len() as u64)?;
        if bytes.is_empty() || complete_length.is_some_and(|length| end > length) {
            return None;
        }
        if start == 0 && complete_length == Some(end) {
            return Some(Self::whole([bytes]));
        }
        let parts = Arc::new(BTreeMap::from([(start, bytes)]));
        Some(Self { parts: Parts::Ranges { parts, complete_length }, trailers: None })
    }

    /// The same with trailers ([RFC 9110 §6.5](https://www.rfc-editor.org/rfc/rfc9110#section-6.5)).
    #[must_use]
    pub fn with_trailers(mut self, trailers: HeaderMap) -> Self {
        self.trailers = (!trailers.is_empty()).then(|| Arc::new(trailers));
        self
    }

    /// The trailers, if there were any.
    #[must_use]
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_deref()
    }

    /// Whether all of the content is there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !matches!(self.parts, Parts::Ranges { .. })
    }

    /// How long the whole content is, if that is known.
    #[must_use]
    pub fn complete_length(&self) -> Option<u64> {
        match &self.parts {
            Parts::One(bytes) => Some(bytes.len() as u64),
            Parts::Whole { length, .. } => Some(*length),
            Parts::Ranges { complete_length, .. } => *complete_length,
        }
    }

    /// How many bytes of it are there.
    #[must_use]
    pub fn stored_length(&self) -> u64 {
        match &self.parts {
            Parts::One(bytes) => bytes.len() as u64,
            Parts::Whole { length, .. } => *length,
            Parts::Ranges { parts, .. } => parts.values().map(|bytes| bytes.len() as u64).sum(),
        }
    }

    /// About how many bytes it takes.
    pub(crate) fn weight(&self) -> u64 {
        let trailers = self.trailers.as_ref().map_or(0, |trailers| (trailers.capacity() * 128) as u64);
        self.pieces().map(|(_, piece)| piece.len() as u64 + OVERHEAD).sum::<u64>() + trailers
    }

    /// The bytes that are there, each piece with where it begins, in order.
    pub fn pieces(&self) -> impl Iterator<Item = (u64, &Bytes)> {
        let (one, chunks, parts) = match &self.parts {
            Parts::One(bytes) => (Some(bytes), None, None),
            Parts::Whole { chunks, .. } => (None, Some(chunks), None),
            Parts::Ranges { parts, .. } => (None, None, Some(parts)),
        };
        let mut at = 0;
        let of_chunks = chunks.into_iter().flat_map(|chunks| chunks.iter()).map(move |chunk| {
            let start = at;
            at += chunk.len() as u64;
            (start, chunk)
        });
        let of_parts = parts.into_iter().flat_map(|parts| parts.iter()).map(|(start, bytes)| (*start, bytes));
        one.map(|bytes| (0, bytes)).into_iter().chain(of_chunks).chain(of_parts)
    }

    /// The bytes from `position` to the end of the piece that holds it; none if that byte is not there.
    pub(crate) fn find(&self, position: u64) -> Option<Bytes> {
        let (start, bytes) = match &self.parts {
            Parts::One(bytes) => (0, bytes),
            Parts::Whole { .. } => self.pieces().find(|(start, bytes)| position < start + bytes.len() as u64)?,
            Parts::Ranges { parts, .. } => parts.range(..=position).next_back().map(|(start, bytes)| (*start, bytes))?,
        };
        let within = usize::try_from(position.checked_sub(start)?).ok()?;
        (within < bytes.len()).then(|| bytes.slice(within..))
    }

    /// Whether every byte of `range` is there.
    #[must_use]
    pub fn holds(&self, range: Range<u64>) -> bool {
        match &self.parts {
            Parts::Ranges { parts, .. } => {
                let around = parts.range(..=range.start).next_back();
                range.is_empty() || around.is_some_and(|(start, bytes)| range.end <= start + bytes.len() as u64)
            }
            Parts::One(_) | Parts::Whole { .. } => self.complete_length().is_some_and(|length| range.end <= length),
        }
    }

    /// Both in one ([RFC 9111 §3.4](https://www.rfc-editor.org/rfc/rfc9111#section-3.4)); that they are of the same representation, told by a strong
    /// validator, is for the caller to know. `newer` counts where they overlap. `None` if they cannot be of one content.
    #[must_use]
    pub fn combined(&self, newer: &Self) -> Option<Self> {
        let complete_length = match (self.complete_length(), newer.complete_length()) {
            (Some(one), Some(other)) if one != other => return None,
            (one, other) => one.or(other),
        };
        if newer.is_whole() {
            return Some(newer.clone());
        }
        if self.is_whole() {
            return Some(self.clone());
        }
        let mut parts: BTreeMap<u64, Bytes> = BTreeMap::new();
        for (start, bytes) in self.pieces().chain(newer.pieces()) {
            insert(&mut parts, start, bytes.clone());
        }
        let end = parts.last_key_value().map_or(0, |(start, bytes)| start + bytes.len() as u64);
        if complete_length.is_some_and(|length| end > length) {
            return None;
        }
        match parts.first_key_value() {
            Some((0, bytes)) if Some(bytes.len() as u64) == complete_length => Some(Self::whole([bytes.clone()])),
            _ => Some(Self { parts: Parts::Ranges { parts: Arc::new(parts), complete_length }, trailers: None }),
        }
    }
}

/// The most bytes in one piece of a whole content, so that no allocation is very large.
const PIECE: usize = 256 * 1024;

/// What a piece costs beyond its bytes.
const OVERHEAD: u64 = 64;

/// Puts bytes among the parts; what they touch becomes one part with them.
fn insert(parts: &mut BTreeMap<u64, Bytes>, start: u64, bytes: Bytes) {
    let end = start + bytes.len() as u64;
    let touched: Vec<u64> = parts
        .range(..=end)
        .rev()
        .take_while(|(other, held)| **other + held.len() as u64 >= start)
        .map(|(other, _)| *other)
        .collect();
    if touched.is_empty() {
        parts.insert(start, bytes);
        return;
    }
    let mut joined = Vec::new();
    let mut first = start;
    let mut tail = Bytes::new();
    for other in touched.into_iter().rev() {
        let Some(held) = parts.remove(&other) else { continue };
        if other < start {
            first = other;
            joined.extend_from_slice(held.get(..(start - other) as usize).unwrap_or_default());
        }
        if other + held.len() as u64 > end {
            tail = held.slice((end.saturating_sub(other)) as usize..);
        }
    }
    joined.extend_from_slice(&bytes);
    joined.extend_from_slice(&tail);
    parts.insert(first, joined.into());
}

#[cfg(test)]
mod tests;
