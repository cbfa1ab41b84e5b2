//! Asking whether a stored response still holds, [RFC 9111 §4.3](https://www.rfc-editor.org/rfc/rfc9111#section-4.3).

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, header};

use super::{
    super::{
        entity_tag::{Comparison, TagRef},
        http_date,
        precondition::{Evaluation, Preconditions},
        validators::Current,
    },
    profile::Mismatch,
    store::StoredHead,
};
use crate::core::header::only;

/// Whatever sets a condition, or asks for a part.
const CONDITIONS: [HeaderName; 6] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::RANGE,
];

/// Turns the client's request into one that asks about the stored response (§4.3.1): with its tag, and with its date of modification.
/// The client's own conditions are evaluated on the answer. Without a validator it asks for the whole.
pub(super) fn ask_about(stored: &StoredHead, request: &mut HeaderMap) {
    unconditional(request);
    if let Some(tag) = stored.headers.get(header::ETAG) {
        request.insert(header::IF_NONE_MATCH, tag.clone());
    }
    if let Some(date) = only(&stored.headers, &header::LAST_MODIFIED) {
        request.insert(header::IF_MODIFIED_SINCE, date.clone());
    }
}

/// Turns the client's request into one for the whole.
pub(super) fn unconditional(request: &mut HeaderMap) {
    for name in &CONDITIONS {
        request.remove(name);
    }
}

/// Whether a 304 speaks of the stored response (§4.3.4).
pub(super) fn confirms(stored: &HeaderMap, not_modified: &HeaderMap, mismatch: Mismatch) -> bool {
    let tag = |headers| only(headers, &header::ETAG).and_then(|value| TagRef::parse(value.as_bytes()));
    if mismatch == Mismatch::TrustStatus {
        return true;
    }
    match (tag(stored), tag(not_modified)) {
        // A strong validator selects by strong comparison; a weak one, and a date, by being the same.
        (Some(stored), Some(new)) => stored.equals(new, Comparison::Weak),
        (None, Some(_)) => false,
        (_, None) => {
            let date = |headers| only(headers, &header::LAST_MODIFIED);
            date(not_modified).is_none_or(|new| date(stored).is_none_or(|stored| stored == new))
        }
    }
}

/// Whether the 200 to a HEAD speaks of the stored response (§4.3.5): every validator that it brings is the stored one, and so is the length.
pub(super) fn confirmed_by_head(stored: &HeaderMap, head: &HeaderMap, stored_length: Option<u64>) -> bool {
    let same = |name: &HeaderName| only(head, name).is_none_or(|new| only(stored, name) == Some(new));
    let length = only(head, &header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let as_long = length.is_none_or(|length: u64| stored_length == Some(length));
    same(&header::ETAG) && same(&header::LAST_MODIFIED) && as_long
}

/// Evaluates the client's conditions on the stored response (§4.3.2).
///
/// Where it has no `Last-Modified`, its `Date` stands in, and failing that the time at which it came.
pub(super) fn evaluate(preconditions: &Preconditions, stored: &HeaderMap, received: SystemTime) -> Evaluation {
    let mut current = Current::from_headers(stored);
    if current.last_modified.is_none() && !stored.contains_key(header::LAST_MODIFIED) {
        let sent = only(stored, &header::DATE).and_then(|value| http_date::parse(value.as_bytes()));
        current.last_modified = Some(sent.unwrap_or_else(|| http_date::whole_seconds(received)));
    }
    preconditions.judge(&http::Method::GET, current)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, StatusCode};
    use std::time::{Duration, UNIX_EPOCH};

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn questions() {
        for (name, stored, expected) in [
            (
                "a tag and a date",
                &[("etag", "W/\"a\""), ("last-modified", DATE)][..],
                &[("if-none-match", "W/\"a\""), ("if-modified-since", DATE)][..],
            ),
            ("a date that is none is sent as it came", &[("last-modified", "x")], &[("if-modified-since", "x")]),
            ("nothing to ask about", &[], &[]),
        ] {
            let mut head = StoredHead::new(StatusCode::OK, UNIX_EPOCH, UNIX_EPOCH);
            head.headers = headers(stored);
            let mut request = headers(&[
                ("if-none-match", "\"mine\""),
                ("if-modified-since", LATER),
                ("if-match", "*"),
                ("range", "bytes=0-1"),
                ("if-range", "\"mine\""),
                ("accept", "*/*"),
            ]);
            ask_about(&head, &mut request);
            let mut expected = headers(expected);
            expected.insert("accept", HeaderValue::from_static("*/*"));
            assert_eq!(request, expected, "{name}");
        }
    }

    #[test]
    fn confirmations() {
        for (name, stored, new, strict) in [
            ("no validator at all", &[][..], &[][..], true),
            ("the tag", &[("etag", "\"a\"")], &[("etag", "\"a\"")], true),
            ("another tag", &[("etag", "\"a\"")], &[("etag", "\"b\"")], false),
            ("a tag where there was none", &[("last-modified", DATE)], &[("etag", "\"b\"")], false),
            ("no tag any more", &[("etag", "\"a\"")], &[], true),
            ("the date", &[("last-modified", DATE)], &[("last-modified", DATE)], true),
            ("another date", &[("last-modified", DATE)], &[("last-modified", LATER)], false),
        ] {
            assert_eq!(confirms(&headers(stored), &headers(new), Mismatch::Refetch), strict, "{name}");
            assert!(confirms(&headers(stored), &headers(new), Mismatch::TrustStatus), "{name}");
        }
    }

    #[test]
    fn heads() {
        let stored = headers(&[("etag", "\"a\""), ("last-modified", DATE), ("content-length", "5")]);
        for (name, head, expected) in [
            ("no validator", &[][..], true),
            ("the same", &[("etag", "\"a\""), ("last-modified", DATE), ("content-length", "5")], true),
            ("another tag", &[("etag", "\"b\"")], false),
            ("another date", &[("last-modified", LATER)], false),
            ("another length", &[("content-length", "6")], false),
        ] {
            assert_eq!(confirmed_by_head(&stored, &headers(head), Some(5)), expected, "{name}");
        }
    }

    #[test]
    fn conditions_of_the_client() {
        let received = UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (name, stored, asked, expected) in [
            ("the tag", &[("etag", "\"a\"")][..], ("if-none-match", "\"b\", W/\"a\""), Evaluation::NotModified),
            ("another tag", &[("etag", "\"a\"")], ("if-none-match", "\"b\""), Evaluation::Proceed),
            ("since its modification", &[("last-modified", DATE)], ("if-modified-since", DATE), Evaluation::NotModified),
            ("since before", &[("last-modified", LATER)], ("if-modified-since", DATE), Evaluation::Proceed),
            ("Date stands in", &[("date", DATE)], ("if-modified-since", DATE), Evaluation::NotModified),
            ("a later Date", &[("date", LATER)], ("if-modified-since", DATE), Evaluation::Proceed),
            ("the time it came stands in", &[], ("if-modified-since", DATE), Evaluation::NotModified),
            ("a modification that cannot be read", &[("last-modified", "x")], ("if-modified-since", LATER), Evaluation::Proceed),
            ("a state that is over", &[("etag", "\"a\"")], ("if-match", "\"b\""), Evaluation::PreconditionFailed),
        ] {
            let preconditions = Preconditions::from_headers(&headers(&[asked]));
            assert_eq!(evaluate(&preconditions, &headers(stored), received), expected, "{name}");
        }
    }
}
