use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};

use super::super::terms::Terms;

/// What a stored response says before its content, and what was asked to get it ([RFC 9111 §3](https://www.rfc-editor.org/rfc/rfc9111#section-3)).
///
/// Everything in it is owned and plain, so a store over a network can write it down and read it back: its fields and its
/// [`range_answer`](Self::range_answer).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredHead {
    /// The status of the response; 206 content is kept under the status of the whole.
    pub status: StatusCode,
    /// The version that the response was received in.
    pub version: Version,
    /// The fields of the response, without those that speak of one connection
    /// ([RFC 9111 §3.1](https://www.rfc-editor.org/rfc/rfc9111#section-3.1)).
    pub headers: HeaderMap,
    /// The fields of the request that the response's `Vary` names, in the form in which they are compared.
    pub selecting: Selecting,
    /// When the request was sent ([RFC 9111 §4.2.3](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.3)).
    pub request_time: SystemTime,
    /// When the response, or the last one that validated it, came
    /// ([RFC 9111 §4.2.3](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.3)).
    pub response_time: SystemTime,
    /// Whether it was purged softly: to be taken as stale from then on, however fresh its fields call it.
    pub stale: bool,
    /// What the latest part was sent for, and as what; few heads have it.
    range_answer: Option<Box<RangeAnswer>>,
    /// What follows from all of this, worked out once; a head that was read back has none, and they are worked out when it is used.
    pub(in crate::conditional_cache) terms: Option<Terms>,
}

impl StoredHead {
    /// A head with nothing but its status and the two times.
    #[must_use]
    pub fn new(status: StatusCode, request_time: SystemTime, response_time: SystemTime) -> Self {
        Self {
            status,
            version: Version::HTTP_11,
            headers: HeaderMap::new(),
            selecting: Selecting::default(),
            request_time,
            response_time,
            stale: false,
            range_answer: None,
            terms: None,
        }
    }

    /// The same of a response whose content is a part: the latest part has answered this `Range`, as this `Content-Range`. Who asks for the very
    /// same range is answered with it ([RFC 9111 §3.3](https://www.rfc-editor.org/rfc/rfc9111#section-3.3)).
    #[must_use]
    pub fn with_range_answer(mut self, range: HeaderValue, content_range: HeaderValue) -> Self {
        self.range_answer = Some(Box::new(RangeAnswer { range, content_range }));
        self
    }

    /// The `Range` that the latest part has answered and its `Content-Range`, if the content is a part and both are known.
    #[must_use]
    pub fn range_answer(&self) -> Option<(&HeaderValue, &HeaderValue)> {
        self.range_answer.as_ref().map(|answer| (&answer.range, &answer.content_range))
    }

    /// About how many bytes it takes, with what the allocator and the maps need for themselves.
    pub(crate) fn weight(&self) -> u64 {
        let of = |name: &HeaderName, value: usize| (name.as_str().len() + value + FIELD) as u64;
        let fields: u64 = self.headers.iter().map(|(name, value)| of(name, value.len())).sum();
        let selecting: u64 =
            self.selecting.0.iter().map(|(name, value)| of(name, value.as_ref().map_or(0, |value| value.len()))).sum();
        let answer = self.range_answer().map_or(0, |(range, content_range)| range.len() + content_range.len() + FIELD) as u64;
        size_of::<Self>() as u64 + fields + selecting + answer
    }
}

#[derive(Clone, Debug)]
struct RangeAnswer {
    range: HeaderValue,
    content_range: HeaderValue,
}

/// What a field costs beyond its bytes: a bucket and a hash in the map, a name and a value that point to their bytes.
const FIELD: usize = 128;

/// The fields by which a response was selected ([RFC 9111 §4.1](https://www.rfc-editor.org/rfc/rfc9111#section-4.1)): each name with the value that
/// the request had, normalised, or with none if it had no such field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selecting(Box<[Field]>);

/// A name, and the value that the request had.
type Field = (HeaderName, Option<Box<[u8]>>);

impl Selecting {
    /// The fields, sorted by name, so that two lists of the same fields are equal.
    #[must_use]
    pub fn new(fields: impl IntoIterator<Item = (HeaderName, Option<Box<[u8]>>)>) -> Self {
        let mut fields: Vec<_> = fields.into_iter().collect();
        fields.sort_unstable_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        fields.dedup_by(|(later, _), (first, _)| later == first);
        Self(fields.into())
    }

    /// The names and values, sorted by name.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&HeaderName, Option<&[u8]>)> {
        self.0.iter().map(|(name, value)| (name, value.as_deref()))
    }

    /// Each name, whether the request had it, and its value, one after the other.
    pub(in super::super) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.iter().flat_map(|(name, value)| {
            let presence: &[u8] = if value.is_some() { b"is" } else { b"" };
            [name.as_str().as_bytes(), presence, value.unwrap_or_default()]
        })
    }

    /// Whether nothing selects: the response is for every request to its key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
