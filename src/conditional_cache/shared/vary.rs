//! Which requests a stored response answers, [RFC 9111 §4.1](https://www.rfc-editor.org/rfc/rfc9111#section-4.1).

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    profile::Likeness,
    store::{Selecting, Variant},
};
use crate::core::header::{Parameter, Quality, elements, elements_of, only, parameter, parameters, trim_ows};

/// What a response's `Vary` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Vary {
    /// Every request is answered.
    Nothing,
    /// Those are, whose fields of these names are like those of the first.
    Fields(Vec<HeaderName>),
    /// `*`, or a member that is no name: nothing tells which are.
    Any,
}

impl Vary {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let names: Result<Vec<_>, _> = elements(headers, &header::VARY)
            // `*` is a token, and would pass for a name.
            .map(|name| if name == b"*" { Err(()) } else { HeaderName::from_bytes(name).map_err(|_| ()) })
            .collect();
        match names {
            Ok(names) if names.is_empty() => Self::Nothing,
            Ok(names) => Self::Fields(names),
            Err(()) => Self::Any,
        }
    }

    /// What the request has in these fields, in the form in which it is compared.
    pub(super) fn selecting(&self, request: &HeaderMap, likeness: Likeness) -> Selecting {
        match self {
            Self::Fields(names) => {
                Selecting::new(names.iter().map(|name| (name.clone(), normal(request, name, likeness).map(Into::into))))
            }
            Self::Nothing | Self::Any => Selecting::default(),
        }
    }
}

/// The stored response that answers the request: the newest of those that match, since the newest comes first.
pub(super) fn select<'a>(variants: &'a [Variant], request: &HeaderMap, likeness: Likeness) -> Option<&'a Variant> {
    let exact = variants.iter().find(|variant| selects(&variant.head().selecting, request, likeness));
    match likeness {
        Likeness::Exact => exact,
        Likeness::Wide => exact.or_else(|| variants.iter().find(|variant| is_in_favourite_language(variant, request, likeness))),
    }
}

/// Whether a request is like the one that got the response.
pub(super) fn selects(selecting: &Selecting, request: &HeaderMap, likeness: Likeness) -> bool {
    differing(selecting, request, likeness).next().is_none()
}

/// The names of the selecting fields in which the request is unlike the one that got the response.
fn differing<'a>(selecting: &'a Selecting, request: &'a HeaderMap, likeness: Likeness) -> impl Iterator<Item = &'a HeaderName> {
    selecting.iter().filter(move |(name, stored)| normal(request, name, likeness).as_deref() != *stored).map(|(name, _)| name)
}

/// Whether nothing but the language was asked for differently, and the response is in the one that this request likes best: whatever
/// else there is, negotiation could come to no better end ([RFC 9110 §12.5.4](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.4)).
fn is_in_favourite_language(variant: &Variant, request: &HeaderMap, likeness: Likeness) -> bool {
    let head = variant.head();
    let Some(language) = only(&head.headers, &header::CONTENT_LANGUAGE) else { return false };
    differing(&head.selecting, request, likeness).all(|name| *name == header::ACCEPT_LANGUAGE)
        && favourite_language(request).is_some_and(|favourite| favourite.eq_ignore_ascii_case(trim_ows(language.as_bytes())))
}

/// The language of the greatest weight, if there is exactly one.
fn favourite_language(request: &HeaderMap) -> Option<&[u8]> {
    let mut best: Option<(Quality, &[u8])> = None;
    let mut tied = false;
    for element in elements(request, &header::ACCEPT_LANGUAGE) {
        let (range, weight) = weighed(element)?;
        if best.is_none_or(|(most, _)| weight > most) {
            (best, tied) = (Some((weight, range)), false);
        } else if best.is_some_and(|(most, _)| weight == most) {
            tied = true;
        }
    }
    best.filter(|(weight, range)| !tied && *weight > Quality::NONE && *range != b"*").map(|(_, range)| range)
}

/// An element and its `q`; `None` if the weight cannot be read.
fn weighed(element: &[u8]) -> Option<(&[u8], Quality)> {
    let (range, mut parameters) = parameters(element);
    let weight = parameters.find_map(|parameter| match parameter {
        Parameter::Named { name, value: Some(value) } if name.eq_ignore_ascii_case(b"q") => Some(Quality::parse(&value)),
        _ => None,
    });
    Some((range, weight.unwrap_or(Some(Quality::FULL))?))
}

/// A field's value in the form in which it is compared; `None` if there is no such field.
fn normal<'a>(request: &'a HeaderMap, name: &HeaderName, likeness: Likeness) -> Option<Cow<'a, [u8]>> {
    let mut lines = request.get_all(name).iter();
    let first = lines.next()?;
    let more = lines.next().is_some();
    if matches!(*name, header::ACCEPT | header::ACCEPT_ENCODING | header::ACCEPT_LANGUAGE | header::ACCEPT_CHARSET) {
        let mut members: Vec<Vec<u8>> = elements(request, name).map(member).collect();
        members.sort_unstable();
        members.dedup();
        return Some(Cow::Owned(members.join(&b',')));
    }
    match likeness {
        Likeness::Exact if !more => Some(Cow::Borrowed(first.as_bytes())),
        Likeness::Exact => {
            let lines: Vec<_> = request.get_all(name).iter().map(HeaderValue::as_bytes).collect();
            Some(Cow::Owned(lines.join(&b", "[..])))
        }
        Likeness::Wide if !more && !first.as_bytes().contains(&b',') => Some(Cow::Borrowed(trim_ows(first.as_bytes()))),
        Likeness::Wide => {
            let elements: Vec<_> = request.get_all(name).iter().flat_map(|line| elements_of(line.as_bytes())).collect();
            Some(Cow::Owned(elements.join(&b',')))
        }
    }
}

/// A member of a list of preferences: without spaces, the part before its parameters and their names in lower case, without a weight of 1.
///
/// Values of parameters are left as they are, for some of them are case-sensitive.
fn member(element: &[u8]) -> Vec<u8> {
    let mut parts = element.split(|byte| *byte == b';').map(trim_ows);
    let mut normal = parts.next().unwrap_or_default().to_ascii_lowercase();
    for part in parts.filter(|part| !part.is_empty()) {
        let Parameter::Named { name, value } = parameter(part) else {
            normal.push(b';');
            normal.extend_from_slice(part);
            continue;
        };
        let weight = name.eq_ignore_ascii_case(b"q").then(|| Quality::parse(value.as_deref().unwrap_or_default())).flatten();
        if weight == Some(Quality::FULL) {
            continue;
        }
        normal.push(b';');
        normal.extend(name.to_ascii_lowercase());
        normal.push(b'=');
        let value = value.as_deref().unwrap_or_default();
        // `0.5` and `0.500` weigh the same.
        let end = if weight.is_some() && value.contains(&b'.') {
            value.iter().rposition(|byte| !matches!(byte, b'0' | b'.')).map_or(1, |last| last + 1)
        } else {
            value.len()
        };
        normal.extend_from_slice(value.get(..end).unwrap_or_default());
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditional_cache::shared::store::{StoredBody, StoredHead};
    use http::StatusCode;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn readings() {
        let fields = |names: &[&'static str]| Vary::Fields(names.iter().copied().map(HeaderName::from_static).collect());
        for (name, lines, expected) in [
            ("none", &[][..], Vary::Nothing),
            ("empty", &[""], Vary::Nothing),
            ("one in capitals", &["FOO"], fields(&["foo"])),
            ("over lines", &["a, b", "c"], fields(&["a", "b", "c"])),
            ("a star", &["*"], Vary::Any),
            ("a star among names", &["a, *"], Vary::Any),
            ("a star behind nothing", &[", *"], Vary::Any),
            ("a star on its own line", &["a", "*"], Vary::Any),
            ("no name", &["a b"], Vary::Any),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("vary", *line)).collect();
            assert_eq!(Vary::of(&headers(&lines)), expected, "{name}");
        }
    }

    /// Whether the response to a request with `first` answers one with `second`.
    fn alike(likeness: Likeness, vary: &str, first: &[(&str, &str)], second: &[(&str, &str)], response: &[(&str, &str)]) -> bool {
        let mut head = StoredHead::new(StatusCode::OK, UNIX_EPOCH, UNIX_EPOCH);
        head.headers = headers(response);
        head.headers.insert(header::VARY, vary.parse().unwrap());
        head.selecting = Vary::of(&head.headers).selecting(&headers(first), likeness);
        let variants = [Variant::new(head, StoredBody::whole([]))];
        select(&variants, &headers(second), likeness).is_some()
    }

    #[test]
    fn requests() {
        use Likeness::{Exact, Wide};
        for (name, likeness, vary, first, second, expected) in [
            ("alike", Exact, "foo", &[("foo", "1")][..], &[("foo", "1")][..], true),
            ("unlike", Exact, "foo", &[("foo", "1")], &[("foo", "2")], false),
            ("only the stored one has it", Exact, "foo", &[("foo", "1")], &[], false),
            ("only the new one has it", Exact, "foo", &[], &[("foo", "1")], false),
            ("neither has it", Exact, "foo", &[], &[], true),
            ("an empty one is not none", Exact, "foo", &[("foo", "")], &[], false),
            ("another field", Exact, "foo", &[("bar", "1")], &[("bar", "2")], true),
            ("one of two", Exact, "foo, bar", &[("foo", "1"), ("bar", "1")], &[("foo", "1"), ("bar", "2")], false),
            ("lines are joined", Exact, "foo", &[("foo", "1, 2")], &[("foo", "1"), ("foo", "2")], true),
            ("the order of unknown lists counts", Wide, "foo", &[("foo", "1, 2")], &[("foo", "2, 1")], false),
            ("so does case", Wide, "foo", &[("foo", "a")], &[("foo", "A")], false),
            ("spaces of unknown fields", Exact, "foo", &[("foo", "1,2")], &[("foo", "1, 2")], false),
            ("spaces, where they do not count", Wide, "foo", &[("foo", "1,2")], &[("foo", " 1, 2 ")], true),
            ("spaces in quotes", Wide, "foo", &[("foo", "\"1,2\"")], &[("foo", "\"1, 2\"")], false),
            (
                "languages in another order",
                Exact,
                "accept-language",
                &[("accept-language", "en, de")],
                &[("accept-language", "de, en")],
                true,
            ),
            (
                "in another case",
                Exact,
                "accept-language",
                &[("accept-language", "en, de")],
                &[("accept-language", "eN,  De")],
                true,
            ),
            (
                "with a weight that is none",
                Exact,
                "accept-language",
                &[("accept-language", "en;q=1.0")],
                &[("accept-language", "en")],
                true,
            ),
            (
                "weights in other words",
                Exact,
                "accept-encoding",
                &[("accept-encoding", "gzip;q=0.50")],
                &[("accept-encoding", "GZIP ; Q=0.5")],
                true,
            ),
            (
                "other weights",
                Exact,
                "accept-encoding",
                &[("accept-encoding", "gzip;q=0.5")],
                &[("accept-encoding", "gzip;q=0.05")],
                false,
            ),
            (
                "no weight at all",
                Exact,
                "accept-encoding",
                &[("accept-encoding", "gzip;q=0")],
                &[("accept-encoding", "gzip")],
                false,
            ),
            ("parameters that mean something", Exact, "accept", &[("accept", "a/b;c=D")], &[("accept", "a/b;c=d")], false),
        ] {
            assert_eq!(alike(likeness, vary, first, second, &[]), expected, "{name}");
        }
    }

    #[test]
    fn the_language_that_is_liked_best() {
        let german = &[("content-language", "de")][..];
        for (name, likeness, asked, expected) in [
            ("best by weight", Likeness::Wide, "fr;q=0.5, de;q=1.0", true),
            ("not best", Likeness::Wide, "fr, de;q=0.9", false),
            ("two that are best", Likeness::Wide, "fr, de", false),
            ("a weight that cannot be read", Likeness::Wide, "de, fr;q=x", false),
            ("refused", Likeness::Wide, "de;q=0", false),
            ("where it is not enough", Likeness::Exact, "fr;q=0.5, de;q=1.0", false),
        ] {
            let stored = [("accept-language", "en, de")];
            assert_eq!(alike(likeness, "accept-language", &stored, &[("accept-language", asked)], german), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_request_is_like_itself(
            vary in "[a-z,* ]{0,12}|accept(-language)?, x",
            fields in prop::collection::vec((prop::sample::select(vec!["accept", "accept-language", "x", "a"]), "[ -~]{0,20}"), 0..4),
        ) {
            let request: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            for likeness in [Likeness::Exact, Likeness::Wide] {
                prop_assert!(alike(likeness, &vary, &request, &request, &[]));
            }
        }
    }
}
