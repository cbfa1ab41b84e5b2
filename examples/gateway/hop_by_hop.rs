//! Fields that speak of one connection and end with it, RFC 9110 §7.6.1.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Those that mean one connection even where `Connection` does not list them, and what is between a client and its own proxy.
///
/// `Trailer` is not among them: it tells the recipient what will come, and hyper sends no trailer field that it does not name.
const ALWAYS: [HeaderName; 10] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("proxy-connection"),
    // No field at all, but CGI programs behind us read it as HTTP_PROXY (CVE-2016-5385).
    HeaderName::from_static("proxy"),
];

/// What of them went with the message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Removed {
    /// The protocol that was asked for, or switched to.
    pub(crate) upgrade: Option<HeaderValue>,
    /// Whether trailers are taken (`TE: trailers`, RFC 9110 §10.1.4).
    pub(crate) trailers: bool,
}

/// The protocol that is asked for, or switched to; `Upgrade` counts only where `Connection` lists it (RFC 9110 §7.8).
pub(crate) fn upgrade(headers: &HeaderMap) -> Option<&HeaderValue> {
    let upgrade = headers.get(header::UPGRADE)?;
    tokens(headers, &header::CONNECTION).any(|name| name.eq_ignore_ascii_case(header::UPGRADE.as_str())).then_some(upgrade)
}

/// Removes the fields of this connection.
pub(crate) fn remove(headers: &mut HeaderMap) -> Removed {
    let listed: Vec<HeaderName> = tokens(headers, &header::CONNECTION).filter_map(|name| name.parse().ok()).collect();
    let removed = Removed {
        upgrade: upgrade(headers).cloned(),
        trailers: tokens(headers, &header::TE).any(|coding| coding.eq_ignore_ascii_case("trailers")),
    };
    for name in ALWAYS.iter().chain(&listed) {
        headers.remove(name);
    }
    removed
}

/// The elements of a list of tokens. What cannot be read is no token.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_ends_here_and_what_goes_on() {
        let mut headers = map(&[
            ("connection", "close, X-One"),
            ("connection", "x-two,\tkeep-alive , not a name, cache-control"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic eDp5"),
            ("proxy-connection", "keep-alive"),
            ("te", "gzip;q=0.5, Trailers"),
            ("trailer", "x-sum"),
            ("transfer-encoding", "chunked"),
            ("proxy", "http://evil"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-two", "2b"),
            ("x-three", "3"),
            ("cache-control", "no-store"),
            ("upgrade", "websocket"),
        ]);
        assert_eq!(remove(&mut headers), Removed { upgrade: None, trailers: true });
        assert_eq!(headers, map(&[("trailer", "x-sum"), ("x-three", "3")]));
    }

    #[test]
    fn an_upgrade_counts_only_where_the_connection_lists_it() {
        let mut headers = map(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
        assert_eq!(remove(&mut headers).upgrade, Some(HeaderValue::from_static("websocket")));
        assert!(headers.is_empty());
    }
}
