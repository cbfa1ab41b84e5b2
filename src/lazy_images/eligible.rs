//! Which responses are rewritten, decided from their heads.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};
use http::{HeaderMap, StatusCode, header};
use lol_html::AsciiCompatibleEncoding;

use crate::core::header::{Parameter, contains_token, elements, parameters, trim_ows};

/// What becomes of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Eligibility {
    Rewrite(Charset),
    Pass(Pass),
}

/// Why a response passes byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// 1xx, 204, 205 and 304 have no content; a 206 has a part of one.
    Status,
    /// A part of a page ([RFC 9110 §14.4](https://www.rfc-editor.org/rfc/rfc9110#section-14.4)).
    Range,
    NotHtml,
    /// Compressed ([RFC 9110 §8.4](https://www.rfc-editor.org/rfc/rfc9110#section-8.4)).
    Encoded,
    /// `Cache-Control: no-transform` ([RFC 9111 §5.2.2.6](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.6)).
    NoTransform,
    /// UTF-16 or ISO-2022-JP: bytes that look like a tag may be something else.
    Charset,
}

impl Pass {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Range => "range",
            Self::NotHtml => "not html",
            Self::Encoded => "content-encoding",
            Self::NoTransform => "no-transform",
            Self::Charset => "charset",
        }
    }
}

/// What the Content-Type says of the encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Declared(AsciiCompatibleEncoding),
    /// Nothing, or nothing that a browser knows: the page may say it within.
    Undeclared,
}

impl Charset {
    pub(super) fn encoding(self) -> AsciiCompatibleEncoding {
        match self {
            Self::Declared(encoding) => encoding,
            Self::Undeclared => AsciiCompatibleEncoding::utf_8(),
        }
    }
}

/// Decides on a response to a request other than CONNECT.
pub(super) fn eligibility(status: StatusCode, headers: &HeaderMap) -> Eligibility {
    if status.is_informational()
        || matches!(
            status,
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED
        )
    {
        return Eligibility::Pass(Pass::Status);
    }
    page(headers)
}

/// Decides on the head of a page alone, whatever the status.
pub(super) fn page(headers: &HeaderMap) -> Eligibility {
    let Some(charset) = html(headers) else { return Eligibility::Pass(Pass::NotHtml) };
    let pass = if headers.contains_key(header::CONTENT_RANGE) {
        Pass::Range
    } else if elements(headers, &header::CONTENT_ENCODING).any(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        Pass::Encoded
    } else if contains_token(headers, &header::CACHE_CONTROL, "no-transform") {
        Pass::NoTransform
    } else {
        match charset {
            Some(charset) => return Eligibility::Rewrite(charset),
            None => Pass::Charset,
        }
    };
    Eligibility::Pass(pass)
}

/// Whether the one Content-Type is `text/html`, and with which encoding; the inner `None` is one that cannot be read as ASCII.
fn html(headers: &HeaderMap) -> Option<Option<Charset>> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (essence, parameters) = parameters(trim_ows(value.as_bytes()));
    if !essence.eq_ignore_ascii_case(b"text/html") {
        return None;
    }
    let mut label: Option<Cow<'_, [u8]>> = None;
    for parameter in parameters {
        match parameter {
            Parameter::Named { name, value: Some(value) } if name.eq_ignore_ascii_case(b"charset") => {
                label.get_or_insert(value);
            }
            // A browser may take another encoding out of it than is seen here.
            Parameter::Malformed(part) if part.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"charset")) => {
                return Some(None);
            }
            _ => {}
        }
    }
    Some(match label.and_then(|label| Encoding::for_label(&label)) {
        None => Some(Charset::Undeclared),
        Some(encoding) if encoding == UTF_8 => Some(Charset::Declared(AsciiCompatibleEncoding::utf_8())),
        Some(encoding) => AsciiCompatibleEncoding::new(encoding).map(Charset::Declared),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn decided(status: u16, lines: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            headers.append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static(value));
        }
        match eligibility(StatusCode::from_u16(status).unwrap(), &headers) {
            Eligibility::Pass(pass) => pass.as_str().into(),
            Eligibility::Rewrite(Charset::Undeclared) => "undeclared".into(),
            Eligibility::Rewrite(Charset::Declared(encoding)) => <&Encoding>::from(encoding).name().into(),
        }
    }

    #[test]
    fn heads() {
        let html = "content-type: text/html";
        for (name, status, lines, expected) in [
            ("html", 200, vec![html], "undeclared"),
            ("in capitals", 200, vec!["content-type: Text/HTML; Charset=UTF-8"], "UTF-8"),
            ("quoted", 200, vec!["content-type: text/html;charset=\"utf-8\""], "UTF-8"),
            ("two charsets", 200, vec!["content-type: text/html;charset=utf-8;charset=utf-16"], "UTF-8"),
            ("latin", 200, vec!["content-type: text/html; charset=iso-8859-1"], "windows-1252"),
            ("shift_jis", 200, vec!["content-type: text/html; charset=shift_jis"], "Shift_JIS"),
            ("unknown charset", 200, vec!["content-type: text/html; charset=none"], "undeclared"),
            ("utf-16", 200, vec!["content-type: text/html; charset=utf-16"], "charset"),
            ("utf-16be", 200, vec!["content-type: text/html; charset=UTF-16BE"], "charset"),
            ("iso-2022-jp", 200, vec!["content-type: text/html; charset=iso-2022-jp"], "charset"),
            ("replacement", 200, vec!["content-type: text/html; charset=iso-2022-kr"], "charset"),
            ("malformed charset", 200, vec!["content-type: text/html; charset=\"iso-2022-jp"], "charset"),
            ("error page", 404, vec![html], "undeclared"),
            ("xhtml", 200, vec!["content-type: application/xhtml+xml"], "not html"),
            ("a longer type", 200, vec!["content-type: text/html-sandboxed"], "not html"),
            ("two types", 200, vec![html, "content-type: text/plain"], "not html"),
            ("no type", 200, vec![], "not html"),
            ("json", 200, vec!["content-type: application/json"], "not html"),
            ("gzip", 200, vec![html, "content-encoding: gzip"], "content-encoding"),
            ("identity", 200, vec![html, "content-encoding: identity"], "undeclared"),
            ("identity, br", 200, vec![html, "content-encoding: identity, br"], "content-encoding"),
            ("content-range", 200, vec![html, "content-range: bytes 0-9/100"], "range"),
            ("no-transform", 200, vec![html, "cache-control: public, No-Transform"], "no-transform"),
            ("an extension", 200, vec![html, "cache-control: x=\"no-transform\""], "undeclared"),
            ("switching protocols", 101, vec![html], "status"),
            ("no content", 204, vec![html], "status"),
            ("partial content", 206, vec![html], "status"),
            ("not modified", 304, vec![html], "status"),
        ] {
            assert_eq!(decided(status, &lines), expected, "{name}");
        }
    }
}
