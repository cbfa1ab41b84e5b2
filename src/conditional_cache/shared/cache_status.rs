//! `Cache-Status`, [RFC 9211](https://www.rfc-editor.org/rfc/rfc9211): what the cache did with a request.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::Entry};

use super::{cache_name::CacheName, line::Line, memo::Memo, reuse::Reason, storability::NotStored};
use crate::core::trace::event;

const NAME: HeaderName = HeaderName::from_static("cache-status");

/// How much responses tell of what the cache did, in [RFC 9211](https://www.rfc-editor.org/rfc/rfc9211)'s `Cache-Status`.
///
/// It helps whoever runs the service, and whoever probes it
/// ([RFC 9211 §6](https://www.rfc-editor.org/rfc/rfc9211#section-6)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheStatus {
    /// Nothing.
    #[default]
    Off,
    /// Whether it was a hit, and if not, why the request was forwarded.
    On,
    /// Also for how long it stays fresh, and why a response was not stored.
    Detailed,
}

/// How much is told, and under which name.
#[derive(Clone, Debug, Default)]
pub(super) struct Telling {
    pub(super) setting: CacheStatus,
    pub(super) name: CacheName,
}

/// What the cache did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handling {
    /// Answered from what was stored, with this many seconds of freshness left.
    Hit {
        ttl: i64,
        detail: Option<&'static str>,
    },
    Forwarded {
        why: Forward,
        status: Option<StatusCode>,
        outcome: Outcome,
        collapsed: Collapsed,
    },
    /// Neither: the client wanted a stored response or none.
    Nothing,
}

/// Why a request was forwarded ([RFC 9211 §2.2](https://www.rfc-editor.org/rfc/rfc9211#section-2.2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forward {
    /// It is none that a cache answers.
    Bypass,
    Method,
    UriMiss,
    VaryMiss,
    Request,
    Stale,
    Partial,
}

/// What became of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Stored {
        ttl: i64,
    },
    Refused(NotStored),
    /// It was never to be stored, or confirmed what is.
    Passed,
    /// It could not be had or was an error, and what is stored was sent in its place.
    Replaced {
        ttl: i64,
    },
}

/// Whether the answer is that to another request, made at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collapsed {
    No,
    Yes,
}

impl Forward {
    fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

impl From<Reason> for Forward {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Stale => Self::Stale,
            Reason::Request => Self::Request,
        }
    }
}

/// Adds the member of this cache behind those of the caches nearer to the origin, and tells the operator.
pub(super) fn write(headers: &mut HeaderMap, telling: &Telling, handling: Handling) {
    // An empty line is our place only behind all others.
    let mut lines = headers.get_all(NAME).iter();
    if lines.next().is_some_and(HeaderValue::is_empty) && lines.next().is_some() {
        drop_empty_lines(headers);
    }
    tell(headers, telling, handling, |member| member.value());
}

/// The same of a fresh hit, as nearly all are: what is told differs in the seconds that are left.
pub(super) fn write_hit(headers: &mut HeaderMap, telling: &Telling, ttl: i64, known: &Memo) {
    let number = if telling.setting == CacheStatus::Detailed { ttl } else { 0 };
    tell(headers, telling, Handling::Hit { ttl, detail: None }, |member| known.value(number, || member.value()));
}

fn tell(
    headers: &mut HeaderMap,
    Telling { setting, name }: &Telling,
    handling: Handling,
    value: impl FnOnce(&Member<'_>) -> HeaderValue,
) {
    event!(DEBUG, "shared cache", did = Member { name, setting: CacheStatus::Detailed, handling });
    let value = match (setting, handling) {
        (CacheStatus::Off, _) => return drop_empty_lines(headers),
        (CacheStatus::On, Handling::Hit { .. }) if name.is_default() => HeaderValue::from_static("donjon; hit"),
        (&setting, _) => value(&Member { name, setting, handling }),
    };
    place(headers, value);
}

fn place(headers: &mut HeaderMap, value: HeaderValue) {
    // An entry would see to it that there is room for one more, though none is needed.
    match headers.get_mut(NAME) {
        Some(line) if line.is_empty() => *line = value,
        Some(_) => match headers.entry(NAME) {
            Entry::Occupied(mut lines) => match lines.iter_mut().last() {
                Some(line) if line.is_empty() => *line = value,
                _ => lines.append(value),
            },
            Entry::Vacant(place) => drop(place.insert(value)),
        },
        None => drop(headers.insert(NAME, value)),
    }
}

/// Holds a place in what is stored for the member of this cache, or the fields of every answer would have to be moved to where there is room
/// for it. It is a line with nothing in it, which is no member ([RFC 9110 §5.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1)), and
/// the only one, whatever came.
pub(super) fn reserve(headers: &mut HeaderMap, setting: CacheStatus) {
    drop_empty_lines(headers);
    if setting != CacheStatus::Off {
        headers.append(NAME, HeaderValue::from_static(""));
    }
}

/// They are another cache's, or the place that another layer with the same store holds.
fn drop_empty_lines(headers: &mut HeaderMap) {
    if headers.contains_key(NAME) && headers.get_all(NAME).iter().any(HeaderValue::is_empty) {
        let others: Vec<_> = headers.get_all(NAME).iter().filter(|line| !line.is_empty()).cloned().collect();
        headers.remove(NAME);
        headers.extend(others.into_iter().map(|line| (NAME, line)));
    }
}

/// What the cache did, as a member of the list.
struct Member<'a> {
    name: &'a CacheName,
    setting: CacheStatus,
    handling: Handling,
}

impl Member<'_> {
    fn value(&self) -> HeaderValue {
        let mut line = Line::new();
        let value = match self.write(&mut line) {
            Ok(()) => line.value(),
            Err(fmt::Error) => HeaderValue::try_from(self.to_string()).ok(),
        };
        // Tokens, strings and numbers are always a field value.
        value.unwrap_or(HeaderValue::from_static("donjon"))
    }

    fn write(&self, f: &mut impl fmt::Write) -> fmt::Result {
        let detailed = self.setting == CacheStatus::Detailed;
        f.write_str(self.name.as_item())?;
        match self.handling {
            Handling::Hit { ttl, detail } => {
                f.write_str("; hit")?;
                if detailed {
                    write!(f, "; ttl={ttl}")?;
                }
                match detail.filter(|_| detailed) {
                    Some(detail) => write!(f, "; detail={detail}"),
                    None => Ok(()),
                }
            }
            Handling::Forwarded { why, status, outcome, collapsed } => {
                write!(f, "; fwd={}", why.as_str())?;
                if let Some(status) = status {
                    write!(f, "; fwd-status={}", status.as_u16())?;
                }
                match outcome {
                    Outcome::Stored { ttl } if detailed => write!(f, "; stored; ttl={ttl}")?,
                    Outcome::Stored { .. } => f.write_str("; stored")?,
                    Outcome::Refused(reason) if detailed => write!(f, "; detail={reason}")?,
                    Outcome::Replaced { ttl } if detailed => write!(f, "; ttl={ttl}; detail=stale-if-error")?,
                    Outcome::Refused(_) | Outcome::Passed | Outcome::Replaced { .. } => {}
                }
                f.write_str(if collapsed == Collapsed::Yes { "; collapsed" } else { "" })
            }
            Handling::Nothing => f.write_str("; detail=only-if-cached"),
        }
    }
}

impl fmt::Display for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sfv::{BareItem, List, ListEntry, Parser};

    #[test]
    fn members() {
        let forwarded = |why, status: Option<u16>, outcome, collapsed| Handling::Forwarded {
            why,
            status: status.map(|status| StatusCode::from_u16(status).unwrap()),
            outcome,
            collapsed,
        };
        let hit = Handling::Hit { ttl: 30, detail: None };
        let stale = Handling::Hit { ttl: -5, detail: Some("stale-while-revalidate") };
        let replaced = |status| forwarded(Forward::Stale, status, Outcome::Replaced { ttl: -5 }, Collapsed::No);
        let stored = forwarded(Forward::UriMiss, Some(200), Outcome::Stored { ttl: 60 }, Collapsed::No);
        let refused = forwarded(Forward::VaryMiss, Some(200), Outcome::Refused(NotStored::SetCookie), Collapsed::No);
        let validated = forwarded(Forward::Stale, Some(304), Outcome::Passed, Collapsed::Yes);
        let passed = forwarded(Forward::Method, None, Outcome::Passed, Collapsed::No);
        for (name, setting, handling, expected) in [
            ("nothing is told", CacheStatus::Off, hit, None),
            ("a hit", CacheStatus::On, hit, Some("donjon; hit")),
            ("a hit in detail", CacheStatus::Detailed, hit, Some("donjon; hit; ttl=30")),
            ("a stale hit", CacheStatus::On, stale, Some("donjon; hit")),
            ("a stale hit in detail", CacheStatus::Detailed, stale, Some("donjon; hit; ttl=-5; detail=stale-while-revalidate")),
            ("an error replaced", CacheStatus::On, replaced(Some(503)), Some("donjon; fwd=stale; fwd-status=503")),
            (
                "no answer, replaced, in detail",
                CacheStatus::Detailed,
                replaced(None),
                Some("donjon; fwd=stale; ttl=-5; detail=stale-if-error"),
            ),
            ("a miss", CacheStatus::On, stored, Some("donjon; fwd=uri-miss; fwd-status=200; stored")),
            ("a miss in detail", CacheStatus::Detailed, stored, Some("donjon; fwd=uri-miss; fwd-status=200; stored; ttl=60")),
            ("refused", CacheStatus::On, refused, Some("donjon; fwd=vary-miss; fwd-status=200")),
            (
                "refused in detail",
                CacheStatus::Detailed,
                refused,
                Some("donjon; fwd=vary-miss; fwd-status=200; detail=set-cookie"),
            ),
            ("validated with another", CacheStatus::On, validated, Some("donjon; fwd=stale; fwd-status=304; collapsed")),
            ("passed", CacheStatus::On, passed, Some("donjon; fwd=method")),
            ("nothing stored", CacheStatus::On, Handling::Nothing, Some("donjon; detail=only-if-cached")),
        ] {
            let mut headers = HeaderMap::new();
            write(&mut headers, &Telling { setting, ..Telling::default() }, handling);
            assert_eq!(headers.get(NAME).map(|value| value.to_str().unwrap()), expected, "{name}");
        }
    }

    fn named(name: &str) -> Telling {
        Telling { setting: CacheStatus::On, name: CacheName::new(name).unwrap() }
    }

    #[test]
    fn caches_nearer_to_the_origin_come_first() {
        let mut headers = HeaderMap::new();
        headers.insert(NAME, HeaderValue::from_static("origin; hit"));
        write(&mut headers, &named("donjon"), Handling::Hit { ttl: 0, detail: None });
        write(&mut headers, &named("192.0.2.1"), Handling::Hit { ttl: 0, detail: None });
        let members: Vec<_> = headers.get_all(NAME).iter().collect();
        assert_eq!(members, ["origin; hit", "donjon; hit", "\"192.0.2.1\"; hit"]);
    }

    #[test]
    fn the_place_that_is_held_is_taken_or_given_up() {
        for (name, stored, setting, expected) in [
            ("taken", &[][..], CacheStatus::On, &["donjon; hit"][..]),
            ("taken after another cache's", &["origin; hit"], CacheStatus::On, &["origin; hit", "donjon; hit"]),
            ("taken after empty lines", &["", "origin; hit", ""], CacheStatus::On, &["origin; hit", "donjon; hit"]),
            ("taken after an empty line alone", &[""], CacheStatus::On, &["donjon; hit"]),
            ("given up", &[], CacheStatus::Off, &[]),
            ("given up after empty lines", &["", "origin; hit", ""], CacheStatus::Off, &["origin; hit"]),
            ("given up after another cache's", &["origin; hit", "edge"], CacheStatus::Off, &["origin; hit", "edge"]),
        ] {
            let mut headers: HeaderMap = stored.iter().map(|line| (NAME, HeaderValue::from_static(line))).collect();
            reserve(&mut headers, CacheStatus::Detailed);
            let telling = Telling { setting, name: CacheName::default() };
            let mut fresh = headers.clone();
            write(&mut headers, &telling, Handling::Hit { ttl: 0, detail: None });
            write_hit(&mut fresh, &telling, 0, &Memo::default());
            assert_eq!(headers.get_all(NAME).iter().collect::<Vec<_>>(), expected, "{name}");
            assert_eq!(fresh, headers, "{name}");
        }
    }

    #[test]
    fn empty_lines_of_caches_nearer_to_the_origin_hold_no_place() {
        for (name, live, expected) in [
            ("alone", &[""][..], &["donjon; hit"][..]),
            ("two", &["", ""], &["donjon; hit"]),
            ("before another", &["", "origin; hit"], &["origin; hit", "donjon; hit"]),
            ("after another", &["origin; hit", ""], &["origin; hit", "donjon; hit"]),
            ("around others", &["", "origin; hit", "", "edge", ""], &["origin; hit", "edge", "donjon; hit"]),
        ] {
            let mut headers: HeaderMap = live.iter().map(|line| (NAME, HeaderValue::from_static(line))).collect();
            write(&mut headers, &named("donjon"), Handling::Hit { ttl: 0, detail: None });
            assert_eq!(headers.get_all(NAME).iter().collect::<Vec<_>>(), expected, "{name}");
        }
    }

    /// What a store holds without a place was stored when nothing was told, by another layer perhaps.
    #[test]
    fn what_was_stored_when_nothing_was_told_has_no_empty_lines_either() {
        let mut headers: HeaderMap = ["", "origin; hit"].iter().map(|line| (NAME, HeaderValue::from_static(line))).collect();
        reserve(&mut headers, CacheStatus::Off);
        write_hit(&mut headers, &named("donjon"), 1, &Memo::default());
        assert_eq!(headers.get_all(NAME).iter().collect::<Vec<_>>(), ["origin; hit", "donjon; hit"]);
    }

    /// Every member is a list member by the strict grammar.
    #[test]
    fn what_is_told_is_a_structured_field() {
        for reason in [NotStored::NoStore, NotStored::RequestContent, NotStored::VaryAny] {
            let handling = Handling::Forwarded {
                why: Forward::Bypass,
                status: Some(StatusCode::OK),
                outcome: Outcome::Refused(reason),
                collapsed: Collapsed::Yes,
            };
            let name = &CacheName::default();
            let text = Member { name, setting: CacheStatus::Detailed, handling }.to_string();
            let read = super::super::structured::list(text.as_bytes());
            assert_eq!(read, Some(vec![super::super::structured::Item::Token("donjon")]), "{text}");
        }
    }

    #[test]
    #[ignore = "needs what tests/conformance/structured-fields fetches"]
    fn structured_field_tests() {
        for case in crate::core::header::structured_field_tests::texts() {
            let mut headers = HeaderMap::new();
            if let Ok(name) = CacheName::new(&case.text) {
                let telling = Telling { setting: CacheStatus::Detailed, name };
                write(&mut headers, &telling, Handling::Hit { ttl: -1, detail: None });
            }
            let expected = case.written.filter(|_| !case.text.is_empty()).map(|name| name + "; hit; ttl=-1");
            assert_eq!(headers.get(NAME).map(|line| line.to_str().unwrap()), expected.as_deref(), "{}", case.name);
        }
    }

    proptest! {
        /// Another implementation of structured fields reads the name that was given, however long it is.
        #[test]
        fn the_name_is_read_back(name in "[ -~]{1,200}") {
            let mut headers = HeaderMap::new();
            write(&mut headers, &named(&name), Handling::Hit { ttl: 1, detail: None });
            let list: List = Parser::new(headers[NAME].to_str().unwrap()).parse().unwrap();
            let [ListEntry::Item(item)] = &list[..] else { panic!("one member was written") };
            let told = match &item.bare_item {
                BareItem::Token(token) => token.as_str(),
                BareItem::String(string) => string.as_str(),
                other => panic!("{other:?}"),
            };
            prop_assert_eq!((told, item.params.len()), (name.as_str(), 1));
        }
    }
}
