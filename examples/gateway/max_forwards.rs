//! `Max-Forwards`, RFC 9110 §7.6.2: how far a TRACE or OPTIONS may go.

use http::{HeaderValue, Method, header, request::Parts};

/// Headers that a reflected TRACE must not show (RFC 9110 §9.3.8).
const PRIVATE: [http::HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The request goes on; a count that stood in it is one less.
    Further,
    /// It ends here: what to say to it, and the media type of that.
    Here { content: String, media_type: Option<&'static str> },
}

/// Counts down where the method has a count.
pub(crate) fn count(request: &mut Parts) -> Reach {
    if !matches!(request.method, Method::TRACE | Method::OPTIONS) {
        return Reach::Further;
    }
    let left = request.headers.get(header::MAX_FORWARDS).and_then(|left| left.to_str().ok()?.parse::<u64>().ok());
    match left {
        None => Reach::Further,
        Some(0) if request.method == Method::TRACE => {
            Reach::Here { content: reflected(request), media_type: Some("message/http") }
        }
        Some(0) => Reach::Here { content: String::new(), media_type: None },
        Some(left) => {
            request.headers.insert(header::MAX_FORWARDS, HeaderValue::from(left - 1));
            Reach::Further
        }
    }
}

/// The request as it arrived, but for what is nobody's business.
fn reflected(request: &Parts) -> String {
    let mut text = format!("{} {} {:?}\r\n", request.method, request.uri, request.version);
    for (name, value) in &request.headers {
        if !PRIVATE.contains(name) {
            text.push_str(&format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes())));
        }
    }
    text.push_str("\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[test]
    fn counts() {
        for (name, method, before, here, after) in [
            ("another method", "GET", Some("0"), None, Some("0")),
            ("no count", "OPTIONS", None, None, None),
            ("one less", "OPTIONS", Some("10"), None, Some("9")),
            ("the last", "TRACE", Some("1"), None, Some("0")),
            ("no number", "TRACE", Some("-1"), None, Some("-1")),
            ("ended", "OPTIONS", Some("0"), Some(""), Some("0")),
            ("traced", "TRACE", Some("0"), Some("TRACE /x HTTP/1.1\r\nmax-forwards: 0\r\n\r\n"), Some("0")),
        ] {
            let mut request = Request::builder().method(method).uri("/x").header("cookie", "secret");
            if let Some(before) = before {
                request = request.header("max-forwards", before);
            }
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            let content = match count(&mut parts) {
                Reach::Further => None,
                Reach::Here { content, .. } => Some(content),
            };
            assert_eq!(content.as_deref(), here, "{name}");
            assert_eq!(parts.headers.get("max-forwards").map(|left| left.to_str().unwrap()), after, "{name}");
        }
    }
}
