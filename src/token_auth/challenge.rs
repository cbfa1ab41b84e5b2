//! The challenge of a refusal, [RFC 6750 §3](https://www.rfc-editor.org/rfc/rfc6750#section-3) in the syntax of
//! [RFC 9110 §11.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1).

use http::HeaderValue;

use crate::core::header::quote;

/// `Bearer`, with the realm if there is one, and the error's code and description if the request had a token
/// (§3.1: without one it "SHOULD NOT include an error code or other error information").
pub(super) fn challenge(realm: Option<&str>, error: Option<(&str, &str)>) -> HeaderValue {
    let mut text = String::from("Bearer");
    let mut separator = " ";
    let mut parameter = |name: &str, value: &str| {
        text.push_str(separator);
        text.push_str(name);
        text.push('=');
        text.push_str(&quote(value));
        separator = ", ";
    };
    if let Some(realm) = realm {
        parameter("realm", realm);
    }
    if let Some((code, description)) = error {
        parameter("error", code);
        parameter("error_description", description);
    }
    // `quote` leaves out what a field value cannot hold.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_auth::{RejectionKind, TokenErrorKind};
    use proptest::prelude::*;

    #[test]
    fn challenges() {
        let invalid = RejectionKind::InvalidToken(TokenErrorKind::SignatureInvalid);
        for (name, realm, kind, expected) in [
            ("no token", None, RejectionKind::Missing, "Bearer"),
            ("no token, realm", Some("api"), RejectionKind::Missing, r#"Bearer realm="api""#),
            ("quotes in the realm", Some(r#"a"b\"#), RejectionKind::Missing, r#"Bearer realm="a\"b\\""#),
            ("line break in the realm", Some("a\r\nX: 1"), RejectionKind::Missing, r#"Bearer realm="aX: 1""#),
            ("bad token", None, invalid, r#"Bearer error="invalid_token", error_description="The access token is invalid""#),
            (
                "expired token, realm",
                Some("api"),
                RejectionKind::InvalidToken(TokenErrorKind::Expired),
                r#"Bearer realm="api", error="invalid_token", error_description="The access token expired""#,
            ),
            (
                "two tokens",
                None,
                RejectionKind::InvalidRequest,
                r#"Bearer error="invalid_request", error_description="The request carries more than one access token""#,
            ),
        ] {
            assert_eq!(challenge(realm, kind.error()), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_realm_breaks_out_of_its_quotes(realm in any::<String>()) {
            let value = challenge(Some(&realm), None);
            let text = value.as_bytes().strip_prefix(b"Bearer realm=").unwrap();
            prop_assert!(crate::core::header::unquote(text).is_some());
        }
    }
}
