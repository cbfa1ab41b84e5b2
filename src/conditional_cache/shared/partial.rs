//! Parts of responses in the store, [RFC 9111 §3.3 and §3.4](https://www.rfc-editor.org/rfc/rfc9111#section-3.3).

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{
    super::entity_tag::{Comparison, TagRef},
    store::{StoredBody, StoredHead, Variant},
};
use crate::core::header::only;

/// Where a part lies in its whole, as `Content-Range` says
/// ([RFC 9110 §14.4](https://www.rfc-editor.org/rfc/rfc9110#section-14.4)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start: u64,
    /// Behind the last byte.
    pub(super) end: u64,
    pub(super) complete_length: Option<u64>,
}

impl Place {
    /// `None` for several parts, another unit, or numbers that contradict each other.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(only(headers, &header::CONTENT_RANGE)?.as_bytes())
    }

    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let value = std::str::from_utf8(value).ok()?;
        let (unit, rest) = value.split_once(' ')?;
        let (range, length) = rest.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (start, end) = (number(first)?, number(last)?.checked_add(1)?);
        let complete_length = if length == "*" { None } else { Some(number(length)?) };
        let fits = start < end && complete_length.is_none_or(|length| end <= length);
        (unit.eq_ignore_ascii_case("bytes") && fits).then_some(Self { start, end, complete_length })
    }

    /// The content of the part as it is stored. Less than was announced is kept as what it is, for its framing said that it was all; more is not.
    pub(super) fn body(self, content: &StoredBody) -> Option<StoredBody> {
        if content.stored_length() > self.end - self.start {
            return None;
        }
        StoredBody::part(self.start, joined(content), self.complete_length)
    }
}

fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn joined(content: &StoredBody) -> Bytes {
    let mut pieces = content.pieces().map(|(_, piece)| piece);
    match (pieces.next(), pieces.next()) {
        (None, _) => Bytes::new(),
        (Some(piece), None) => piece.clone(),
        (Some(_), Some(_)) => {
            let mut all = BytesMut::new();
            content.pieces().for_each(|(_, piece)| all.extend_from_slice(piece));
            all.freeze()
        }
    }
}

/// Makes the head of a part that of the whole, under which it is stored. What it was the answer to is kept beside it.
pub(super) fn widened(mut head: StoredHead, range: Option<&HeaderValue>) -> StoredHead {
    head.status = StatusCode::OK;
    let content_range = head.headers.remove(header::CONTENT_RANGE);
    head.headers.remove(header::CONTENT_LENGTH);
    match range.cloned().zip(content_range) {
        Some((range, content_range)) => head.with_range_answer(range, content_range),
        None => head,
    }
}

/// The part that has answered the very `Range` of a request, and its `Content-Range`. Which bytes a `Range` selects, the origin has then said itself.
/// Nobody else can tell where the complete length is unknown; and where the content is shorter than its `Content-Range`, the numbers alone would
/// tell it wrongly. So "a range wholly within the incomplete response" ([RFC 9111 §3.3](https://www.rfc-editor.org/rfc/rfc9111#section-3.3)) is
/// what the response says of itself.
pub(super) fn again<'a>(head: &'a StoredHead, body: &StoredBody, request: &HeaderMap) -> Option<(Range<u64>, &'a HeaderValue)> {
    let (range, content_range) = head.range_answer().filter(|_| !body.is_whole())?;
    if only(request, &header::RANGE)? != range {
        return None;
    }
    let place = Place::parse(content_range.as_bytes())?;
    let there = body.find(place.start)?.len() as u64;
    Some((place.start..place.end.min(place.start + there), content_range))
}

/// A part that has just come together with what was stored, if both are of the same representation: one strong validator for both
/// ([RFC 9110 §15.3.7.3](https://www.rfc-editor.org/rfc/rfc9110#section-15.3.7.3)). What came last counts; without such a validator, alone.
pub(super) fn combined(stored: Option<&Variant>, head: &StoredHead, body: StoredBody) -> StoredBody {
    let same = stored
        .filter(|stored| stored.head().status == StatusCode::OK && same_representation(&stored.head().headers, &head.headers));
    same.and_then(|stored| stored.body().combined(&body)).unwrap_or(body)
}

fn same_representation(one: &HeaderMap, other: &HeaderMap) -> bool {
    match (tag(one), tag(other)) {
        (Some(one), Some(other)) => one.equals(other, Comparison::Strong),
        _ => false,
    }
}

fn tag(headers: &HeaderMap) -> Option<TagRef<'_>> {
    only(headers, &header::ETAG).and_then(|value| TagRef::parse(value.as_bytes()))
}

/// The rest of a response of which the beginning is stored, and how to ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) from: u64,
    pub(super) range: HeaderValue,
    /// The strong tag on which alone it can be joined.
    pub(super) if_range: HeaderValue,
}

/// What is missing, if it is one piece at the end, and joining it is safe. Of a response of unknown length nothing may be missing at all.
pub(super) fn rest(stored: &Variant) -> Option<Rest> {
    let headers = &stored.head().headers;
    if !same_representation(headers, headers) || stored.body().is_whole() || stored.body().complete_length().is_none() {
        return None;
    }
    let mut pieces = stored.body().pieces();
    let from = match (pieces.next(), pieces.next()) {
        (Some((0, piece)), None) => piece.len() as u64,
        _ => return None,
    };
    Some(Rest {
        from,
        range: HeaderValue::try_from(format!("bytes={from}-")).ok()?,
        if_range: only(headers, &header::ETAG)?.clone(),
    })
}

/// Whether what came in answer is that rest, of the same representation, to its end.
pub(super) fn completes(stored: &Variant, rest: &Rest, headers: &HeaderMap) -> Option<u64> {
    let place = Place::of(headers)?;
    let whole = place.complete_length.filter(|length| *length == place.end)?;
    (place.start == rest.from && same_representation(&stored.head().headers, headers)).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn places() {
        let place = |start, end, complete_length| Some(Place { start, end, complete_length });
        for (name, text, expected) in [
            ("a part", "bytes 4-9/10", place(4, 10, Some(10))),
            ("of unknown length", "bytes 0-4/*", place(0, 5, None)),
            ("in capitals", "BYTES 0-4/10", place(0, 5, Some(10))),
            ("unsatisfied", "bytes */10", None),
            ("backwards", "bytes 9-4/10", None),
            ("beyond the end", "bytes 4-10/10", None),
            ("another unit", "items 0-4/10", None),
            ("no unit", "0-4/10", None),
            ("a sign", "bytes +0-4/10", None),
            ("too large", "bytes 0-18446744073709551615/*", None),
        ] {
            assert_eq!(Place::parse(text.as_bytes()), expected, "{name}");
        }
    }

    fn stored(tag: Option<&'static str>, start: u64, bytes: &'static str, length: u64) -> Variant {
        let mut head = StoredHead::new(StatusCode::OK, UNIX_EPOCH, UNIX_EPOCH);
        if let Some(tag) = tag {
            head.headers.insert(header::ETAG, HeaderValue::from_static(tag));
        }
        Variant::new(head, StoredBody::part(start, Bytes::from(bytes), Some(length)).unwrap())
    }

    #[test]
    fn what_is_joined() {
        for (name, old, new, whole) in [
            ("one strong tag", Some("\"a\""), Some("\"a\""), true),
            ("another", Some("\"a\""), Some("\"b\""), false),
            ("a weak one", Some("W/\"a\""), Some("W/\"a\""), false),
            ("none", None, None, false),
        ] {
            let (old, new) = (stored(old, 0, "01234", 10), stored(new, 5, "56789", 10));
            let body = combined(Some(&old), new.head(), new.body().clone());
            assert_eq!(body.is_whole(), whole, "{name}");
        }
    }

    #[test]
    fn what_is_asked_for() {
        let beginning = stored(Some("\"a\""), 0, "01234", 10);
        let rest = rest(&beginning).unwrap();
        assert_eq!((rest.range.to_str().unwrap(), rest.if_range.to_str().unwrap()), ("bytes=5-", "\"a\""));
        assert_eq!(super::rest(&stored(Some("\"a\""), 5, "56789", 10)), None);
        assert_eq!(super::rest(&stored(None, 0, "01234", 10)), None);
        for (name, range, tag, expected) in [
            ("the rest", "bytes 5-9/10", "\"a\"", Some(10)),
            ("not all of it", "bytes 5-8/10", "\"a\"", None),
            ("with a gap", "bytes 6-9/10", "\"a\"", None),
            ("of another", "bytes 5-9/10", "\"b\"", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_RANGE, HeaderValue::from_static(range));
            headers.insert(header::ETAG, HeaderValue::from_static(tag));
            assert_eq!(completes(&beginning, &rest, &headers), expected, "{name}");
        }
    }

    #[test]
    fn less_than_was_announced_is_kept_as_what_it_is() {
        let place = Place { start: 4, end: 10, complete_length: Some(10) };
        let body = place.body(&StoredBody::whole([Bytes::from("01234")])).unwrap();
        assert!(body.holds(4..9) && !body.holds(4..10));
        assert!(place.body(&StoredBody::whole([Bytes::from("0123456")])).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(value in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Place::parse(&value);
        }

        #[test]
        fn what_looks_like_a_place_lies_within_its_length(value in "bytes [0-9]{1,21}-[0-9]{1,21}/([0-9]{1,21}|\\*)") {
            if let Some(place) = Place::parse(value.as_bytes()) {
                prop_assert!(place.start < place.end && place.complete_length.is_none_or(|length| place.end <= length));
            }
        }
    }
}
