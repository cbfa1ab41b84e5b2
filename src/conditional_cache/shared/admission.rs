//! A response on its way into the store, and what becomes of a stored head that was confirmed.

use std::time::SystemTime;

use http::{HeaderMap, StatusCode, header};

use super::{
    directives::Directives,
    fields, freshness,
    profile::{Cookies, Rules},
    storability::{Asked, NotStored, storable},
    store::StoredHead,
    terms::Terms,
    vary::Vary,
};

/// One request and its answer, as far as storing goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange<'a> {
    pub(super) asked: Asked,
    pub(super) request: &'a HeaderMap,
    pub(super) requested: SystemTime,
    pub(super) received: SystemTime,
}

/// The head under which a response is stored.
///
/// # Errors
///
/// With the reason why it is not.
pub(super) fn admit(
    exchange: Exchange<'_>,
    status: StatusCode,
    headers: &HeaderMap,
    rules: &Rules,
) -> Result<StoredHead, NotStored> {
    let Exchange { asked, request, requested, received } = exchange;
    let directives = Directives::of(headers, &rules.targets);
    let lifetime = freshness::lifetime(&directives, headers, status, received, rules.heuristics);
    storable(asked, status, headers, &directives, lifetime, rules)?;
    let terms = freshness::terms(&directives, lifetime, headers, requested, received);
    let mut head = StoredHead::new(status, requested, received);
    head.selecting = Vary::of(headers).selecting(request, rules.likeness);
    head.headers = headers.clone();
    fields::strip(&mut head.headers, &directives.control, rules.cookies);
    fields::complete(&mut head.headers, &terms);
    head.terms = Some(terms);
    Ok(head)
}

/// A stored head after the origin has confirmed it, and whether it may stay stored.
#[derive(Debug)]
pub(super) struct Freshened {
    pub(super) head: StoredHead,
    pub(super) stays: Result<(), NotStored>,
}

/// Updates a stored head from a response without content
/// ([RFC 9111 §3.2](https://www.rfc-editor.org/rfc/rfc9111#section-3.2)).
pub(super) fn freshen(stored: &StoredHead, exchange: Exchange<'_>, update: &HeaderMap, rules: &Rules) -> Freshened {
    let Exchange { asked, request, requested, received } = exchange;
    let mut new = update.clone();
    fields::strip(&mut new, &Directives::of(update, &rules.targets).control, rules.cookies);
    let headers = fields::freshened(&stored.headers, &new);
    let directives = Directives::of(&headers, &rules.targets);
    let lifetime = freshness::lifetime(&directives, &headers, stored.status, received, rules.heuristics);
    let stays = storable(asked, stored.status, &headers, &directives, lifetime, rules);
    let terms = freshness::terms(&directives, lifetime, &headers, requested, received);
    let mut head = StoredHead::new(stored.status, requested, received);
    head.version = stored.version;
    head.selecting = if update.contains_key(header::VARY) {
        Vary::of(&headers).selecting(request, rules.likeness)
    } else {
        stored.selecting.clone()
    };
    head.headers = headers;
    fields::complete(&mut head.headers, &terms);
    head.terms = Some(terms);
    Freshened { head, stays }
}

/// What a head may be used for; worked out again if it was read from a store that keeps plain fields only.
pub(super) fn terms_of(head: &StoredHead, rules: &Rules) -> Terms {
    head.terms.unwrap_or_else(|| {
        let directives = Directives::of(&head.headers, &rules.targets);
        let lifetime = freshness::lifetime(&directives, &head.headers, head.status, head.response_time, rules.heuristics);
        freshness::terms(&directives, lifetime, &head.headers, head.request_time, head.response_time)
    })
}

/// Gives a client the cookies that came with the confirmation and belong to nobody else.
pub(super) fn add_own_cookies(headers: &mut HeaderMap, update: &HeaderMap, cookies: Cookies) {
    if cookies == Cookies::NeverStored {
        for cookie in update.get_all(header::SET_COOKIE) {
            headers.append(header::SET_COOKIE, cookie.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditional_cache::shared::profile::Profile;
    use http::{HeaderName, HeaderValue};
    use std::time::{Duration, UNIX_EPOCH};

    const PLAIN: Asked = Asked { no_store: false, authorization: false, principal: false, cookie: false, partitioned: false };

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn exchange(request: &HeaderMap, asked: Asked, at: u64) -> Exchange<'_> {
        let received = UNIX_EPOCH + Duration::from_secs(at);
        Exchange { asked, request, requested: received, received }
    }

    #[test]
    fn a_head_that_was_read_back_has_the_terms_that_it_had() {
        let rules = Rules::of(Profile::Rfc9111);
        for fields in [
            &[("cache-control", "max-age=60, stale-if-error=5"), ("age", "7, 9")][..],
            &[("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT"), ("date", "Thu, 01 Jan 1970 00:10:00 GMT")],
            &[("cdn-cache-control", "max-age=5"), ("cache-control", "no-store")],
        ] {
            let request = HeaderMap::new();
            let head = admit(exchange(&request, PLAIN, 605), StatusCode::OK, &headers(fields), &rules).unwrap();
            let mut read_back = StoredHead::new(head.status, head.request_time, head.response_time);
            read_back.headers = head.headers.clone();
            assert_eq!(Some(terms_of(&read_back, &rules)), head.terms, "{fields:?}");
        }
    }

    #[test]
    fn a_confirmation_starts_a_new_life() {
        let rules = Rules::of(Profile::Safe);
        let request = headers(&[("foo", "1")]);
        let stored = headers(&[("cache-control", "max-age=60"), ("etag", "\"a\""), ("age", "30"), ("vary", "foo")]);
        let head = admit(exchange(&request, PLAIN, 100), StatusCode::OK, &stored, &rules).unwrap();
        let update = headers(&[("cache-control", "max-age=10"), ("set-cookie", "a=b"), ("connection", "x"), ("x", "1")]);
        let Freshened { head: fresh, stays } = freshen(&head, exchange(&request, PLAIN, 200), &update, &rules);
        assert_eq!(stays, Ok(()));
        assert_eq!(fresh.selecting, head.selecting);
        let terms = fresh.terms.unwrap();
        assert_eq!((terms.initial_age, terms.lifetime), (0, 10));
        assert_eq!(fresh.headers["date"], "Thu, 01 Jan 1970 00:03:20 GMT");
        assert!(!fresh.headers.contains_key("set-cookie") && !fresh.headers.contains_key("x"));
    }

    #[test]
    fn a_confirmation_may_end_it() {
        let rules = Rules::of(Profile::Safe);
        let request = HeaderMap::new();
        let stored = headers(&[("cache-control", "max-age=60"), ("etag", "\"a\"")]);
        let head = admit(exchange(&request, PLAIN, 100), StatusCode::OK, &stored, &rules).unwrap();
        for (asked, update, expected) in [
            (PLAIN, ("cache-control", "no-store"), Err(NotStored::NoStore)),
            (PLAIN, ("vary", "*"), Err(NotStored::VaryAny)),
            (Asked { authorization: true, ..PLAIN }, ("x-a", "1"), Err(NotStored::Authorization)),
        ] {
            let freshened = freshen(&head, exchange(&request, asked, 100), &headers(&[update]), &rules);
            assert_eq!(freshened.stays, expected);
        }
    }
}
