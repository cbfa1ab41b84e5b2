//! The request: how the resource server shows who it is, and the form with the token.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};

use crate::token_auth::error::ConfigErrorKind;

/// How a resource server proves to the authorization server that it may ask about tokens
/// ([RFC 7662 §2.1](https://www.rfc-editor.org/rfc/rfc7662#section-2.1)).
#[derive(Clone)]
pub struct ClientAuth(Kind);

#[derive(Clone)]
enum Kind {
    Basic { id: Box<str>, secret: Box<str> },
    Post { id: Box<str>, secret: Box<str> },
    Bearer { token: Box<str> },
}

impl ClientAuth {
    /// `client_secret_basic`: id and secret in the `Authorization` header
    /// ([RFC 6749 §2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
    #[must_use]
    pub fn basic(id: impl Into<Box<str>>, secret: impl Into<Box<str>>) -> Self {
        Self(Kind::Basic { id: id.into(), secret: secret.into() })
    }

    /// `client_secret_post`: id and secret in the form, for servers that know no better.
    #[must_use]
    pub fn post(id: impl Into<Box<str>>, secret: impl Into<Box<str>>) -> Self {
        Self(Kind::Post { id: id.into(), secret: secret.into() })
    }

    /// An access token of the resource server's own.
    #[must_use]
    pub fn bearer(token: impl Into<Box<str>>) -> Self {
        Self(Kind::Bearer { token: token.into() })
    }

    /// The `Authorization` header, if it is one.
    pub(super) fn header(&self) -> Result<Option<HeaderValue>, ConfigErrorKind> {
        let text = match &self.0 {
            // Encoded first, so that a colon in the id stays one.
            Kind::Basic { id, secret } => {
                format!("Basic {}", STANDARD.encode(format!("{}:{}", form_encoded(id), form_encoded(secret))))
            }
            Kind::Bearer { token } => format!("Bearer {token}"),
            Kind::Post { .. } => return Ok(None),
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| ConfigErrorKind::ClientAuthInvalid)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn form(&self) -> String {
        match &self.0 {
            Kind::Post { id, secret } => format!("&client_id={}&client_secret={}", form_encoded(id), form_encoded(secret)),
            Kind::Basic { .. } | Kind::Bearer { .. } => String::new(),
        }
    }
}

/// The request about one token.
pub(super) fn request(endpoint: &Uri, auth: &ClientAuth, header: Option<&HeaderValue>, token: &str) -> Request<Bytes> {
    let form = format!("token={}&token_type_hint=access_token{}", form_encoded(token), auth.form());
    let mut request = Request::new(Bytes::from(form));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = endpoint.clone();
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.extend(header.map(|header| (header::AUTHORIZATION, header.clone())));
    request
}

/// `application/x-www-form-urlencoded` ([URL Standard](https://url.spec.whatwg.org/#application-x-www-form-urlencoded-percent-encode-set)).
fn form_encoded(text: &str) -> String {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |half: u8| HEX.get(usize::from(half & 15)).copied().unwrap_or('0');
    let mut encoded = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'*' | b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            b' ' => encoded.push('+'),
            _ => encoded.extend(['%', digit(byte >> 4), digit(byte)]),
        }
    }
    encoded
}

/// Shows neither secret nor token.
impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Basic { .. } => "ClientAuth::basic(..)",
            Kind::Post { .. } => "ClientAuth::post(..)",
            Kind::Bearer { .. } => "ClientAuth::bearer(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests() {
        for (name, auth, header, form) in [
            (
                "basic",
                ClientAuth::basic("api", "s3cret"),
                Some("Basic YXBpOnMzY3JldA=="),
                "token=a.b%2Bc&token_type_hint=access_token",
            ),
            (
                "basic, to be encoded",
                ClientAuth::basic("a:b", "ä %"),
                Some("Basic YSUzQWI6JUMzJUE0KyUyNQ=="),
                "token=a.b%2Bc&token_type_hint=access_token",
            ),
            (
                "post",
                ClientAuth::post("api&x=1", "s=t"),
                None,
                "token=a.b%2Bc&token_type_hint=access_token&client_id=api%26x%3D1&client_secret=s%3Dt",
            ),
            ("bearer", ClientAuth::bearer("mine"), Some("Bearer mine"), "token=a.b%2Bc&token_type_hint=access_token"),
        ] {
            let value = auth.header().unwrap();
            assert_eq!(value.as_ref().map(HeaderValue::as_bytes), header.map(str::as_bytes), "{name}");
            let request = request(&Uri::from_static("https://login.example/introspect"), &auth, value.as_ref(), "a.b+c");
            assert_eq!(request.body(), form, "{name}");
            assert_eq!(request.headers().get("authorization"), value.as_ref(), "{name}");
            let shown = format!("{auth:?} {request:?}");
            assert!(!shown.contains("s3cret") && !shown.contains("mine") && !shown.contains("YXBp"), "{shown}");
        }
        assert_eq!(ClientAuth::bearer("a\r\nb").header(), Err(ConfigErrorKind::ClientAuthInvalid));
    }

    proptest! {
        #[test]
        fn nothing_breaks_out_of_its_place_in_the_form(text in any::<String>()) {
            let encoded = form_encoded(&text);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*-._+%".contains(&byte)));
            let back: Vec<u8> = {
                let mut rest = encoded.bytes();
                std::iter::from_fn(|| match rest.next()? {
                    b'+' => Some(b' '),
                    b'%' => {
                        let hex = [rest.next()?, rest.next()?];
                        u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()
                    }
                    plain => Some(plain),
                })
                .collect()
            };
            prop_assert_eq!(back, text.as_bytes());
        }
    }
}
