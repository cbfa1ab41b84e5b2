//! The challenge of a refusal, [RFC 6750 §3](https://www.rfc-editor.org/rfc/rfc6750#section-3) and
//! [RFC 9449 §7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1), in the syntax of
//! [RFC 9110 §11.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1).

use http::HeaderValue;

use super::dpop::{BearerTokens, Dpop};
use crate::core::header::quote;

/// What every challenge of one layer says.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProtectionSpace {
    pub(super) realm: Option<Box<str>>,
    /// Where the metadata of [RFC 9728 §5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1) are.
    pub(super) resource_metadata: Option<Box<str>>,
    /// Who checks proofs of possession, where they are taken.
    pub(super) dpop: Option<Dpop>,
}

/// The scheme of a token's presentation, or of the challenge that answers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Scheme {
    #[default]
    Bearer,
    Dpop,
}

/// One challenge for each scheme that would let the client in; the error, if there is one, is in that of its own scheme, which comes first.
/// A client that may choose is offered the stronger one first.
pub(super) fn challenges(
    space: &ProtectionSpace,
    refused: Scheme,
    error: Option<(&str, &str)>,
) -> impl Iterator<Item = HeaderValue> {
    let (first, second) = match &space.dpop {
        None => (challenge(space, error), None),
        Some(dpop) => {
            let algorithms = dpop.algorithms();
            let bearer = dpop.bearer_tokens() == BearerTokens::Taken;
            let of_dpop = |error| write("DPoP", space, error, Some(&algorithms));
            match (refused, error) {
                // Another token by the weaker scheme is no way out of it.
                (Scheme::Dpop, Some(_)) => (of_dpop(error), None),
                (Scheme::Bearer, Some(_)) if bearer => (challenge(space, error), Some(of_dpop(None))),
                (Scheme::Bearer, Some(_)) => (of_dpop(error), None),
                (_, None) => (of_dpop(None), bearer.then(|| challenge(space, None))),
            }
        }
    };
    [Some(first), second].into_iter().flatten()
}

/// `Bearer`, with the realm if there is one, and the error's code and description if the request had a token
/// (§3.1: without one it "SHOULD NOT include an error code or other error information").
pub(super) fn challenge(space: &ProtectionSpace, error: Option<(&str, &str)>) -> HeaderValue {
    write("Bearer", space, error, None)
}

/// The challenge with what the caller would have to be granted, scopes separated by spaces.
pub(super) fn with_scope(challenge: &HeaderValue, scope: &str) -> HeaderValue {
    let value = [challenge.as_bytes(), b", scope=", quote(scope).as_bytes()].concat();
    HeaderValue::try_from(value).unwrap_or_else(|_| challenge.clone())
}

fn write(scheme: &'static str, space: &ProtectionSpace, error: Option<(&str, &str)>, algorithms: Option<&str>) -> HeaderValue {
    let mut text = String::from(scheme);
    let mut separator = " ";
    let mut parameter = |name: &str, value: &str| {
        text.push_str(separator);
        text.push_str(name);
        text.push('=');
        text.push_str(&quote(value));
        separator = ", ";
    };
    if let Some(realm) = &space.realm {
        parameter("realm", realm);
    }
    if let Some((code, description)) = error {
        parameter("error", code);
        parameter("error_description", description);
    }
    if let Some(url) = &space.resource_metadata {
        parameter("resource_metadata", url);
    }
    if let Some(algorithms) = algorithms {
        parameter("algs", algorithms);
    }
    // `quote` leaves out what a field value cannot hold.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_auth::{Algorithm, Crypto, RejectionKind, TokenErrorKind};
    use proptest::prelude::*;

    fn realm(realm: Option<&str>) -> ProtectionSpace {
        ProtectionSpace { realm: realm.map(Into::into), ..ProtectionSpace::default() }
    }

    #[test]
    fn the_metadata_are_pointed_to() {
        let metadata = Some("https://api.example/.well-known/oauth-protected-resource".into());
        let space = ProtectionSpace { resource_metadata: metadata, ..realm(Some("api")) };
        assert_eq!(
            challenge(&space, None),
            r#"Bearer realm="api", resource_metadata="https://api.example/.well-known/oauth-protected-resource""#
        );
    }

    #[test]
    fn challenges() {
        let invalid = RejectionKind::InvalidToken(TokenErrorKind::SignatureInvalid);
        for (name, given, kind, expected) in [
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
            assert_eq!(challenge(&realm(given), kind.error()), expected, "{name}");
        }
    }

    #[test]
    fn challenges_by_scheme() {
        let Some(crypto) = Crypto::compiled().first() else { return };
        let dpop = || Dpop::builder("https://api.example").algorithms([Algorithm::Es256, Algorithm::EdDsa]).crypto(*crypto);
        let (both, only) = (dpop().build().unwrap(), dpop().require_dpop().build().unwrap());
        let (error, offer) = (Some(("e", "d")), r#"DPoP algs="ES256 EdDSA""#);
        let (bearer_error, dpop_error) =
            (r#"Bearer error="e", error_description="d""#, r#"DPoP error="e", error_description="d", algs="ES256 EdDSA""#);
        for (name, dpop, refused, error, expected) in [
            ("no proofs, no token", None, Scheme::Bearer, None, vec!["Bearer"]),
            ("no proofs, bad token", None, Scheme::Bearer, error, vec![bearer_error]),
            ("both, no token", Some(&both), Scheme::Bearer, None, vec![offer, "Bearer"]),
            ("both, bad bearer token", Some(&both), Scheme::Bearer, error, vec![bearer_error, offer]),
            ("both, bad proof", Some(&both), Scheme::Dpop, error, vec![dpop_error]),
            ("required, no token", Some(&only), Scheme::Bearer, None, vec![offer]),
            ("required, bearer token", Some(&only), Scheme::Bearer, error, vec![dpop_error]),
            ("required, bad proof", Some(&only), Scheme::Dpop, error, vec![dpop_error]),
        ] {
            let space = ProtectionSpace { dpop: dpop.cloned(), ..realm(None) };
            assert_eq!(super::challenges(&space, refused, error).collect::<Vec<_>>(), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_realm_breaks_out_of_its_quotes(name in any::<String>()) {
            let value = challenge(&realm(Some(&name)), None);
            let text = value.as_bytes().strip_prefix(b"Bearer realm=").unwrap();
            prop_assert!(crate::core::header::unquote(text).is_some());
        }
    }
}
