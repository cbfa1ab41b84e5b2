//! Who asked, for the upstream: `Forwarded` (RFC 7239), and the names that came before it.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Adds our element to `Forwarded`, and says the same in `X-Forwarded-*`.
///
/// The last element of `Forwarded` is ours and true; what stands before it anybody may have written (RFC 7239 §8.1). A line that is not
/// well-formed is dropped, since an open quote in it could swallow ours. `X-Forwarded-*` have no such rule, and many read them from the left:
/// what comes from outside is replaced.
pub(crate) fn note(headers: &mut HeaderMap, peer: SocketAddr, scheme: &'static str) {
    let peer = peer.ip().to_canonical();
    let host = headers.get(header::HOST).cloned();
    let mut element = match peer {
        IpAddr::V4(address) => format!("for={address}"),
        // Brackets and colons are no token (RFC 7239 §4, §6).
        IpAddr::V6(address) => format!("for=\"[{address}]\""),
    };
    if let Some(host) = host.as_ref().and_then(|host| host.to_str().ok()) {
        // It was parsed as an authority, which can hold no quote and no backslash.
        element.push_str(&format!(";host=\"{host}\""));
    }
    element.push_str(";proto=");
    element.push_str(scheme);

    let kept: Vec<HeaderValue> = headers.get_all(header::FORWARDED).iter().filter(|line| is_forwarded(line)).cloned().collect();
    headers.remove(header::FORWARDED);
    for line in kept.into_iter().chain(HeaderValue::try_from(element)) {
        headers.append(header::FORWARDED, line);
    }

    let [x_for, x_host, x_port, x_proto] =
        ["x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"].map(HeaderName::from_static);
    headers.remove(&x_port);
    match host {
        Some(host) => drop(headers.insert(x_host, host)),
        None => drop(headers.remove(x_host)),
    }
    headers.insert(x_proto, HeaderValue::from_static(scheme));
    if let Ok(address) = HeaderValue::try_from(peer.to_string()) {
        headers.insert(x_for, address);
    }
}

/// `forwarded-element *( OWS "," OWS forwarded-element )` (RFC 7239 §4).
fn is_forwarded(line: &HeaderValue) -> bool {
    let mut rest = line.as_bytes();
    loop {
        rest = skip_spaces(rest);
        let Some(after) = pair(rest) else { return false };
        rest = skip_spaces(after);
        match rest {
            [] => return true,
            [b',' | b';', after @ ..] => rest = after,
            _ => return false,
        }
    }
}

/// What is left after one `token "=" ( token / quoted-string )`.
fn pair(bytes: &[u8]) -> Option<&[u8]> {
    let after = token(bytes)?.strip_prefix(b"=")?;
    after.strip_prefix(b"\"").map_or_else(|| token(after), quoted)
}

fn token(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| !(byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)));
    let (token, after) = bytes.split_at(end.unwrap_or(bytes.len()));
    (!token.is_empty()).then_some(after)
}

/// What is left after the rest of a quoted string.
fn quoted(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', _, after @ ..] | [_, after @ ..] => after,
            [] => return None,
        };
    }
}

fn skip_spaces(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| !matches!(byte, b' ' | b'\t'));
    bytes.split_at(end.unwrap_or(bytes.len())).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn noted(peer: &str, fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        note(&mut headers, peer.parse().unwrap(), "http");
        headers
    }

    #[test]
    fn elements() {
        for (name, peer, before, expected) in [
            (
                "IPv4",
                "192.0.2.1:5",
                &[("host", "a.example:8080")][..],
                &[r#"for=192.0.2.1;host="a.example:8080";proto=http"#][..],
            ),
            ("IPv6", "[2001:db8::1]:5", &[("host", "a")], &[r#"for="[2001:db8::1]";host="a";proto=http"#]),
            ("IPv4 within IPv6", "[::ffff:192.0.2.1]:5", &[], &["for=192.0.2.1;proto=http"]),
            (
                "appended",
                "192.0.2.1:5",
                &[("forwarded", r#"for="[::1]";by=_x , for=unknown"#), ("forwarded", r#"proto="a\"b""#)],
                &[r#"for="[::1]";by=_x , for=unknown"#, r#"proto="a\"b""#, "for=192.0.2.1;proto=http"],
            ),
            (
                "broken ones dropped",
                "192.0.2.1:5",
                &[
                    ("forwarded", "for=\"1.2.3.4"),
                    ("forwarded", "for"),
                    ("forwarded", ""),
                    ("forwarded", "for=\"a\"b"),
                    ("forwarded", "for=a,"),
                    ("forwarded", "for=1 2"),
                    ("forwarded", r#"for="a\""#),
                ],
                &["for=192.0.2.1;proto=http"],
            ),
        ] {
            let headers = noted(peer, before);
            assert_eq!(headers.get_all(header::FORWARDED).iter().collect::<Vec<_>>(), expected, "{name}");
        }
    }

    #[test]
    fn the_older_names_say_only_what_we_know() {
        let forged = [
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-for", "10.0.0.2"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-port", "1"),
        ];
        let headers = noted("192.0.2.1:5", &forged);
        let all = |name| headers.get_all(name).iter().collect::<Vec<_>>();
        assert_eq!(all("x-forwarded-for"), ["192.0.2.1"]);
        assert_eq!(all("x-forwarded-proto"), ["http"]);
        assert_eq!(all("x-forwarded-host"), [""; 0]);
        assert_eq!(all("x-forwarded-port"), [""; 0]);
    }

    /// The elements of a list, by a reader who knows nothing of how it was made.
    fn elements_of(list: &[u8]) -> Vec<Vec<u8>> {
        let (mut elements, mut quoted, mut escaped) = (vec![Vec::new()], false, false);
        for byte in list.iter().copied() {
            match byte {
                b',' if !quoted => {
                    elements.push(Vec::new());
                    continue;
                }
                b'"' if !escaped => quoted = !quoted,
                _ => {}
            }
            escaped = quoted && byte == b'\\' && !escaped;
            elements.last_mut().unwrap().push(byte);
        }
        elements
    }

    proptest! {
        #[test]
        fn whatever_a_client_writes_the_last_element_is_ours(lines in prop::collection::vec(r#"[a=",;\\\\ \[\]:0-9]{0,12}"#, 0..4)) {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(header::FORWARDED, HeaderValue::from_str(line).unwrap());
            }
            note(&mut headers, "192.0.2.1:5".parse().unwrap(), "http");
            let joined = headers.get_all(header::FORWARDED).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b", "[..]);
            let elements = elements_of(&joined);
            prop_assert_eq!(elements.last().unwrap().trim_ascii(), b"for=192.0.2.1;proto=http");
        }

        #[test]
        fn any_bytes_are_judged_without_a_panic(line in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(line) = HeaderValue::from_bytes(&line) {
                let _ = is_forwarded(&line);
            }
        }
    }
}
