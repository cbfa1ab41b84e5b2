//! `If-Range`, [RFC 9110 §13.1.5](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.5).
//!
//! ```text
//! If-Range = entity-tag / HTTP-date
//! ```

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, header};

use super::{
    entity_tag::{Comparison, TagRef},
    http_date,
    validators::Current,
};
use crate::core::header::only;

/// What must be the case for a part to be sent rather than the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IfRange {
    /// Kept as received.
    Tag(HeaderValue),
    Date(SystemTime),
    /// The field is there and names no representation. A client that asks on a condition must not get a part without it.
    Malformed,
}

impl IfRange {
    pub(super) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        if !headers.contains_key(header::IF_RANGE) {
            return None;
        }
        let Some(value) = only(headers, &header::IF_RANGE) else { return Some(Self::Malformed) };
        let date = || http_date::parse(value.as_bytes()).map_or(Self::Malformed, Self::Date);
        Some(if TagRef::parse(value.as_bytes()).is_some() { Self::Tag(value.clone()) } else { date() })
    }

    /// Compares strongly: parts of two representations must never be put together.
    pub(super) fn holds(&self, current: Current<'_>, now: SystemTime) -> bool {
        match self {
            Self::Tag(value) => TagRef::parse(value.as_bytes())
                .zip(current.tag)
                .is_some_and(|(supposed, current)| supposed.equals(current, Comparison::Strong)),
            Self::Date(date) => current.last_modified == Some(*date) && is_over(*date, now),
            Self::Malformed => false,
        }
    }
}

/// Whether the second that begins at `date` has passed. Until then a second change would go by the same date (§8.8.2.2). That the client
/// got its own part later than that is for the client to have made sure of.
fn is_over(date: SystemTime, now: SystemTime) -> bool {
    date.checked_add(Duration::from_secs(1)).is_some_and(|over| over <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditional_cache::{EntityTag, Validators};
    use std::time::UNIX_EPOCH;

    #[test]
    fn conditions() {
        let date = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let (soon, later) = (date + Duration::from_millis(999), date + Duration::from_secs(1));
        let dated = Validators::existing().with_last_modified(date);
        let strong = dated.clone().with_entity_tag(EntityTag::strong("a").unwrap());
        let weak = dated.clone().with_entity_tag(EntityTag::weak("a").unwrap());
        for (name, values, current, now, expected) in [
            ("no field", &[][..], &strong, later, None),
            ("the tag", &["\"a\""], &strong, soon, Some(true)),
            ("another tag", &["\"b\""], &strong, later, Some(false)),
            ("a weak tag", &["W/\"a\""], &weak, later, Some(false)),
            ("a strong tag of a weak one", &["\"a\""], &weak, later, Some(false)),
            ("a tag and no current one", &["\"a\""], &dated, later, Some(false)),
            ("a list of tags", &["\"a\", \"b\""], &strong, later, Some(false)),
            ("a star", &["*"], &strong, later, Some(false)),
            ("the date", &["Sun, 06 Nov 1994 08:49:37 GMT"], &dated, later, Some(true)),
            ("the date beside a tag", &["Sun, 06 Nov 1994 08:49:37 GMT"], &strong, later, Some(true)),
            ("the date as an rfc850-date", &["Sunday, 06-Nov-94 08:49:37 GMT"], &dated, later, Some(true)),
            ("the date as an asctime-date", &["Sun Nov  6 08:49:37 1994"], &dated, later, Some(true)),
            ("the date, while it may change yet", &["Sun, 06 Nov 1994 08:49:37 GMT"], &dated, soon, Some(false)),
            ("a later date", &["Sun, 06 Nov 1994 08:49:38 GMT"], &dated, later, Some(false)),
            ("a date and none current", &["Sun, 06 Nov 1994 08:49:37 GMT"], &Validators::existing(), later, Some(false)),
            ("neither", &["a"], &strong, later, Some(false)),
            ("nothing", &[""], &strong, later, Some(false)),
            ("twice", &["\"a\"", "\"a\""], &strong, later, Some(false)),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::IF_RANGE, HeaderValue::from_static(value));
            }
            assert_eq!(IfRange::from_headers(&headers).map(|field| field.holds(current.into(), now)), expected, "{name}");
        }
    }
}
