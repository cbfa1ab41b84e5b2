//! Which responses are stored, [RFC 9111 §3](https://www.rfc-editor.org/rfc/rfc9111#section-3).

use std::fmt;

use http::{HeaderMap, StatusCode, header};

use super::{
    directives::Directives,
    freshness::{Lifetime, is_heuristically_cacheable},
    profile::{Cookies, Heuristics, Rules},
    terms::Disconnected,
    vary::Vary,
};

/// Why a response is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotStored {
    /// The answer to HEAD has no content; to a method other than GET it is no answer for GET
    /// ([RFC 9110 §9.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.3)).
    Method,
    /// The request came with content, which is no part of the key.
    RequestContent,
    /// The request says `no-store` ([RFC 9111 §5.2.1.5](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.1.5)).
    RequestNoStore,
    /// The response says `no-store` ([RFC 9111 §5.2.2.5](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.5)).
    NoStore,
    /// The response says `private` ([RFC 9111 §5.2.2.7](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.7)).
    Private,
    /// The request has `Authorization`, and the response does not say that it is for all
    /// ([RFC 9111 §3.5](https://www.rfc-editor.org/rfc/rfc9111#section-3.5)).
    Authorization,
    /// There is a [`Principal`](crate::Principal) beside it, and the response does not say that it is for all.
    Principal,
    /// It sets a cookie.
    SetCookie,
    /// The request has a cookie, and the response does not say that it is for all.
    Cookie,
    /// `Vary: *`, or a `Vary` that cannot be read: nothing tells which requests it answers
    /// ([RFC 9111 §4.1](https://www.rfc-editor.org/rfc/rfc9111#section-4.1)).
    VaryAny,
    /// The status is not final, is 304 or 206 without a range that can be kept, or `must-understand` stands beside one that is unknown
    /// ([RFC 9111 §5.2.2.3](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.3)).
    Status,
    /// Nothing says how long it is fresh, and guessing is not wanted.
    NoFreshness,
    /// It is stale already and has no validator: it could never be used.
    Useless,
    /// It is longer than what is stored of one response.
    TooLarge,
    /// The response was switched to another protocol, or its connection is not HTTP any more.
    Upgrade,
    /// The request cannot be given a key, for it has no authority or no path.
    NoKey,
}

impl NotStored {
    /// In one word, as `Cache-Status` tells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::RequestContent => "request-content",
            Self::RequestNoStore => "request-no-store",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::Authorization => "authorization",
            Self::Principal => "principal",
            Self::SetCookie => "set-cookie",
            Self::Cookie => "cookie",
            Self::VaryAny => "vary-any",
            Self::Status => "status",
            Self::NoFreshness => "no-freshness",
            Self::Useless => "useless",
            Self::TooLarge => "too-large",
            Self::Upgrade => "upgrade",
            Self::NoKey => "no-key",
        }
    }
}

impl fmt::Display for NotStored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What there is to know of the request when its answer is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) no_store: bool,
    pub(super) authorization: bool,
    pub(super) principal: bool,
    pub(super) cookie: bool,
    /// What is stored belongs to this caller alone, so it may be as private as it likes.
    pub(super) partitioned: bool,
}

/// Whether the response may be stored.
///
/// # Errors
///
/// With the first reason against it.
pub(super) fn storable(
    asked: Asked,
    status: StatusCode,
    headers: &HeaderMap,
    directives: &Directives,
    lifetime: Lifetime,
    rules: &Rules,
) -> Result<(), NotStored> {
    let control = &directives.control;
    if asked.no_store {
        return Err(NotStored::RequestNoStore);
    }
    if !is_final(status) || status == StatusCode::NOT_MODIFIED {
        return Err(NotStored::Status);
    }
    if control.is_must_understand() {
        // Beside it, `no-store` is for those who do not know the status (§5.2.2.3).
        if !is_understood(status) {
            return Err(NotStored::Status);
        }
    } else if control.is_no_store() {
        return Err(NotStored::NoStore);
    }
    for_all(asked, directives, rules)?;
    if rules.cookies == Cookies::NeverStored && headers.contains_key(header::SET_COOKIE) {
        return Err(NotStored::SetCookie);
    }
    if Vary::of(headers) == Vary::Any {
        return Err(NotStored::VaryAny);
    }
    useful(status, headers, directives, lifetime, rules)
}

/// Whether everybody may have it (§5.2.2.7, §3.5).
fn for_all(asked: Asked, directives: &Directives, rules: &Rules) -> Result<(), NotStored> {
    let control = &directives.control;
    if asked.partitioned {
        return Ok(());
    }
    if control.is_private() {
        return Err(NotStored::Private);
    }
    let said_so = control.is_public() || control.s_maxage().is_some() || control.is_must_revalidate();
    let reasons = [
        (asked.authorization, NotStored::Authorization),
        (asked.principal, NotStored::Principal),
        (asked.cookie && rules.cookies == Cookies::NeverStored, NotStored::Cookie),
    ];
    match reasons.into_iter().find(|(is_so, _)| *is_so && !said_so) {
        Some((_, reason)) => Err(reason),
        None => Ok(()),
    }
}

/// Whether it may be kept without a word about freshness, and could ever be used.
fn useful(
    status: StatusCode,
    headers: &HeaderMap,
    directives: &Directives,
    lifetime: Lifetime,
    rules: &Rules,
) -> Result<(), NotStored> {
    let control = &directives.control;
    let validator = headers.contains_key(header::ETAG) || headers.contains_key(header::LAST_MODIFIED);
    if lifetime == Lifetime::Unknown {
        // `public` and `no-cache` are words of consent; for the statuses of RFC 9110 §15.1 none is needed.
        let consent = control.is_public() || control.is_no_cache() || is_heuristically_cacheable(status);
        let asked_for = rules.heuristics != Heuristics::Off || (control.is_no_cache() && validator);
        if !(consent && asked_for) {
            return Err(NotStored::NoFreshness);
        }
    }
    let grace = control.stale_while_revalidate().or(control.stale_if_error()).is_some_and(|grace| !grace.is_zero());
    let usable = lifetime.seconds() > 0 && !control.is_no_cache();
    if usable || validator || grace || rules.disconnected == Disconnected::MayBeStale { Ok(()) } else { Err(NotStored::Useless) }
}

fn is_final(status: StatusCode) -> bool {
    !status.is_informational()
}

/// The statuses whose caching [RFC 9110 §15](https://www.rfc-editor.org/rfc/rfc9110#section-15) defines, and this cache acts upon.
fn is_understood(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200..=206 | 300..=303 | 307 | 308 | 400..=411 | 413..=417 | 421 | 422 | 426 | 428 | 429 | 431 | 451 | 500..=505 | 511
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditional_cache::shared::{freshness, profile::Profile};
    use http::{HeaderName, HeaderValue};
    use std::time::UNIX_EPOCH;

    const PLAIN: Asked = Asked { no_store: false, authorization: false, principal: false, cookie: false, partitioned: false };

    fn judged(profile: Profile, asked: Asked, status: u16, fields: &[(&'static str, &'static str)]) -> Result<(), NotStored> {
        let rules = Rules::of(profile);
        let headers: HeaderMap =
            fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
        let status = StatusCode::from_u16(status).unwrap();
        let directives = Directives::of(&headers, &rules.targets);
        let lifetime = freshness::lifetime(&directives, &headers, status, UNIX_EPOCH, rules.heuristics);
        storable(asked, status, &headers, &directives, lifetime, &rules)
    }

    #[test]
    fn responses() {
        use Profile::{Eager, Rfc9111, Safe};
        const FRESH: (&str, &str) = ("cache-control", "max-age=60");
        const ETAG: (&str, &str) = ("etag", "\"a\"");
        const MODIFIED: (&str, &str) = ("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT");
        let bearer = Asked { authorization: true, ..PLAIN };
        let caller = Asked { principal: true, ..PLAIN };
        let visitor = Asked { cookie: true, ..PLAIN };
        let alone = Asked { principal: true, partitioned: true, ..PLAIN };
        for (name, profile, asked, status, fields, expected) in [
            ("fresh", Safe, PLAIN, 200, &[FRESH][..], Ok(())),
            ("of an unknown status", Safe, PLAIN, 599, &[FRESH], Ok(())),
            ("Expires alone", Safe, PLAIN, 200, &[("expires", "Thu, 01 Jan 1970 01:00:00 GMT")], Ok(())),
            ("no-store", Eager, PLAIN, 200, &[("cache-control", "max-age=60, no-store")], Err(NotStored::NoStore)),
            ("no-store in capitals", Eager, PLAIN, 200, &[("cache-control", "No-StOrE, max-age=60")], Err(NotStored::NoStore)),
            ("the request's no-store", Eager, Asked { no_store: true, ..PLAIN }, 200, &[FRESH], Err(NotStored::RequestNoStore)),
            ("private", Eager, PLAIN, 200, &[("cache-control", "private, max-age=60")], Err(NotStored::Private)),
            ("private fields only", Safe, PLAIN, 200, &[("cache-control", "private=\"x-a\", max-age=60")], Ok(())),
            ("private, for one caller alone", Safe, alone, 200, &[("cache-control", "private, max-age=60")], Ok(())),
            ("no-store, for one caller alone", Safe, alone, 200, &[("cache-control", "no-store")], Err(NotStored::NoStore)),
            ("Authorization", Eager, bearer, 200, &[FRESH], Err(NotStored::Authorization)),
            ("Authorization, public", Safe, bearer, 200, &[("cache-control", "public, max-age=60")], Ok(())),
            ("Authorization, s-maxage", Safe, bearer, 200, &[("cache-control", "s-maxage=60")], Ok(())),
            ("Authorization, must-revalidate", Safe, bearer, 200, &[("cache-control", "max-age=60, must-revalidate")], Ok(())),
            ("a principal", Eager, caller, 200, &[FRESH], Err(NotStored::Principal)),
            ("a principal, public", Safe, caller, 200, &[("cache-control", "public, max-age=60")], Ok(())),
            ("the request's cookie", Safe, visitor, 200, &[FRESH], Err(NotStored::Cookie)),
            ("the request's cookie, public", Safe, visitor, 200, &[("cache-control", "public, max-age=60")], Ok(())),
            ("the request's cookie, by the letter", Rfc9111, visitor, 200, &[FRESH], Ok(())),
            ("a cookie", Safe, PLAIN, 200, &[FRESH, ("set-cookie", "a=b")], Err(NotStored::SetCookie)),
            ("a cookie, by the letter", Rfc9111, PLAIN, 200, &[FRESH, ("set-cookie", "a=b")], Ok(())),
            ("Vary: *", Eager, PLAIN, 200, &[FRESH, ("vary", "a, *")], Err(NotStored::VaryAny)),
            ("an interim response", Eager, PLAIN, 103, &[FRESH], Err(NotStored::Status)),
            ("a 304", Eager, PLAIN, 304, &[FRESH], Err(NotStored::Status)),
            ("must-understand, known", Safe, PLAIN, 200, &[("cache-control", "max-age=60, no-store, must-understand")], Ok(())),
            (
                "must-understand, unknown",
                Eager,
                PLAIN,
                599,
                &[("cache-control", "max-age=60, must-understand")],
                Err(NotStored::Status),
            ),
            ("nothing about freshness", Safe, PLAIN, 200, &[ETAG], Err(NotStored::NoFreshness)),
            ("guessing, with a date", Rfc9111, PLAIN, 200, &[MODIFIED], Ok(())),
            ("guessing, with a tag to ask about", Rfc9111, PLAIN, 200, &[ETAG], Ok(())),
            ("guessing at what nobody may guess at", Rfc9111, PLAIN, 403, &[MODIFIED], Err(NotStored::NoFreshness)),
            ("nothing to use", Rfc9111, PLAIN, 200, &[], Err(NotStored::Useless)),
            ("nothing to use but when the origin is away", Eager, PLAIN, 200, &[], Ok(())),
            ("to be asked about each time", Safe, PLAIN, 200, &[("cache-control", "no-cache"), ETAG], Ok(())),
            (
                "with nothing to ask about",
                Safe,
                PLAIN,
                200,
                &[("cache-control", "no-cache, max-age=60")],
                Err(NotStored::Useless),
            ),
            ("stale, with a grace", Safe, PLAIN, 200, &[("cache-control", "max-age=0, stale-while-revalidate=9")], Ok(())),
            ("stale, with nothing", Safe, PLAIN, 200, &[("cache-control", "max-age=0")], Err(NotStored::Useless)),
            ("a targeted field", Safe, PLAIN, 200, &[("cache-control", "no-store"), ("cdn-cache-control", "max-age=60")], Ok(())),
            ("a targeted private", Eager, PLAIN, 200, &[FRESH, ("cdn-cache-control", "private")], Err(NotStored::Private)),
        ] {
            assert_eq!(judged(profile, asked, status, fields), expected, "{name}");
        }
    }
}
