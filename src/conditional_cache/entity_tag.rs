//! Entity tags, [RFC 9110 §8.8.3](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3).
//!
//! ```text
//! entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE
//! etagc      = %x21 / %x23-7E / obs-text
//! ```
//!
//! A backslash is an ordinary character in here, so a list of tags cannot be split like a list of quoted strings.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use http::HeaderValue;
use sha2::{Digest as _, Sha256};

use crate::core::header::trim_ows;

/// A validator of one representation: `"opaque"`, or `W/"opaque"` when it is weak
/// ([RFC 9110 §8.8.3](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3)).
///
/// A strong tag changes with every byte of the content; a weak one may stay when the change does not matter. `==` compares the text;
/// what a precondition asks for is [`strongly_equals`](Self::strongly_equals) or [`weakly_equals`](Self::weakly_equals).
///
/// ```
/// use donjon::conditional_cache::EntityTag;
///
/// let revision = EntityTag::strong("r7")?;
/// assert_eq!(revision.to_string(), "\"r7\"");
/// let weak: EntityTag = "W/\"r7\"".parse()?;
/// assert!(weak.weakly_equals(&revision));
/// assert!(!weak.strongly_equals(&weak), "a weak tag proves nothing about bytes");
/// # Ok::<_, donjon::conditional_cache::EntityTagError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EntityTag(HeaderValue);

/// How much a tag vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strength {
    Strong,
    Weak,
}

impl EntityTag {
    /// A strong tag around `opaque`.
    ///
    /// # Errors
    ///
    /// If `opaque` holds what a tag cannot: a space, a control character, a double quote.
    pub fn strong(opaque: impl AsRef<[u8]>) -> Result<Self, EntityTagError> {
        Self::parse(&[b"\"", opaque.as_ref(), b"\""].concat())
    }

    /// A weak tag around `opaque`.
    ///
    /// # Errors
    ///
    /// As for [`strong`](Self::strong).
    pub fn weak(opaque: impl AsRef<[u8]>) -> Result<Self, EntityTagError> {
        Self::parse(&[b"W/\"", opaque.as_ref(), b"\""].concat())
    }

    /// The strong tag of some content: its SHA-256, cut to 128 bits, in hexadecimal. The layer generates the same.
    ///
    /// ```
    /// use donjon::conditional_cache::EntityTag;
    ///
    /// assert_eq!(EntityTag::of("hello").to_string(), "\"2cf24dba5fb0a30e26e83b2ac5b9e29e\"");
    /// ```
    #[must_use]
    pub fn of(content: impl AsRef<[u8]>) -> Self {
        Self::generate(content.as_ref(), Strength::Strong)
    }

    pub(super) fn generate(content: &[u8], strength: Strength) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [b'0'; 32];
        for (two, byte) in hex.chunks_exact_mut(2).zip(Sha256::digest(content)) {
            for (digit, value) in two.iter_mut().zip([byte >> 4, byte & 15]) {
                *digit = DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
            }
        }
        Self::generate_from(str::from_utf8(&hex).unwrap_or_default(), hex.len(), strength)
    }

    /// Around the text of `opaque`, which has so many characters of those that a tag can hold.
    pub(super) fn generate_from(opaque: impl fmt::Display, length: usize, strength: Strength) -> Self {
        // No longer than needed: what has room to spare costs another allocation when it becomes a field value.
        let (mark, room) = if strength == Strength::Weak { ("W/", 4) } else { ("", 2) };
        let mut text = String::with_capacity(length + room);
        let _ = write!(text, "{mark}\"{opaque}\"");
        Self(HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("W/\"\"")))
    }

    /// Reads one whole tag, nothing around it.
    ///
    /// # Errors
    ///
    /// If `text` is not exactly one entity tag; `w/"a"`, `a` and `"a" ` are not.
    pub fn parse(text: &[u8]) -> Result<Self, EntityTagError> {
        let value = TagRef::parse(text).and_then(|_| HeaderValue::from_bytes(text).ok());
        value.map(Self).ok_or(EntityTagError(()))
    }

    /// Whether the tag begins with `W/`.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        self.0.as_bytes().first() == Some(&b'W')
    }

    /// What stands between the quotes; not always UTF-8.
    #[must_use]
    pub fn opaque(&self) -> &[u8] {
        self.borrowed().opaque
    }

    /// Strong comparison: both are strong and the same
    /// ([RFC 9110 §8.8.3.2](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3.2)).
    #[must_use]
    pub fn strongly_equals(&self, other: &Self) -> bool {
        self.borrowed().equals(other.borrowed(), Comparison::Strong)
    }

    /// Weak comparison: the same between the quotes, either may be weak
    /// ([RFC 9110 §8.8.3.2](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3.2)).
    #[must_use]
    pub fn weakly_equals(&self, other: &Self) -> bool {
        self.borrowed().equals(other.borrowed(), Comparison::Weak)
    }

    pub(super) fn borrowed(&self) -> TagRef<'_> {
        TagRef::parse(self.0.as_bytes()).unwrap_or(TagRef { strength: Strength::Weak, opaque: b"" })
    }
}

impl FromStr for EntityTag {
    type Err = EntityTagError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text.as_bytes())
    }
}

impl TryFrom<&HeaderValue> for EntityTag {
    type Error = EntityTagError;

    fn try_from(value: &HeaderValue) -> Result<Self, Self::Error> {
        TagRef::parse(value.as_bytes()).map(|_| Self(value.clone())).ok_or(EntityTagError(()))
    }
}

/// The value of an `ETag` field.
impl From<EntityTag> for HeaderValue {
    fn from(tag: EntityTag) -> Self {
        tag.0
    }
}

/// The value of an `ETag` field.
impl From<&EntityTag> for HeaderValue {
    fn from(tag: &EntityTag) -> Self {
        tag.0.clone()
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0.as_bytes()))
    }
}

impl fmt::Debug for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntityTag({self})")
    }
}

/// What was read is not an entity tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityTagError(());

impl fmt::Display for EntityTagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an entity tag")
    }
}

impl std::error::Error for EntityTagError {}

/// The two comparisons of [RFC 9110 §8.8.3.2](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Strong,
    Weak,
}

/// A tag as it stands in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TagRef<'a> {
    strength: Strength,
    opaque: &'a [u8],
}

impl<'a> TagRef<'a> {
    /// One whole tag, nothing around it.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        Self::take(text).and_then(|(tag, after)| after.is_empty().then_some(tag))
    }

    /// The tag that `text` begins with, and what follows.
    fn take(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (strength, rest) = match text {
            [b'W', b'/', b'"', rest @ ..] => (Strength::Weak, rest),
            [b'"', rest @ ..] => (Strength::Strong, rest),
            _ => return None,
        };
        let end = rest.iter().position(|byte| !is_etagc(*byte))?;
        let (opaque, after) = rest.split_at_checked(end)?;
        Some((Self { strength, opaque }, after.strip_prefix(b"\"")?))
    }

    pub(super) fn is_weak(self) -> bool {
        self.strength == Strength::Weak
    }

    pub(super) fn equals(self, other: Self, comparison: Comparison) -> bool {
        let comparable =
            comparison == Comparison::Weak || (self.strength, other.strength) == (Strength::Strong, Strength::Strong);
        comparable && self.opaque == other.opaque
    }
}

fn is_etagc(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)
}

/// The tags of one line of a list field. What is not a tag is left out and spoils nothing but itself: it can match nothing.
pub(super) fn list(line: &[u8]) -> impl Iterator<Item = TagRef<'_>> {
    let mut rest = line;
    std::iter::from_fn(move || {
        loop {
            rest = trim_ows(rest);
            if rest.is_empty() {
                return None;
            }
            let read = TagRef::take(rest);
            let after = trim_ows(read.map_or(rest, |(_, after)| after));
            let comma = after.iter().position(|byte| *byte == b',').unwrap_or(after.len());
            let tag = read.filter(|_| comma == 0).map(|(tag, _)| tag);
            rest = after.get(comma + 1..).unwrap_or_default();
            if tag.is_some() {
                return tag;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_grammar() {
        for (name, text, valid) in [
            ("strong", &b"\"xyzzy\""[..], true),
            ("weak", b"W/\"xyzzy\"", true),
            ("empty", b"\"\"", true),
            ("backslash is no escape", b"\"a\\\"", true),
            ("comma inside", b"\"a,b\"", true),
            ("beyond ASCII", b"\"\xff\"", true),
            ("lower-case weakness", b"w/\"xyzzy\"", false),
            ("weakness apart", b"W/ \"xyzzy\"", false),
            ("bare", b"xyzzy", false),
            ("one quote", b"\"", false),
            ("no end", b"\"xyzzy", false),
            ("no start", b"xyzzy\"", false),
            ("space inside", b"\"a b\"", false),
            ("quote inside", b"\"a\"b\"", false),
            ("delete inside", b"\"\x7f\"", false),
            ("line end inside", b"\"a\r\nb\"", false),
            ("space after", b"\"a\" ", false),
            ("a star", b"*", false),
            ("nothing", b"", false),
        ] {
            assert_eq!(EntityTag::parse(text).is_ok(), valid, "{name}");
        }
    }

    /// The table of RFC 9110 §8.8.3.2.
    #[test]
    fn comparison() {
        for (one, other, strongly, weakly) in [
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true),
        ] {
            let (one, other): (EntityTag, EntityTag) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(one.strongly_equals(&other), strongly, "{one} {other} strongly");
            assert_eq!(other.strongly_equals(&one), strongly, "{other} {one} strongly");
            assert_eq!(one.weakly_equals(&other), weakly, "{one} {other} weakly");
            assert_eq!(other.weakly_equals(&one), weakly, "{other} {one} weakly");
        }
    }

    #[test]
    fn lists() {
        for (name, line, expected) in [
            ("one", r#""a""#, &["a"][..]),
            ("some", r#""a", W/"b" ,"c""#, &["a", "b", "c"]),
            ("comma inside", r#""a,b", "c""#, &["a,b", "c"]),
            ("backslash before the end", r#""a\", "b""#, &["a\\", "b"]),
            ("empty elements", r#", ,"a",,"#, &["a"]),
            ("bare among good ones", r#"a, "b", c"#, &["b"]),
            ("two without a comma", r#""a" "b", "c""#, &["c"]),
            ("glued", r#""a""b", "c""#, &["c"]),
            ("never closed", r#""a", "b"#, &["a"]),
            ("a star is no tag", r#"*, "a""#, &["a"]),
            ("nothing", " , ", &[]),
        ] {
            let opaques: Vec<_> = list(line.as_bytes()).map(|tag| String::from_utf8_lossy(tag.opaque).into_owned()).collect();
            assert_eq!(opaques, expected, "{name}");
        }
    }

    #[test]
    fn the_weak_twin_of_a_generated_tag_is_weakly_equal() {
        let (strong, weak) = (EntityTag::of(b"x"), EntityTag::generate(b"x", Strength::Weak));
        assert!(weak.is_weak() && !strong.is_weak());
        assert!(strong.weakly_equals(&weak) && !strong.strongly_equals(&weak));
        assert_eq!(strong.opaque().len(), 32);
    }

    proptest! {
        #[test]
        fn a_tag_is_read_back(opaque in prop::collection::vec(any::<u8>().prop_filter("etagc", |byte| is_etagc(*byte)), 0..40), weak: bool) {
            let tag = if weak { EntityTag::weak(&opaque) } else { EntityTag::strong(&opaque) }.unwrap();
            let value = HeaderValue::from(&tag);
            prop_assert_eq!(EntityTag::try_from(&value), Ok(tag.clone()));
            prop_assert_eq!(tag.opaque(), &opaque[..]);
            prop_assert_eq!(tag.is_weak(), weak);
        }

        #[test]
        fn a_list_of_tags_is_read_back(tags in prop::collection::vec("(W/)?\"[!-#-~&&[^\"]]{0,8}\"", 0..6), pad in "[ \t]{0,2}") {
            let line = tags.join(&format!("{pad},{pad}"));
            let read: Vec<_> = list(line.as_bytes()).collect();
            let meant: Vec<_> = tags.iter().map(|tag| TagRef::take(tag.as_bytes()).unwrap().0).collect();
            prop_assert_eq!(read, meant);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
            for tag in list(&line) {
                prop_assert!(tag.opaque.iter().all(|byte| is_etagc(*byte)));
            }
            let _ = EntityTag::parse(&line);
        }
    }
}
