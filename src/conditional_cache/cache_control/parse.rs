use std::borrow::Cow;

use http::HeaderName;

use super::{
    CacheControl, IMMUTABLE, MOST_SECONDS, MUST_REVALIDATE, MUST_UNDERSTAND, NO_STORE, NO_TRANSFORM, ONLY_IF_CACHED,
    PROXY_REVALIDATE, PUBLIC, Reach,
};
use crate::core::header::{Parameter, elements_of, is_token, parameter, trim_ows};

pub(super) const FLAGS: [(&str, u16); 8] = [
    ("public", PUBLIC),
    ("no-store", NO_STORE),
    ("no-transform", NO_TRANSFORM),
    ("must-revalidate", MUST_REVALIDATE),
    ("proxy-revalidate", PROXY_REVALIDATE),
    ("must-understand", MUST_UNDERSTAND),
    ("immutable", IMMUTABLE),
    ("only-if-cached", ONLY_IF_CACHED),
];

/// What an argument means that is no number.
#[derive(Clone, Copy)]
enum Unreadable {
    /// A freshness lifetime: nothing is fresh.
    Zero,
    /// A permission: it was not given.
    Ignored,
}

type Slot = fn(&mut CacheControl) -> &mut Option<u32>;

const AGES: [(&str, Unreadable, Slot); 6] = [
    ("max-age", Unreadable::Zero, |directives| &mut directives.max_age),
    ("s-maxage", Unreadable::Zero, |directives| &mut directives.s_maxage),
    ("stale-while-revalidate", Unreadable::Ignored, |directives| &mut directives.stale_while_revalidate),
    ("stale-if-error", Unreadable::Ignored, |directives| &mut directives.stale_if_error),
    ("max-stale", Unreadable::Ignored, |directives| &mut directives.max_stale),
    ("min-fresh", Unreadable::Ignored, |directives| &mut directives.min_fresh),
];

pub(super) fn is_known(name: &str) -> bool {
    let flags = FLAGS.iter().map(|(known, _)| *known);
    let ages = AGES.iter().map(|(known, ..)| *known);
    flags.chain(ages).chain(["private", "no-cache"]).any(|known| known.eq_ignore_ascii_case(name))
}

enum Argument<'a> {
    Absent,
    Text(Cow<'a, [u8]>),
    Malformed,
}

/// Reads one directive into `directives`.
pub(super) fn directive(directives: &mut CacheControl, element: &[u8]) {
    let (name, argument) = match parameter(element) {
        Parameter::Named { name, value: None } => (name, Argument::Absent),
        Parameter::Named { name, value: Some(value) } => (name, Argument::Text(value)),
        Parameter::Malformed(part) => {
            let end = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
            (trim_ows(part.get(..end).unwrap_or_default()), Argument::Malformed)
        }
    };
    let Some(name) = std::str::from_utf8(name).ok().filter(|name| is_token(name.as_bytes())) else { return };
    if let Some((_, flag)) = FLAGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        directives.flags |= flag;
    } else if let Some((known, unreadable, slot)) = AGES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name)) {
        let read = age(known, &argument, *unreadable);
        let slot = slot(directives);
        *slot = slot.or(read);
    } else if name.eq_ignore_ascii_case("private") {
        directives.private.widen(reach(&argument));
    } else if name.eq_ignore_ascii_case("no-cache") {
        directives.no_cache.widen(reach(&argument));
    } else {
        extension(directives, name, &argument);
    }
}

fn age(name: &str, argument: &Argument<'_>, unreadable: Unreadable) -> Option<u32> {
    let read = match argument {
        Argument::Absent if name == "max-stale" => Some(MOST_SECONDS),
        Argument::Text(text) => delta_seconds(text),
        Argument::Absent | Argument::Malformed => None,
    };
    match unreadable {
        Unreadable::Zero => Some(read.unwrap_or(0)),
        Unreadable::Ignored => read,
    }
}

/// `1*DIGIT`; more than 2³¹ is 2³¹ ([RFC 9111 §1.2.2](https://www.rfc-editor.org/rfc/rfc9111#section-1.2.2)).
fn delta_seconds(text: &[u8]) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u32, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        Some(sum.saturating_mul(10).saturating_add(digit).min(MOST_SECONDS))
    })
}

/// The fields that the qualified form names; everything, if one of them cannot be read.
fn reach(argument: &Argument<'_>) -> Reach {
    let Argument::Text(text) = argument else { return Reach::Everything };
    match elements_of(text).map(HeaderName::from_bytes).collect::<Result<Vec<_>, _>>() {
        Ok(names) if !names.is_empty() => Reach::Fields(names),
        _ => Reach::Everything,
    }
}

fn extension(directives: &mut CacheControl, name: &str, argument: &Argument<'_>) {
    match argument {
        Argument::Absent => directives.push_extension(name, None),
        Argument::Text(text) => {
            if let Ok(text) = std::str::from_utf8(text) {
                directives.push_extension(name, Some(text));
            }
        }
        Argument::Malformed => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn directives() {
        for (name, line, expected) in [
            ("nothing", "", ""),
            (
                "all flags",
                "public,no-store,no-transform,must-revalidate,proxy-revalidate,must-understand,immutable",
                "public, no-store, no-transform, must-revalidate, proxy-revalidate, must-understand, immutable",
            ),
            ("a request's", "only-if-cached, min-fresh=5, max-stale=7", "max-stale=7, min-fresh=5, only-if-cached"),
            (
                "ages",
                "s-maxage=2, max-age=1, stale-if-error=4, stale-while-revalidate=3",
                "max-age=1, s-maxage=2, stale-while-revalidate=3, stale-if-error=4",
            ),
            ("any case", "Private, MAX-Age=1", "private, max-age=1"),
            ("quoted number", "max-age=\"1\"", "max-age=1"),
            ("spaces around equals", "max-age = 1", "max-age=1"),
            ("too large", "max-age=99999999999999999999", "max-age=2147483648"),
            ("leading zeros", "max-age=0060", "max-age=60"),
            ("negative", "max-age=-1", "max-age=0"),
            ("fraction", "max-age=1.5", "max-age=0"),
            ("no number", "max-age=x, s-maxage=", "max-age=0, s-maxage=0"),
            ("no argument", "max-age", "max-age=0"),
            ("a permission that cannot be read", "stale-if-error=x, stale-while-revalidate", ""),
            ("any staleness", "max-stale", "max-stale=2147483648"),
            ("the first counts", "max-age=1, max-age=2", "max-age=1"),
            ("fields", "private=\"Set-Cookie, x-a\", no-cache=x-b", "private=\"set-cookie, x-a\", no-cache=\"x-b\""),
            ("fields and everything", "private=\"x-a\", private", "private"),
            ("everything and fields", "no-cache, no-cache=\"x-a\"", "no-cache"),
            ("fields that cannot be read", "private=\"x a\", no-cache=\"\"", "private, no-cache"),
            ("an unclosed quote restricts", "private=\"x-a, max-age=5", "private"),
            ("a flag with an argument", "no-store=1", "no-store"),
            ("an extension", "Community=\"UCI, 1\", x", "community=\"UCI, 1\", x"),
            ("a malformed extension", "x=, =1, /", ""),
        ] {
            assert_eq!(CacheControl::parse(line.as_bytes()).to_string(), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_rendered_is_read_back(line in prop::collection::vec(any::<u8>(), 0..120)) {
            let read = CacheControl::parse(&line);
            let again = CacheControl::parse(read.to_string().as_bytes());
            prop_assert_eq!(again, read);
        }

        #[test]
        fn what_looks_like_directives_is_read_back(line in "((max-age|s-maxage|max-stale|private|no-cache|immutable|x)(=(\"[a-z ,\\\\0-9]{0,9}\"?|[a-z0-9]{0,12}))?[ ,]{1,2}){0,6}") {
            let read = CacheControl::parse(line.as_bytes());
            let again = CacheControl::parse(http::HeaderValue::from(&read).as_bytes());
            prop_assert_eq!(again, read);
        }
    }
}
