//! Which fields are stored, [RFC 9111 §3.1](https://www.rfc-editor.org/rfc/rfc9111#section-3.1), and which of them a later response
//! rewrites, [§3.2](https://www.rfc-editor.org/rfc/rfc9111#section-3.2).

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    super::{cache_control::CacheControl, http_date},
    freshness,
    profile::Cookies,
    terms::Terms,
};
use crate::core::header::elements;

/// What speaks of one connection ([RFC 9110 §7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)), or of one hop to a proxy
/// (§3.1 of RFC 9111). `Trailer` stays: the trailers are stored too.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

/// What describes the stored bytes, which a response without content cannot change: `ETag` names them, the others tell how to read them.
const BOUND_TO_CONTENT: [HeaderName; 7] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::ETAG,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// Takes away what must not be stored, or is not to be sent again without asking: what belongs to the connection, and the fields that
/// `private` and `no-cache` name (§5.2.2.4, §5.2.2.7).
pub(super) fn strip(headers: &mut HeaderMap, control: &CacheControl, cookies: Cookies) {
    let named: Vec<HeaderName> =
        elements(headers, &header::CONNECTION).filter_map(|name| HeaderName::from_bytes(name).ok()).collect();
    for name in HOP_BY_HOP.iter().chain(&named).chain(control.private_fields()).chain(control.no_cache_fields()) {
        headers.remove(name);
    }
    if cookies == Cookies::NeverStored {
        headers.remove(header::SET_COOKIE);
        headers.remove("set-cookie2");
    }
}

/// Completes what is to be stored: the `Date` that a recipient with a clock adds
/// ([RFC 9110 §6.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-6.6.1)), and one `Age`, which every use writes anew.
pub(super) fn complete(headers: &mut HeaderMap, terms: &Terms) {
    if !headers.contains_key(header::DATE) {
        headers.insert(header::DATE, http_date::render(terms.received));
    }
    let age = freshness::age_value(headers);
    headers.insert(header::AGE, HeaderValue::from(age));
}

/// The stored fields after a response that has none of the content: each field that it brings takes the place of the stored one,
/// except what must not be stored and what the content depends upon (§3.2).
pub(super) fn freshened(stored: &HeaderMap, update: &HeaderMap) -> HeaderMap {
    let mut fresh = stored.clone();
    // The new response is as old as it says itself.
    fresh.remove(header::AGE);
    fresh.remove(header::DATE);
    for name in update.keys().filter(|name| !BOUND_TO_CONTENT.contains(name)) {
        fresh.remove(name);
        for value in update.get_all(name) {
            fresh.append(name, value.clone());
        }
    }
    fresh
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditional_cache::shared::terms::Staleness;
    use std::time::{Duration, UNIX_EPOCH};

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_belongs_to_a_connection_or_to_somebody_is_not_stored() {
        let fields = [
            ("connection", "a, b, close"),
            ("a", "1"),
            ("b", "2"),
            ("c", "3"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("proxy-connection", "close"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-person", "alice"),
            ("x-fresh", "1"),
            ("set-cookie", "a=b"),
            ("content-length", "5"),
        ];
        let control = CacheControl::parse(b"private=\"x-person\", no-cache=\"x-fresh\"");
        let mut safe = headers(&fields);
        strip(&mut safe, &control, Cookies::NeverStored);
        assert_eq!(safe, headers(&[("c", "3"), ("content-length", "5")]));
        let mut letter = headers(&fields);
        strip(&mut letter, &control, Cookies::Stored);
        assert_eq!(letter, headers(&[("c", "3"), ("set-cookie", "a=b"), ("content-length", "5")]));
    }

    #[test]
    fn a_date_is_added_and_an_age_kept() {
        let received = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let terms = Terms {
            received,
            initial_age: 0,
            lifetime: 0,
            stale_while_revalidate: 0,
            stale_if_error: 0,
            staleness: Staleness::Negotiable,
        };
        let mut bare = HeaderMap::new();
        complete(&mut bare, &terms);
        assert_eq!(bare, headers(&[("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("age", "0")]));
        let mut own = headers(&[("date", "foo"), ("age", "30, 2"), ("age", "7")]);
        complete(&mut own, &terms);
        assert_eq!(own, headers(&[("date", "foo"), ("age", "30")]));
    }

    #[test]
    fn a_later_response_rewrites_all_but_what_describes_the_content() {
        let stored = headers(&[
            ("cache-control", "max-age=1"),
            ("content-type", "text/plain"),
            ("content-encoding", "gzip"),
            ("content-length", "5"),
            ("content-md5", "x"),
            ("etag", "\"a\""),
            ("x-a", "1"),
            ("x-a", "2"),
            ("x-kept", "1"),
            ("age", "30"),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ]);
        let update = headers(&[
            ("cache-control", "max-age=60"),
            ("content-type", "text/html"),
            ("content-encoding", "br"),
            ("content-length", "0"),
            ("content-md5", "y"),
            ("etag", "\"b\""),
            ("x-a", "3"),
            ("date", "Sun, 06 Nov 1994 08:49:38 GMT"),
        ]);
        let expected = headers(&[
            ("cache-control", "max-age=60"),
            ("content-type", "text/html"),
            ("content-encoding", "gzip"),
            ("content-length", "5"),
            ("content-md5", "x"),
            ("etag", "\"a\""),
            ("x-a", "3"),
            ("x-kept", "1"),
            ("date", "Sun, 06 Nov 1994 08:49:38 GMT"),
        ]);
        assert_eq!(freshened(&stored, &update), expected);
    }
}
