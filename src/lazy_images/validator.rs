//! Entity tags and digests of a page that is sent differently from how it was made.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// A suffix for the strong entity tags of rewritten pages ([RFC 9110 §8.8.3](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3)): other
/// bytes need another tag, and other settings make other bytes. A weak tag stays, since the page means the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suffix([u8; LENGTH]);

const LENGTH: usize = 13;

impl Suffix {
    pub(super) fn of(revision: u64) -> Self {
        let mut suffix = *b"-lazy00000000";
        let digits = suffix.iter_mut().rev().take(8);
        for (at, digit) in digits.enumerate() {
            let nibble = (revision >> (4 * at)) & 0xf;
            *digit = char::from_digit(u32::try_from(nibble).unwrap_or_default(), 16).map_or(b'0', |digit| digit as u8);
        }
        Self(suffix)
    }

    /// The tag of the page as it is sent; `None` for what is no strong tag.
    pub(super) fn add(self, tag: &HeaderValue) -> Option<HeaderValue> {
        let [b'"', opaque @ .., b'"'] = tag.as_bytes() else { return None };
        HeaderValue::from_bytes(&[b"\"", opaque, &self.0, b"\""].concat()).ok()
    }

    /// A list of tags as the service within knows them; `None` if none of them has the suffix.
    fn remove(self, tags: &[u8]) -> Option<HeaderValue> {
        // Nothing of it is the usual case, and costs nothing.
        self.find(tags)?;
        let mut known = Vec::with_capacity(tags.len());
        let mut rest = tags;
        while let Some(at) = self.find(rest) {
            let (before, after) = rest.split_at_checked(at)?;
            known.extend_from_slice(before);
            rest = after.get(LENGTH..)?;
        }
        known.extend_from_slice(rest);
        HeaderValue::from_bytes(&known).ok()
    }

    /// The suffix with the quote that ends its tag.
    fn find(self, tags: &[u8]) -> Option<usize> {
        tags.windows(LENGTH + 1).position(|window| window.starts_with(&self.0) && window.ends_with(b"\""))
    }
}

/// The preconditions of a request as they came, if a suffix was taken off them.
#[derive(Debug, Default)]
pub(super) struct Undone(Vec<HeaderValue>);

impl Undone {
    /// Takes the suffix off the tags of a request, so that the service within knows them. Not off `If-Range`: parts of the page as it was
    /// made are no parts of the page as it is sent.
    pub(super) fn take(headers: &mut HeaderMap, suffix: impl FnOnce() -> Suffix) -> Self {
        let mut undone = Self::default();
        if !headers.contains_key(header::IF_NONE_MATCH) && !headers.contains_key(header::IF_MATCH) {
            return undone;
        }
        let suffix = suffix();
        for name in [header::IF_NONE_MATCH, header::IF_MATCH] {
            if let http::header::Entry::Occupied(mut lines) = headers.entry(name) {
                for line in lines.iter_mut() {
                    if let Some(known) = suffix.remove(line.as_bytes()) {
                        undone.0.push(std::mem::replace(line, known));
                    }
                }
            }
        }
        undone
    }

    /// Whether the client holds the page that the tag of a 304 speaks of as it is sent.
    pub(super) fn matches(&self, tag: &HeaderValue, suffix: Suffix) -> bool {
        let Some(sent) = suffix.add(tag) else { return false };
        self.0.iter().any(|line| line.as_bytes().windows(sent.len()).any(|window| window == sent.as_bytes()))
    }
}

/// What speaks of the bytes as they were made. `Digest` is what RFC 9530 replaced.
const OF_OTHER_BYTES: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::ACCEPT_RANGES,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
];

/// Makes the fields of a page, or its trailers, those of the page as it is sent.
pub(super) fn describe_anew(fields: &mut HeaderMap, suffix: impl FnOnce() -> Suffix) {
    for name in &OF_OTHER_BYTES {
        fields.remove(name);
    }
    if let Some(tag) = fields.get_mut(header::ETAG)
        && let Some(sent) = suffix().add(tag)
    {
        *tag = sent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn suffix() -> Suffix {
        Suffix::of(0x1234_5678_9abc_def0)
    }

    #[test]
    fn the_suffix_is_the_end_of_the_revision() {
        assert_eq!(&suffix().0, b"-lazy9abcdef0");
        assert_eq!(&Suffix::of(0).0, b"-lazy00000000");
    }

    #[test]
    fn tags_gain_the_suffix() {
        for (name, tag, expected) in [
            ("strong", "\"abc\"", Some("\"abc-lazy9abcdef0\"")),
            ("empty", "\"\"", Some("\"-lazy9abcdef0\"")),
            ("weak", "W/\"abc\"", None),
            ("without quotes", "abc", None),
            ("half a tag", "\"", None),
        ] {
            let sent = suffix().add(&HeaderValue::from_static(tag));
            assert_eq!(sent, expected.map(HeaderValue::from_static), "{name}");
        }
    }

    #[test]
    fn conditions_lose_it() {
        for (name, line, expected) in [
            ("one", "\"abc-lazy9abcdef0\"", Some("\"abc\"")),
            ("several", "\"x\", \"a-lazy9abcdef0\" , \"b-lazy9abcdef0\"", Some("\"x\", \"a\" , \"b\"")),
            ("weakened on the way", "W/\"abc-lazy9abcdef0\"", Some("W/\"abc\"")),
            ("of other settings", "\"abc-lazy00000000\"", None),
            ("in the middle", "\"abc-lazy9abcdef0x\"", None),
            ("any", "*", None),
            ("nothing", "", None),
        ] {
            assert_eq!(suffix().remove(line.as_bytes()), expected.map(HeaderValue::from_static), "{name}");
        }
    }

    #[test]
    fn a_304_speaks_of_the_page_as_sent_if_that_is_what_the_client_has() {
        let undone = |line: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(line));
            Undone::take(&mut headers, suffix)
        };
        let tag = HeaderValue::from_static("\"abc\"");
        assert!(undone("\"abc-lazy9abcdef0\"").matches(&tag, suffix()));
        assert!(undone("\"x\", \"abc-lazy9abcdef0\"").matches(&tag, suffix()));
        assert!(!undone("\"abc\"").matches(&tag, suffix()));
        assert!(!undone("\"abd-lazy9abcdef0\"").matches(&tag, suffix()));
        assert!(!undone("\"xabc-lazy9abcdef0\"").matches(&tag, suffix()));
    }

    proptest! {
        #[test]
        fn what_was_added_is_removed(opaque in "[!#-~]{0,20}") {
            let tag = HeaderValue::from_str(&format!("\"{opaque}\"")).unwrap();
            let sent = suffix().add(&tag).unwrap();
            prop_assert_eq!(suffix().remove(sent.as_bytes()), Some(tag));
        }

        #[test]
        fn any_bytes_are_searched_without_a_panic(line in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = suffix().remove(&line);
        }
    }
}
