//! What the fields of a request say that a response is judged by.

use http::{HeaderMap, header};

use super::tagging::accepts_coding;

/// Which of the fields are there. Read in one pass, which is quicker than to look up each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) authorization: bool,
    pub(super) cookie: bool,
    /// Whether there are preconditions other than If-Range, which means nothing without a range (RFC 9110 §13.1.5).
    pub(super) conditional: bool,
    /// Whether a part is wanted.
    pub(super) ranged: bool,
    /// Whether the client takes the content in another coding than as it is.
    pub(super) coding: bool,
}

impl Asked {
    #[inline(always)]
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let mut asked = Self::default();
        for (name, value) in headers {
            match *name {
                header::AUTHORIZATION => asked.authorization = true,
                header::COOKIE => asked.cookie = true,
                header::ACCEPT_ENCODING => asked.coding = asked.coding || accepts_coding(value.as_bytes()),
                header::IF_MATCH | header::IF_NONE_MATCH | header::IF_MODIFIED_SINCE | header::IF_UNMODIFIED_SINCE => {
                    asked.conditional = true;
                }
                header::RANGE => asked.ranged = true,
                _ => {}
            }
        }
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn what_is_seen() {
        let none = Asked::default();
        for (name, fields, expected) in [
            ("nothing", &[][..], none),
            ("nothing of interest", &[("accept", "*/*")], none),
            ("credentials", &[("authorization", "Bearer x")], Asked { authorization: true, ..none }),
            ("a cookie", &[("cookie", "a=b")], Asked { cookie: true, ..none }),
            ("a precondition", &[("if-modified-since", "x")], Asked { conditional: true, ..none }),
            ("a range", &[("range", "x")], Asked { ranged: true, ..none }),
            ("a condition of a range", &[("if-range", "x")], none),
            ("a coding", &[("accept-encoding", "gzip")], Asked { coding: true, ..none }),
            (
                "in any of the lines",
                &[("accept-encoding", "br"), ("accept-encoding", "gzip;q=0")],
                Asked { coding: true, ..none },
            ),
            ("no coding", &[("accept-encoding", "identity")], none),
        ] {
            let lines = fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(name, value);
            }
            assert_eq!(Asked::from_headers(&headers), expected, "{name}");
        }
    }
}
