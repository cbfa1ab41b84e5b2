//! Freshness, [RFC 9111 §4.2](https://www.rfc-editor.org/rfc/rfc9111#section-4.2).

use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, StatusCode, header};

use super::{
    super::http_date,
    directives::{Directives, Source},
    profile::Heuristics,
    terms::{Staleness, Terms},
};
use crate::core::header::{elements_of, only};

/// How long a response is fresh, and who says so ([§4.2.1](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    Explicit(u32),
    Heuristic(u32),
    Unknown,
}

impl Lifetime {
    pub(super) fn seconds(self) -> u32 {
        match self {
            Self::Explicit(seconds) | Self::Heuristic(seconds) => seconds,
            Self::Unknown => 0,
        }
    }
}

/// No guess should outlive a day: §4.2.2 leaves the bound open, and what is guessed wrongly should be forgotten.
const LONGEST_GUESS: u32 = 24 * 60 * 60;

/// Which statuses may be guessed at without being `public` ([RFC 9110 §15.1](https://www.rfc-editor.org/rfc/rfc9110#section-15.1)).
pub(super) fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// `freshness_lifetime` in a shared cache.
pub(super) fn lifetime(
    directives: &Directives,
    headers: &HeaderMap,
    status: StatusCode,
    received: SystemTime,
    heuristics: Heuristics,
) -> Lifetime {
    let control = &directives.control;
    if let Some(age) = control.s_maxage().or(control.max_age()) {
        return Lifetime::Explicit(u32::try_from(age.as_secs()).unwrap_or(u32::MAX));
    }
    let sent = date(headers).unwrap_or(seconds(received));
    if directives.source == Source::CacheControl && headers.contains_key(header::EXPIRES) {
        // What is no date, `0` above all, is a time in the past (§5.3).
        let expires = only(headers, &header::EXPIRES).and_then(|value| http_date::parse(value.as_bytes())).map_or(0, seconds);
        return Lifetime::Explicit(clamp(expires.saturating_sub(sent)));
    }
    let modified = only(headers, &header::LAST_MODIFIED).and_then(|value| http_date::parse(value.as_bytes()));
    let guessable = is_heuristically_cacheable(status) || control.is_public();
    match (heuristics, modified) {
        (Heuristics::TenthOfAge, Some(modified)) if guessable => {
            Lifetime::Heuristic(clamp(sent.saturating_sub(seconds(modified)) / 10).min(LONGEST_GUESS))
        }
        _ => Lifetime::Unknown,
    }
}

/// `corrected_initial_age` ([§4.2.3](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.3)).
pub(super) fn initial_age(headers: &HeaderMap, requested: SystemTime, received: SystemTime) -> u32 {
    // A clock that runs ahead makes a response no younger than new.
    let apparent_age = date(headers).map_or(0, |sent| clamp(seconds(received).saturating_sub(sent)));
    let delay = received.duration_since(requested).map_or(0, |delay| clamp(delay.as_secs()));
    apparent_age.max(age_value(headers).saturating_add(delay))
}

/// The first number of the field; 0 if it is none (§5.1).
pub(super) fn age_value(headers: &HeaderMap) -> u32 {
    let first = headers.get(header::AGE).and_then(|value| elements_of(value.as_bytes()).next()).unwrap_or_default();
    if first.is_empty() || !first.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    first.iter().fold(0_u32, |sum, digit| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
}

/// When the origin sent it, in seconds of Unix time; `None` if it does not say so once and readably.
pub(super) fn date(headers: &HeaderMap) -> Option<u64> {
    only(headers, &header::DATE).and_then(|value| http_date::parse(value.as_bytes())).map(seconds)
}

/// All that is decided about a response's use, once and for all.
pub(super) fn terms(
    directives: &Directives,
    lifetime: Lifetime,
    headers: &HeaderMap,
    requested: SystemTime,
    received: SystemTime,
) -> Terms {
    let control = &directives.control;
    let grace = |duration: Option<std::time::Duration>| duration.map_or(0, |duration| clamp(duration.as_secs()));
    let staleness = if control.is_no_cache() {
        Staleness::AlwaysValidate
    } else if control.is_must_revalidate() || control.is_proxy_revalidate() || control.s_maxage().is_some() {
        // `s-maxage` means `proxy-revalidate` as well (§5.2.2.10).
        Staleness::Forbidden
    } else {
        Staleness::Negotiable
    };
    Terms {
        received,
        initial_age: initial_age(headers, requested, received),
        lifetime: lifetime.seconds(),
        stale_while_revalidate: grace(control.stale_while_revalidate()),
        stale_if_error: grace(control.stale_if_error()),
        staleness,
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn clamp(seconds: u64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;
    use std::time::Duration;

    const NOW: u64 = 1_000_000_000;

    fn headers(fields: &[(&'static str, i64)], texts: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, offset) in fields {
            let time = UNIX_EPOCH + Duration::from_secs(NOW.saturating_add_signed(*offset));
            headers.append(HeaderName::from_static(name), http_date::render(time));
        }
        for (name, text) in texts {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(text));
        }
        headers
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW)
    }

    #[test]
    fn lifetimes() {
        use Lifetime::{Explicit, Heuristic, Unknown};
        const HOUR: i64 = 3_600;
        for (name, status, dates, texts, expected) in [
            ("nothing", 200, &[][..], &[][..], Unknown),
            ("max-age", 200, &[], &[("cache-control", "max-age=60")], Explicit(60)),
            ("s-maxage before max-age", 200, &[], &[("cache-control", "max-age=60, s-maxage=1")], Explicit(1)),
            ("max-age before Expires", 200, &[("expires", HOUR)], &[("cache-control", "max-age=0")], Explicit(0)),
            ("Expires against Date", 200, &[("expires", 300), ("date", -100)], &[], Explicit(400)),
            ("Expires before Date", 200, &[("expires", 300), ("date", 400)], &[], Explicit(0)),
            ("Expires without Date", 200, &[("expires", 10)], &[], Explicit(10)),
            ("Expires with a Date that is none", 200, &[("expires", 10)], &[("date", "foo")], Explicit(10)),
            ("Expires that is none", 200, &[("date", 0), ("last-modified", -HOUR)], &[("expires", "0")], Explicit(0)),
            ("Expires twice", 200, &[("expires", 10), ("expires", 20)], &[], Explicit(0)),
            ("a targeted field silences Expires", 200, &[("expires", HOUR)], &[("cdn-cache-control", "public")], Unknown),
            ("a tenth of the age", 200, &[("date", 0), ("last-modified", -HOUR)], &[], Heuristic(360)),
            ("at most a day", 200, &[("date", 0), ("last-modified", -400 * 24 * HOUR)], &[], Heuristic(86_400)),
            ("modified later than sent", 200, &[("date", 0), ("last-modified", 5)], &[], Heuristic(0)),
            ("a status that must not be guessed at", 403, &[("date", 0), ("last-modified", -HOUR)], &[], Unknown),
            (
                "unless it is public",
                599,
                &[("date", 0), ("last-modified", -HOUR)],
                &[("cache-control", "public")],
                Heuristic(360),
            ),
        ] {
            let headers = headers(dates, texts);
            let directives = Directives::of(&headers, &[HeaderName::from_static("cdn-cache-control")]);
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(lifetime(&directives, &headers, status, now(), Heuristics::TenthOfAge), expected, "{name}");
        }
    }

    #[test]
    fn nothing_is_guessed_unless_asked_for() {
        let headers = headers(&[("date", 0), ("last-modified", -3_600)], &[]);
        let directives = Directives::of(&headers, &[]);
        assert_eq!(lifetime(&directives, &headers, StatusCode::OK, now(), Heuristics::Off), Lifetime::Unknown);
    }

    #[test]
    fn initial_ages() {
        for (name, dates, texts, expected) in [
            ("nothing known: the delay", &[][..], &[][..], 2),
            ("Date in the past", &[("date", -100)][..], &[], 100),
            ("a clock that runs ahead", &[("date", 100)][..], &[], 2),
            ("Age and the delay", &[("date", 0)][..], &[("age", "30")][..], 32),
            ("the greater counts", &[("date", -100)][..], &[("age", "30")][..], 100),
            ("the first of a list", &[][..], &[("age", "7200, 0")][..], 7_202),
            ("the first of two lines", &[][..], &[("age", "0"), ("age", "7200")][..], 2),
            ("no number", &[][..], &[("age", "abc")][..], 2),
            ("negative", &[][..], &[("age", "-7200")][..], 2),
            ("a fraction", &[][..], &[("age", "7200.0")][..], 2),
            ("too large to hold", &[][..], &[("age", "99999999999999")][..], u32::MAX),
        ] {
            let requested = now() - Duration::from_secs(2);
            assert_eq!(initial_age(&headers(dates, texts), requested, now()), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_fields_are_read_without_a_panic(
            fields in prop::collection::vec(
                (
                    prop::sample::select(vec!["date", "expires", "last-modified", "age", "cache-control", "cdn-cache-control"]),
                    "[ -~]{0,30}|[0-9]{1,22}|max-age=[0-9]{1,20}",
                ),
                0..6,
            ),
            received in any::<u32>(),
            requested in any::<u32>(),
        ) {
            let headers: HeaderMap = fields
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
                .collect();
            let directives = Directives::of(&headers, &[HeaderName::from_static("cdn-cache-control")]);
            let (requested, received) =
                (UNIX_EPOCH + Duration::from_secs(requested.into()), UNIX_EPOCH + Duration::from_secs(received.into()));
            let lifetime = lifetime(&directives, &headers, StatusCode::OK, received, Heuristics::TenthOfAge);
            let terms = terms(&directives, lifetime, &headers, requested, received);
            // Time only makes a response older.
            let later = received + Duration::from_secs(1_000);
            prop_assert!(terms.age(later) >= terms.age(received));
            prop_assert!(terms.ttl(later) <= terms.ttl(received));
        }
    }
}
