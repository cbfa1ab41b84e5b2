//! The opening handshake as the server reads it: an upgrade of HTTP/1.1
//! ([RFC 6455 §4.2.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1)) or an extended CONNECT of HTTP/2
//! ([RFC 8441 §5](https://www.rfc-editor.org/rfc/rfc8441#section-5)).

use http::{Extensions, HeaderMap, HeaderValue, Method, Uri, Version, header};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{origin::Authority, rejection::WsRejectionKind};
use crate::core::header::{contains_token, only};

/// The head of a request, as far as a handshake is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub(super) method: &'a Method,
    pub(super) version: Version,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
    /// The `:protocol` of an extended CONNECT ([RFC 8441 §4](https://www.rfc-editor.org/rfc/rfc8441#section-4)).
    pub(super) protocol: Option<&'a str>,
}

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
    means: Means<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Means<'a> {
    Upgrade { key: &'a HeaderValue },
    ExtendedConnect,
}

/// The answer that opens the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// 101 with this `Sec-WebSocket-Accept`, which proves that the key was read
    /// ([RFC 6455 §4.2.2](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2), item 5.4).
    SwitchingProtocols(HeaderValue),
    /// 200, without a key to prove anything by ([RFC 8441 §5](https://www.rfc-editor.org/rfc/rfc8441#section-5)).
    Connected,
}

impl Opening<'_> {
    /// `None` cannot happen: 28 characters of base64 are always a header value. Said in a way that cannot panic.
    pub(super) fn answer(&self) -> Option<Answer> {
        Some(match self.means {
            Means::ExtendedConnect => Answer::Connected,
            Means::Upgrade { key } => {
                let accept = bytes::Bytes::from(derive_accept_key(key.as_bytes()));
                Answer::SwitchingProtocols(HeaderValue::from_maybe_shared(accept).ok()?)
            }
        })
    }
}

/// Whether there is anything to [`decide`]: the one question that every request pays for.
///
/// RFC 9110 §7.8: "A server MUST ignore an Upgrade header field that is received in an HTTP/1.0 request", and HTTP/2 has none
/// (RFC 9113 §8.2.2).
#[inline]
pub(super) fn may_be_handshake(method: &Method, version: Version, headers: &HeaderMap) -> bool {
    match version {
        Version::HTTP_11 => headers.contains_key(header::UPGRADE),
        Version::HTTP_2 => method == Method::CONNECT,
        _ => false,
    }
}

/// The `:protocol` of an extended CONNECT. Without the feature there is none, and such a request passes.
#[cfg(feature = "ws-upgrade-http2")]
pub(super) fn protocol(extensions: &Extensions) -> Option<&str> {
    extensions.get::<hyper::ext::Protocol>().map(hyper::ext::Protocol::as_str)
}

#[cfg(not(feature = "ws-upgrade-http2"))]
pub(super) fn protocol(_: &Extensions) -> Option<&str> {
    None
}

/// Reads the head of a request.
pub(super) fn decide(head: Head<'_>) -> Decision<'_> {
    let opening = match head.version {
        Version::HTTP_11 if contains_token(head.headers, &header::UPGRADE, "websocket") => upgrade(head),
        // A token of the registry of upgrades, and those are compared without case (RFC 9110 §7.8).
        Version::HTTP_2 if head.protocol.is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket")) => connect(head),
        _ => return Decision::NotAHandshake,
    };
    match opening {
        Ok(opening) => Decision::Accepted(opening),
        Err(kind) => Decision::Rejected(kind),
    }
}

/// The version comes before the key, since a client of another version may send no key at all and is helped by a 426.
fn upgrade(head: Head<'_>) -> Result<Opening<'_>, WsRejectionKind> {
    let Head { method, uri, headers, .. } = head;
    if method != Method::GET {
        return Err(WsRejectionKind::Method);
    }
    if !contains_token(headers, &header::CONNECTION, "upgrade") {
        return Err(WsRejectionKind::Connection);
    }
    // The target's own host in absolute form, else the one of `Host`, without which, or with several, a request is malformed
    // (RFC 9112 §3.2).
    let host = only(headers, &header::HOST).ok_or(WsRejectionKind::Host)?;
    let authority = uri.authority().map_or(host.as_bytes(), |target| target.as_str().as_bytes());
    let authority = Authority::parse(authority).ok_or(WsRejectionKind::Host)?;
    speaks_version_13(headers)?;
    let key = only(headers, &header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes())).ok_or(WsRejectionKind::Key)?;
    Ok(Opening { authority, means: Means::Upgrade { key } })
}

/// No `Upgrade`, `Connection`, `Host` or key: their "functionality [...] is superseded" (RFC 8441 §5).
fn connect(head: Head<'_>) -> Result<Opening<'_>, WsRejectionKind> {
    let Head { method, uri, headers, .. } = head;
    if method != Method::CONNECT {
        return Err(WsRejectionKind::Method);
    }
    let target = uri.authority().map(|target| target.as_str().as_bytes());
    // A request translated from HTTP/1.1 may have `Host` in place of `:authority` (RFC 9113 §8.3.1).
    let authority = target.or_else(|| only(headers, &header::HOST).map(HeaderValue::as_bytes));
    let authority = authority.and_then(Authority::parse).ok_or(WsRejectionKind::Host)?;
    speaks_version_13(headers)?;
    Ok(Opening { authority, means: Means::ExtendedConnect })
}

fn speaks_version_13(headers: &HeaderMap) -> Result<(), WsRejectionKind> {
    let version = only(headers, &header::SEC_WEBSOCKET_VERSION);
    if version.is_some_and(|version| version == "13") { Ok(()) } else { Err(WsRejectionKind::Version) }
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

    fn get<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Head<'a> {
        Head { method: &Method::GET, version: Version::HTTP_11, uri, headers, protocol: None }
    }

    fn outcome(method: &Method, version: Version, headers: &HeaderMap) -> Result<bool, WsRejectionKind> {
        told(Head { method, version, uri: &Uri::from_static("/ws"), headers, protocol: None })
    }

    fn told(head: Head<'_>) -> Result<bool, WsRejectionKind> {
        match decide(head) {
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
    fn extended_connects() {
        use WsRejectionKind::{Host, Method as NotConnect, Version as Wrong};
        let plain = [("sec-websocket-version", "13")];
        for (row, method, target, protocol, lines, expected) in [
            ("as it should be", "CONNECT", "https://a.b/ws", Some("websocket"), &plain[..], Ok(true)),
            ("in another case", "CONNECT", "https://a.b/ws", Some("WebSocket"), &plain, Ok(true)),
            ("a plain connect", "CONNECT", "a.b:443", None, &plain, Ok(false)),
            ("another protocol", "CONNECT", "https://a.b/ws", Some("connect-udp"), &plain, Ok(false)),
            ("fields of an upgrade alone", "GET", "https://a.b/ws", None, &[("upgrade", "websocket")], Ok(false)),
            ("another method", "GET", "https://a.b/ws", Some("websocket"), &plain, Err(NotConnect)),
            ("no version", "CONNECT", "https://a.b/ws", Some("websocket"), &[], Err(Wrong)),
            ("version 8", "CONNECT", "https://a.b/ws", Some("websocket"), &[("sec-websocket-version", "8")], Err(Wrong)),
            ("no authority", "CONNECT", "/ws", Some("websocket"), &plain, Err(Host)),
            ("host for authority", "CONNECT", "/ws", Some("websocket"), &[("host", "a.b"), plain[0]], Ok(true)),
            ("a user", "CONNECT", "https://u@a.b/ws", Some("websocket"), &plain, Err(Host)),
        ] {
            let (method, uri, headers) = (method.parse().unwrap(), target.parse().unwrap(), head(lines));
            let head = Head { method: &method, version: Version::HTTP_2, uri: &uri, headers: &headers, protocol };
            assert_eq!(told(head), expected, "{row}");
        }
    }

    #[test]
    fn the_target_names_the_host_before_the_host_field_does() {
        let (uri, headers) = (Uri::from_static("http://target.example:81/ws"), with("host", &["other.example"]));
        let Decision::Accepted(opening) = decide(get(&uri, &headers)) else { panic!("accepted") };
        assert_eq!(Some(opening.authority), Authority::parse(b"target.example:81"));
    }

    #[test]
    fn the_accept_value_of_the_standard() {
        let headers = with("x-nothing", &[]);
        let uri = Uri::from_static("/");
        let Decision::Accepted(opening) = decide(get(&uri, &headers)) else { panic!("accepted") };
        let expected = HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(opening.answer(), Some(Answer::SwitchingProtocols(expected)));
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
                if let Decision::Accepted(opening) = decide(get(&Uri::from_static("/"), &headers)) {
                    prop_assert!(opening.answer().is_some());
                }
            }
        }
    }
}
