//! Answers to gRPC, whose status stands in trailers and whose HTTP status is 200
//! ([gRPC over HTTP/2, Responses](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses)).

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::{Problem, Retryability, core::header::only};

/// What kind of call was made, and so what its answer calls itself. Which message format it carries makes no difference to an answer without
/// messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rpc {
    Grpc,
    /// For browsers ([gRPC-Web](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md)).
    Web,
    WebText,
}

impl Rpc {
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = only(headers, &header::CONTENT_TYPE)?.as_bytes();
        let essence = value.split(|byte| matches!(byte, b';' | b'+' | b' ' | b'\t')).next()?;
        let is = |name: &str| essence.eq_ignore_ascii_case(name.as_bytes());
        match essence.len() {
            16 if is("application/grpc") => Some(Self::Grpc),
            20 if is("application/grpc-web") => Some(Self::Web),
            25 if is("application/grpc-web-text") => Some(Self::WebText),
            _ => None,
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Grpc => "application/grpc",
            Self::Web => "application/grpc-web",
            Self::WebText => "application/grpc-web-text",
        })
    }

    /// A response of trailers only: they stand in the head, and there is no content.
    pub(super) fn answer(self, headers: &mut HeaderMap, problem: &Problem) {
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, self.content_type());
        headers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from(grpc_status(problem.status())));
        headers.insert(HeaderName::from_static("grpc-message"), message(problem));
        // A client repeats by status alone, whatever the method does, unless it is told not to
        // (gRFC A6, https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback).
        if problem.retryability() != Retryability::Safe {
            headers.insert(HeaderName::from_static("grpc-retry-pushback-ms"), HeaderValue::from_static("-1"));
        }
    }
}

/// What a gRPC client makes of an HTTP status that it is given in place of one of its own
/// ([HTTP to gRPC Status Code Mapping](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md)): with or without this layer it
/// comes to the same.
fn grpc_status(status: StatusCode) -> u16 {
    const UNKNOWN: u16 = 2;
    const PERMISSION_DENIED: u16 = 7;
    const UNIMPLEMENTED: u16 = 12;
    const INTERNAL: u16 = 13;
    const UNAVAILABLE: u16 = 14;
    const UNAUTHENTICATED: u16 = 16;
    match status.as_u16() {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502..=504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

/// Percent-encoded: of ASCII all that can be seen, but for `%`.
fn message(problem: &Problem) -> HeaderValue {
    let text = problem.detail().unwrap_or(problem.title());
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    HeaderValue::from_str(&out).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_call_is() {
        for (value, expected) in [
            ("application/grpc", Some(Rpc::Grpc)),
            ("application/grpc+proto", Some(Rpc::Grpc)),
            ("Application/gRPC ; charset=utf-8", Some(Rpc::Grpc)),
            ("application/grpc-web", Some(Rpc::Web)),
            ("application/grpc-web+json", Some(Rpc::Web)),
            ("application/grpc-web-text+proto", Some(Rpc::WebText)),
            ("application/grpcx", None),
            ("application/grpc-other", None),
            ("application/json", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]);
            assert_eq!(Rpc::of(&headers), expected, "{value}");
        }
        assert_eq!(Rpc::of(&HeaderMap::new()), None);
    }

    #[test]
    fn statuses() {
        for (http, grpc) in [
            (400, 13),
            (401, 16),
            (403, 7),
            (404, 12),
            (408, 2),
            (413, 2),
            (429, 14),
            (500, 2),
            (501, 2),
            (502, 14),
            (503, 14),
            (504, 14),
        ] {
            assert_eq!(grpc_status(StatusCode::from_u16(http).unwrap()), grpc, "{http}");
        }
    }

    #[test]
    fn a_message_is_the_detail_or_the_title() {
        let problem = Problem::new(StatusCode::CONFLICT);
        assert_eq!(message(&problem), "Conflict");
        assert_eq!(message(&problem.with_detail("100 % of\r\nKüche")), "100 %25 of%0D%0AK%C3%BCche");
    }

    proptest! {
        #[test]
        fn any_text_is_a_field(text in any::<String>()) {
            let value = message(&Problem::new(StatusCode::CONFLICT).with_detail(text.clone()));
            let mut bytes = value.as_bytes().iter();
            let mut decoded = Vec::new();
            while let Some(byte) = bytes.next() {
                decoded.push(match byte {
                    b'%' => {
                        let digits = [*bytes.next().unwrap(), *bytes.next().unwrap()];
                        u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                    }
                    _ => *byte,
                });
            }
            prop_assert_eq!(String::from_utf8(decoded).unwrap(), text);
        }
    }
}
