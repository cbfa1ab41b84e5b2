//! What a request asks of a cache.

use http::{HeaderMap, Method, Request, header};
use http_body::Body;

use super::{super::cache_control::CacheControl, profile::RequestDirectives, storability::NotStored};
use crate::core::header::contains_token;

/// What the cache has to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Concern {
    /// Nothing: it is passed on.
    None(NotStored),
    /// Its answer may change what is stored ([RFC 9111 §4.4](https://www.rfc-editor.org/rfc/rfc9111#section-4.4)).
    Invalidates,
    /// It may be answered from what is stored.
    Answers(Inquiry),
}

/// A GET or HEAD as a cache reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inquiry {
    pub(super) head: bool,
    pub(super) authorization: bool,
    pub(super) cookie: bool,
    /// `If-Match` and its kin.
    pub(super) conditional: bool,
    pub(super) range: bool,
    /// In a box: most requests have none that count.
    pub(super) directives: Option<Box<CacheControl>>,
}

impl Inquiry {
    /// Whether the answer would be the same for whoever asks: no part, and on no condition.
    pub(super) fn is_plain(&self) -> bool {
        !(self.head || self.conditional || self.range)
    }

    pub(super) fn is_no_store(&self) -> bool {
        self.directives.as_ref().is_some_and(|directives| directives.is_no_store())
    }

    pub(super) fn is_only_if_cached(&self) -> bool {
        self.directives.as_ref().is_some_and(|directives| directives.is_only_if_cached())
    }
}

/// Reads a request.
///
/// One with content is no concern of the cache, though it be a GET: the content is no part of the key, so its answer could be anybody's,
/// and a stored answer would leave the content unread on the connection.
pub(super) fn concern<B: Body>(request: &Request<B>) -> Concern {
    match *request.method() {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS | Method::TRACE | Method::CONNECT => return Concern::None(NotStored::Method),
        // Methods that nobody knows are taken to be unsafe (§4.4).
        _ => return Concern::Invalidates,
    }
    if !request.body().is_end_stream() && request.body().size_hint().exact() != Some(0) {
        return Concern::None(NotStored::RequestContent);
    }
    let mut inquiry = Inquiry {
        head: *request.method() == Method::HEAD,
        authorization: false,
        cookie: false,
        conditional: false,
        range: false,
        directives: None,
    };
    let mut advised = false;
    // One pass is quicker than to look up nine.
    for name in request.headers().keys() {
        match *name {
            header::UPGRADE => return Concern::None(NotStored::Upgrade),
            header::AUTHORIZATION => inquiry.authorization = true,
            header::COOKIE => inquiry.cookie = true,
            header::IF_MATCH | header::IF_NONE_MATCH | header::IF_MODIFIED_SINCE | header::IF_UNMODIFIED_SINCE => {
                inquiry.conditional = true;
            }
            header::RANGE => inquiry.range = true,
            header::CACHE_CONTROL | header::PRAGMA => advised = true,
            _ => {}
        }
    }
    if advised {
        let directives = directives(request.headers());
        inquiry.directives = (!directives.is_empty()).then(|| Box::new(directives));
    }
    Concern::Answers(inquiry)
}

/// `Pragma: no-cache` means the same, where there is no `Cache-Control` ([RFC 9111 §5.4](https://www.rfc-editor.org/rfc/rfc9111#section-5.4)).
fn directives(headers: &HeaderMap) -> CacheControl {
    if headers.contains_key(header::CACHE_CONTROL) {
        return CacheControl::from_headers(headers);
    }
    let asked = contains_token(headers, &header::PRAGMA, "no-cache");
    if asked { CacheControl::new().with_no_cache() } else { CacheControl::new() }
}

/// The directives that are obeyed.
pub(super) fn obeyed(inquiry: &Inquiry, setting: RequestDirectives) -> Option<&CacheControl> {
    match setting {
        RequestDirectives::Honoured => inquiry.directives.as_deref(),
        RequestDirectives::Ignored => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::{Empty, Full};

    fn read(method: &str, fields: &[(&'static str, &str)]) -> Concern {
        let mut request = Request::builder().method(method).uri("/").body(Empty::<Bytes>::new()).unwrap();
        for (name, value) in fields {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        concern(&request)
    }

    #[test]
    fn methods() {
        for (method, expected) in [
            ("OPTIONS", Concern::None(NotStored::Method)),
            ("TRACE", Concern::None(NotStored::Method)),
            ("CONNECT", Concern::None(NotStored::Method)),
            ("POST", Concern::Invalidates),
            ("DELETE", Concern::Invalidates),
            ("M-SEARCH", Concern::Invalidates),
            ("get", Concern::Invalidates),
        ] {
            assert_eq!(read(method, &[]), expected, "{method}");
        }
        assert!(matches!(read("GET", &[]), Concern::Answers(Inquiry { head: false, .. })));
        assert!(matches!(read("HEAD", &[]), Concern::Answers(Inquiry { head: true, .. })));
    }

    #[test]
    fn requests_that_are_no_concern() {
        assert_eq!(read("GET", &[("upgrade", "websocket")]), Concern::None(NotStored::Upgrade));
        let with_content = Request::get("/").body(Full::new(Bytes::from("x"))).unwrap();
        assert_eq!(concern(&with_content), Concern::None(NotStored::RequestContent));
        let with_none = Request::get("/").body(Full::new(Bytes::new())).unwrap();
        assert!(matches!(concern(&with_none), Concern::Answers(_)));
    }

    #[test]
    fn what_is_asked() {
        for (name, fields, plain, directives) in [
            ("nothing", &[][..], true, None),
            ("a part", &[("range", "bytes=0-1")], false, None),
            ("on a condition", &[("if-none-match", "\"a\"")], false, None),
            ("advice", &[("cache-control", "max-age=0")], true, Some("max-age=0")),
            ("old advice", &[("pragma", "no-cache")], true, Some("no-cache")),
            ("old and new advice", &[("pragma", "no-cache"), ("cache-control", "max-stale=5")], true, Some("max-stale=5")),
            ("what is no advice", &[("pragma", "foo")], true, None),
        ] {
            let Concern::Answers(inquiry) = read("GET", fields) else { panic!("{name}") };
            assert_eq!(inquiry.is_plain(), plain, "{name}");
            assert_eq!(inquiry.directives.map(|read| read.to_string()).as_deref(), directives, "{name}");
        }
    }
}
