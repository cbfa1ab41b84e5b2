//! The two rewritings: a request on its way to the upstream, a response on its way back.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderValue, Request, Version, header, request, response};

use crate::{forwarded, hop_by_hop, upstream::Upstream, via::Pseudonym};

/// The one protocol that is switched to. `h2c`, for one, would carry requests past every layer.
const WEBSOCKET: &str = "websocket";

/// The target would lead elsewhere than this gateway may go.
#[derive(Debug)]
pub(crate) struct OutOfBounds;

/// Whether `request` asks for a WebSocket in the way of HTTP/1.1 (RFC 6455 §4.1).
pub(crate) fn asks_for_websocket<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11 && is_websocket(hop_by_hop::upgrade(request.headers()))
}

/// Makes `request` one of ours to `upstream`; whether it asks for a WebSocket.
pub(crate) fn send_on(
    request: &mut request::Parts,
    upstream: &Upstream,
    peer: Option<SocketAddr>,
    us: &Pseudonym,
) -> Result<bool, OutOfBounds> {
    request.uri = upstream.locate(&request.uri).ok_or(OutOfBounds)?;
    let headers = &mut request.headers;
    let host = headers.get(header::HOST).cloned();
    let removed = hop_by_hop::remove(headers);
    // Passed on as it came, so that what the upstream writes (links, cookies) is true for the client. `Connection` cannot take it away.
    if let Some(host) = host {
        headers.insert(header::HOST, host);
    }
    if let Some(peer) = peer {
        forwarded::note(headers, peer, "http");
    }
    us.sign(headers, request.version);
    if request.version == Version::HTTP_2 {
        join_cookies(headers);
    }
    let websocket = request.version == Version::HTTP_11 && is_websocket(removed.upgrade.as_ref());
    if websocket {
        headers.insert(header::UPGRADE, HeaderValue::from_static(WEBSOCKET));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    } else if removed.trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    request.version = Version::HTTP_11;
    Ok(websocket)
}

/// Makes `response` one of ours; whether the upstream has switched to the WebSocket protocol.
pub(crate) fn send_back(response: &mut response::Parts, us: &Pseudonym) -> bool {
    let headers = &mut response.headers;
    let removed = hop_by_hop::remove(headers);
    us.sign(headers, response.version);
    // An HTTP/1.0 upstream says nothing of what our client speaks (RFC 9110 §2.5).
    response.version = Version::HTTP_11;
    let switched = response.status == http::StatusCode::SWITCHING_PROTOCOLS && is_websocket(removed.upgrade.as_ref());
    if switched {
        headers.insert(header::UPGRADE, HeaderValue::from_static(WEBSOCKET));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    switched
}

/// The fields of an interim response on its way back.
pub(crate) fn interim(headers: &HeaderMap, us: &Pseudonym) -> HeaderMap {
    let mut headers = headers.clone();
    hop_by_hop::remove(&mut headers);
    us.sign(&mut headers, Version::HTTP_11);
    headers
}

fn is_websocket(upgrade: Option<&HeaderValue>) -> bool {
    upgrade.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes()))
}

/// HTTP/2 may send cookies in several lines, HTTP/1.1 may not (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let lines: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if lines.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&lines.join(b"; ".as_slice()))
    {
        headers.insert(header::COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    fn us() -> Pseudonym {
        Pseudonym::new(1)
    }

    fn sent(version: Version, fields: &[(&'static str, &'static str)]) -> (bool, Vec<String>) {
        let mut request = Request::builder().uri("/x").version(version);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let upstream = "http://up/base".parse().unwrap();
        let websocket = send_on(&mut parts, &upstream, Some(([192, 0, 2, 1], 9).into()), &us()).unwrap();
        assert_eq!((parts.uri.to_string().as_str(), parts.version), ("http://up/base/x", Version::HTTP_11));
        let skipped = ["via", "forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
        assert!(skipped[..4].iter().all(|name| parts.headers.contains_key(*name)));
        let fields = parts.headers.iter().filter(|(name, _)| !skipped.contains(&name.as_str()));
        (websocket, fields.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect())
    }

    #[test]
    fn requests() {
        for (name, version, fields, websocket, expected) in [
            ("the host stays", Version::HTTP_11, &[("host", "a"), ("connection", "host, close")][..], false, &["host: a"][..]),
            ("trailers", Version::HTTP_11, &[("te", "trailers, deflate")], false, &["te: trailers", "connection: te"]),
            (
                "a WebSocket",
                Version::HTTP_11,
                &[("connection", "Upgrade"), ("upgrade", "WebSocket"), ("sec-websocket-key", "x")],
                true,
                &["sec-websocket-key: x", "upgrade: websocket", "connection: upgrade"],
            ),
            (
                "no smuggling of h2c",
                Version::HTTP_11,
                &[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "x")],
                false,
                &[],
            ),
            ("no WebSocket in 1.0", Version::HTTP_10, &[("connection", "upgrade"), ("upgrade", "websocket")], false, &[]),
            ("cookies of HTTP/2", Version::HTTP_2, &[("cookie", "a=1"), ("cookie", "b=2")], false, &["cookie: a=1; b=2"]),
            (
                "cookies of HTTP/1.1",
                Version::HTTP_11,
                &[("cookie", "a=1"), ("cookie", "b=2")],
                false,
                &["cookie: a=1", "cookie: b=2"],
            ),
        ] {
            let (switches, mut fields) = sent(version, fields);
            let mut expected = expected.to_vec();
            fields.sort_unstable();
            expected.sort_unstable();
            assert_eq!((switches, fields), (websocket, expected.into_iter().map(str::to_owned).collect()), "{name}");
        }
    }

    #[test]
    fn a_target_beyond_the_base_is_out_of_bounds() {
        let (mut parts, ()) = Request::builder().uri("/../x").body(()).unwrap().into_parts();
        assert!(send_on(&mut parts, &"http://up/base".parse().unwrap(), None, &us()).is_err());
    }

    #[test]
    fn responses() {
        for (name, status, switched) in [("switched", 101, true), ("not switched", 200, false)] {
            let response = Response::builder().status(status).version(Version::HTTP_10).header("keep-alive", "timeout=5");
            let response = response.header("connection", "upgrade").header("upgrade", "websocket").header("trailer", "x");
            let (mut parts, ()) = response.body(()).unwrap().into_parts();
            assert_eq!(send_back(&mut parts, &us()), switched, "{name}");
            assert_eq!(parts.headers.contains_key("upgrade"), switched, "{name}");
            assert_eq!(parts.headers.contains_key("connection"), switched, "{name}");
            assert!(!parts.headers.contains_key("keep-alive"), "{name}");
            assert_eq!(parts.headers["trailer"], "x", "{name}");
            assert_eq!(parts.headers["via"], "1.0 donjon-00000001", "{name}");
            assert_eq!(parts.version, Version::HTTP_11, "{name}");
        }
    }
}
