//! Errors of which nobody has said anything.

use http::{HeaderMap, Response, header};
use http_body::Body;

use super::guard::guard;

/// What becomes of an error response without content and without a problem, as a router answers a path that it does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EmptyErrors {
    /// It passes as it came.
    #[default]
    Pass,
    /// It gets the problem of its status, in the form that the client reads; its fields (`Allow`, `WWW-Authenticate`, ...) stay, but for
    /// `Cache-Control`, which becomes that of every generated error. Its [`Retryability`](crate::Retryability) is that of its extensions if
    /// it has one, else that of its status; a bare 503 proves nothing of what was done, and is for idempotent methods only.
    Fill,
}

/// Whether a response has no content, and says nothing of one that it would have: the answer to a HEAD is empty and yet speaks of a page.
pub(super) fn is_empty<B: Body>(response: &Response<B>) -> bool {
    !speaks_of_content(response.headers())
        && guard(|| response.body().is_end_stream() || response.body().size_hint().exact() == Some(0)).unwrap_or(false)
}

fn speaks_of_content(headers: &HeaderMap) -> bool {
    [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::TRANSFER_ENCODING].iter().any(|name| headers.contains_key(name))
        || headers.get_all(header::CONTENT_LENGTH).iter().any(|length| length != "0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{HeaderName, HeaderValue};
    use http_body_util::{Full, StreamBody};

    fn response(field: Option<(&'static str, &'static str)>, content: &'static str) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(content));
        response
            .headers_mut()
            .extend(field.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))));
        response
    }

    #[test]
    fn nothing_is_there_and_nothing_is_said_of_it() {
        for (name, field, content, expected) in [
            ("bare", None, "", true),
            ("allow", Some(("allow", "GET")), "", true),
            ("content", None, "x", false),
            ("a length of none", Some(("content-length", "0")), "", true),
            ("of a HEAD", Some(("content-length", "9")), "", false),
            ("a type", Some(("content-type", "text/html")), "", false),
            ("a stream of events", Some(("content-type", "text/event-stream")), "", false),
            ("a coding", Some(("content-encoding", "gzip")), "", false),
        ] {
            assert_eq!(is_empty(&response(field, content)), expected, "{name}");
        }
    }

    #[test]
    fn what_may_still_come_is_not_nothing() {
        let frames = futures_util::stream::empty::<Result<http_body::Frame<Bytes>, std::io::Error>>();
        assert!(!is_empty(&Response::new(StreamBody::new(frames))));
    }
}
