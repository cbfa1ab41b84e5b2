//! The opening handshake as the server reads it, [RFC 6455 §4.2.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1).

use http::{HeaderMap, HeaderValue, Method, Uri, Version, header};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{origin::Authority, rejection::WsRejectionKind};
use crate::core::header::{contains_token, only};

/// What a request's head amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision<'a> {
    /// It does not ask for a WebSocket: none of the layer's business.
    NotAHandshake,
    /// It asks for one as it must.
    Accepted(Opening<'a>),
    /// It asks for one in a way that cannot be answered with one.
    Rejected(WsRejectionKind),
}

/// The facts of a valid handshake that the answer is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opening<'a> {
    /// Whom the client believes to talk to, for the origin check.
    pub(super) authority: Authority<'a>,
    key: &'a HeaderValue,
}

impl Opening<'_> {
    /// The value of `Sec-WebSocket-Accept`, which proves that the key was read
    /// ([RFC 6455 §4.2.2](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2), item 5.4).
    pub(super) fn accept_value(&self) -> Option<HeaderValue> {
        // 28 characters of base64: always a header value, said in a way that cannot panic.
        HeaderValue::from_maybe_shared(bytes::Bytes::from(derive_accept_key(self.key.as_bytes()))).ok()
    }
}

/// Whether there is anything to [`decide`]: the one question that every request pays for.
///
/// RFC 9110 §7.8: "A server MUST ignore an Upgrade header field that is received in an HTTP/1.0 request", and HTTP/2 has none
/// (RFC 9113 §8.2.2).
#[inline]
pub(super) fn asks_for_upgrade(version: Version, headers: &HeaderMap) -> bool {
    version == Version::HTTP_11 && headers.contains_key(header::UPGRADE)
}

/// Reads the head of a request.
///
/// The version comes before the key, since a client of another version may send no key at all and is helped by a 426.
pub(super) fn decide<'a>(method: &Method, version: Version, uri: &'a Uri, headers: &'a HeaderMap) -> Decision<'a> {
    if !asks_for_upgrade(version, headers) || !contains_token(headers, &header::UPGRADE, "websocket") {
        return Decision::NotAHandshake;
    }
    match opening(method, uri, headers) {
        Ok(opening) => Decision::Accepted(opening),
        Err(kind) => Decision::Rejected(kind),
    }
}

fn opening<'a>(method: &Method, uri: &'a Uri, headers: &'a HeaderMap) -> Result<Opening<'a>, WsRejectionKind> {
    if method != Method::GET {
        return Err(WsRejectionKind::Method);
    }
    if !contains_token(headers, &header::CONNECTION, "upgrade") {
        return Err(WsRejectionKind::Connection);
    }
    let authority = authority(uri, headers).ok_or(WsRejectionKind::Host)?;
    if only(headers, &header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(WsRejectionKind::Version);
    }
    let key = only(headers, &header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes())).ok_or(WsRejectionKind::Key)?;
    Ok(Opening { authority, key })
}

/// The host that the request is for: the target's own in absolute form, else the one `Host`
/// ([RFC 9112 §3.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2)). Without `Host`, or with several, a request is malformed.
fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<Authority<'a>> {
    let host = only(headers, &header::HOST)?;
    Authority::parse(uri.authority().map_or(host.as_bytes(), |target| target.as_str().as_bytes()))
}

/// Whether this is 16 bytes in base64: 22 characters, of which the last carries two bits, and the padding
/// ([RFC 4648 §4](https://www.rfc-editor.org/rfc/rfc4648#section-4)). The four bits that mean nothing may be set (§3.5).
fn is_key(value: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    matches!(value, [digits @ .., b'=', b'='] if digits.len() == 22 && digits.iter().all(is_digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;
    use proptest::prelude::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn head(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    /// A good handshake in which the lines of `name` are replaced.
    fn with(name: &'static str, values: &[&'static str]) -> HeaderMap {
        let good = [
            ("host", "example.com"),
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-key", KEY),
            ("sec-websocket-version", "13"),
        ];
        let mut lines: Vec<_> = good.into_iter().filter(|(other, _)| *other != name).collect();
        lines.extend(values.iter().map(|value| (name, *value)));
        head(&lines)
    }

    fn outcome(method: &Method, version: Version, headers: &HeaderMap) -> Result<bool, WsRejectionKind> {
        match decide(method, version, &Uri::from_static("/ws"), headers) {
            Decision::NotAHandshake => Ok(false),
            Decision::Accepted(_) => Ok(true),
            Decision::Rejected(kind) => Err(kind),
        }
    }

    #[test]
    fn heads() {
        use WsRejectionKind::{Connection, Host, Key, Version as Wrong};
        for (row, name, values, expected) in [
            ("as it should be", "x-nothing", &[][..], Ok(true)),
            ("no upgrade", "upgrade", &[], Ok(false)),
            ("another upgrade", "upgrade", &["h2c"], Ok(false)),
            ("upgrade by substring", "upgrade", &["websocketx"], Ok(false)),
            ("upgrade with a version", "upgrade", &["websocket/13"], Ok(false)),
            ("upgrade in another case", "upgrade", &["WebSocket"], Ok(true)),
            ("upgrade in a list", "upgrade", &["h2c, websocket"], Ok(true)),
            ("upgrade in the second line", "upgrade", &["h2c", "websocket"], Ok(true)),
            ("no connection", "connection", &[], Err(Connection)),
            ("connection: not-upgrade", "connection", &["not-upgrade"], Err(Connection)),
            ("connection: upgraded", "connection", &["upgraded"], Err(Connection)),
            ("connection in a list", "connection", &["keep-alive, Upgrade"], Ok(true)),
            ("two connection lines", "connection", &["keep-alive", "upgrade"], Ok(true)),
            ("no host", "host", &[], Err(Host)),
            ("two hosts", "host", &["example.com", "example.com"], Err(Host)),
            ("an empty host", "host", &[""], Err(Host)),
            ("a host with a user", "host", &["user@example.com"], Err(Host)),
            ("no version", "sec-websocket-version", &[], Err(Wrong)),
            ("version 8", "sec-websocket-version", &["8"], Err(Wrong)),
            ("version 013", "sec-websocket-version", &["013"], Err(Wrong)),
            ("version in a list", "sec-websocket-version", &["13, 8"], Err(Wrong)),
            ("two versions", "sec-websocket-version", &["13", "13"], Err(Wrong)),
            ("no key", "sec-websocket-key", &[], Err(Key)),
            ("a short key", "sec-websocket-key", &["x"], Err(Key)),
            ("an empty key", "sec-websocket-key", &[""], Err(Key)),
            ("15 bytes", "sec-websocket-key", &["dGhlIHNhbXBsZSBub25j"], Err(Key)),
            ("17 bytes", "sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZWU="], Err(Key)),
            ("18 bytes", "sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZWVl"], Err(Key)),
            ("the url alphabet", "sec-websocket-key", &["-_hlIHNhbXBsZSBub25jZQ=="], Err(Key)),
            ("padding inside", "sec-websocket-key", &["dGhlIHNhbXBsZSBub25j=Q=="], Err(Key)),
            ("unused bits set", "sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZR=="], Ok(true)),
            ("two keys", "sec-websocket-key", &[KEY, KEY], Err(Key)),
        ] {
            assert_eq!(outcome(&Method::GET, Version::HTTP_11, &with(name, values)), expected, "{row}");
        }
    }

    #[test]
    fn methods_and_versions() {
        for (row, method, version, expected) in [
            ("post", Method::POST, Version::HTTP_11, Err(WsRejectionKind::Method)),
            ("head", Method::HEAD, Version::HTTP_11, Err(WsRejectionKind::Method)),
            ("connect", Method::CONNECT, Version::HTTP_11, Err(WsRejectionKind::Method)),
            ("an upgrade over 1.0 is ignored", Method::GET, Version::HTTP_10, Ok(false)),
            ("http/2 has no upgrade", Method::GET, Version::HTTP_2, Ok(false)),
        ] {
            assert_eq!(outcome(&method, version, &with("x-nothing", &[])), expected, "{row}");
        }
    }

    #[test]
    fn the_target_names_the_host_before_the_host_field_does() {
        let (uri, headers) = (Uri::from_static("http://target.example:81/ws"), with("host", &["other.example"]));
        let Decision::Accepted(opening) = decide(&Method::GET, Version::HTTP_11, &uri, &headers) else { panic!("accepted") };
        assert_eq!(Some(opening.authority), Authority::parse(b"target.example:81"));
    }

    #[test]
    fn the_accept_value_of_the_standard() {
        let headers = with("x-nothing", &[]);
        let uri = Uri::from_static("/");
        let Decision::Accepted(opening) = decide(&Method::GET, Version::HTTP_11, &uri, &headers) else { panic!("accepted") };
        assert_eq!(opening.accept_value().unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn the_keys_of_a_foreign_client_are_keys() {
        for _ in 0..100 {
            assert!(is_key(tokio_tungstenite::tungstenite::handshake::client::generate_key().as_bytes()));
        }
    }

    proptest! {
        #[test]
        fn base64_of_any_other_length_is_no_key(digits in "[A-Za-z0-9+/]{0,40}", padding in "={0,3}") {
            prop_assert_eq!(is_key((digits.clone() + &padding).as_bytes()), digits.len() == 22 && padding.len() == 2);
        }

        #[test]
        fn any_value_of_any_field_gets_an_answer(field in 0..6_usize, value in prop::collection::vec(any::<u8>(), 0..60)) {
            let name = ["host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "origin"][field];
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let mut headers = with("x-nothing", &[]);
                headers.insert(name, value);
                if let Decision::Accepted(opening) = decide(&Method::GET, Version::HTTP_11, &Uri::from_static("/"), &headers) {
                    prop_assert!(opening.accept_value().is_some_and(|accept| accept.len() == 28));
                }
            }
        }
    }
}
