//! The metadata of an issuer: [OpenID Connect Discovery 1.0](https://openid.net/specs/openid-connect-discovery-1_0.html) and
//! [RFC 8414](https://www.rfc-editor.org/rfc/rfc8414), of which only the way to the keys is read.

use http::Uri;

use super::error::{RemoteError, RemoteErrorKind};
use crate::token_auth::{
    jwt::json::{self, Json},
    url::{self, Transport},
};

/// Where the metadata may be, in the order in which they are looked for.
pub(super) fn places(issuer: &Uri) -> [String; 2] {
    [
        url::well_known_after_path(issuer, "openid-configuration"),
        url::well_known_before_path(issuer, "oauth-authorization-server"),
    ]
}

/// Reads `jwks_uri`, after seeing that the document is `issuer`'s: compared character by character
/// ([RFC 8414 §3.3](https://www.rfc-editor.org/rfc/rfc8414#section-3.3)), since whoever may write any document on some host must not
/// pass for another issuer.
pub(in crate::token_auth) fn jwks_uri(document: &[u8], issuer: &str, transport: Transport) -> Result<Uri, RemoteError> {
    let text = std::str::from_utf8(document).map_err(|_| RemoteErrorKind::Malformed)?;
    let members = json::object(text).map_err(|_| RemoteErrorKind::Malformed)?;
    match members.get("issuer") {
        Some(Json::Text(named)) if named == issuer => {}
        Some(Json::Text(_)) => return Err(RemoteErrorKind::IssuerMismatch.into()),
        _ => return Err(RemoteErrorKind::Malformed.into()),
    }
    match members.get("jwks_uri") {
        Some(Json::Text(text)) => url::read(text, transport).map_err(|_| RemoteErrorKind::UrlNotAllowed.into()),
        _ => Err(RemoteErrorKind::Malformed.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ISSUER: &str = "https://login.example/tenant";

    fn read(document: &str) -> Result<String, RemoteErrorKind> {
        jwks_uri(document.as_bytes(), ISSUER, Transport::Https).map(|uri| uri.to_string()).map_err(|error| error.kind())
    }

    #[test]
    fn both_places_in_order() {
        assert_eq!(
            places(&ISSUER.parse().unwrap()),
            [
                "https://login.example/tenant/.well-known/openid-configuration",
                "https://login.example/.well-known/oauth-authorization-server/tenant"
            ]
        );
    }

    #[test]
    fn documents() {
        use RemoteErrorKind::{IssuerMismatch, Malformed, UrlNotAllowed};
        let with = |issuer: &str, rest: &str| format!(r#"{{"issuer":"{issuer}"{rest}}}"#);
        for (name, document, expected) in [
            ("good", with(ISSUER, r#","jwks_uri":"https://keys.example/jwks","x":[1]"#), Ok("https://keys.example/jwks")),
            ("another issuer", with("https://evil.example", r#","jwks_uri":"https://keys.example/jwks""#), Err(IssuerMismatch)),
            ("a slash more", with("https://login.example/tenant/", r#","jwks_uri":"https://k/""#), Err(IssuerMismatch)),
            ("by case", with("https://LOGIN.example/tenant", r#","jwks_uri":"https://k/""#), Err(IssuerMismatch)),
            ("no issuer", r#"{"jwks_uri":"https://k/"}"#.into(), Err(Malformed)),
            ("issuer an array", format!(r#"{{"issuer":["{ISSUER}"],"jwks_uri":"https://k/"}}"#), Err(Malformed)),
            ("two issuers", with(ISSUER, &format!(r#","issuer":"{ISSUER}","jwks_uri":"https://k/""#)), Err(Malformed)),
            ("no keys", with(ISSUER, ""), Err(Malformed)),
            ("keys a number", with(ISSUER, r#","jwks_uri":1"#), Err(Malformed)),
            ("keys over http", with(ISSUER, r#","jwks_uri":"http://keys.example/""#), Err(UrlNotAllowed)),
            ("keys in a file", with(ISSUER, r#","jwks_uri":"file:///etc/passwd""#), Err(UrlNotAllowed)),
            ("keys relative", with(ISSUER, r#","jwks_uri":"/jwks""#), Err(UrlNotAllowed)),
            ("a page", "<html>".into(), Err(Malformed)),
        ] {
            assert_eq!(read(&document), expected.map(str::to_owned), "{name}");
        }
        assert_eq!(jwks_uri(b"{\"issuer\":\"\xff\"}", ISSUER, Transport::Https).unwrap_err().kind(), Malformed);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(document in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(jwks_uri(&document, ISSUER, Transport::Https).is_err());
        }
    }
}
