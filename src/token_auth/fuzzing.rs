//! Entry points for fuzzing: every parser of bytes that come from outside, with what must hold of it.
#![allow(missing_docs, clippy::missing_panics_doc, reason = "not part of the interface")]

use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};

#[cfg(feature = "token-auth-remote")]
use super::remote::{discovery, introspection::answer};
use super::{
    challenge::{self, ProtectionSpace},
    confirmation::Confirmation,
    crypto::Algorithm,
    dpop::{header as proof_header, proof::ProofClaims, target},
    issuer::{RefreshFamily, refresh_token::RefreshToken},
    jwt::{
        claims::{self, Registered},
        der,
        key_set::KeySet,
        parse::{Compact, Header, MAX_LEN},
    },
    scope,
    source::{self, Found, TokenSource},
    url::{self, Transport},
};
use crate::core::header::elements_of;

pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if Compact::split(text, MAX_LEN).is_ok() {
        assert!(text.len() <= MAX_LEN && text.matches('.').count() == 2);
    }
}

pub fn token_header(data: &[u8]) {
    if Header::read(data).is_ok() {
        let json: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
        assert!(json.get("alg").is_some() && json.get("crit").is_none());
    }
}

pub fn token_claims(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(members) = claims::read(text)
        && let Ok(registered) = Registered::read(&members)
    {
        assert!(members.get("exp").is_some());
        assert!(registered.scopes().all(scope::is_scope));
    }
}

pub fn challenge(data: &[u8]) {
    let Ok(realm) = std::str::from_utf8(data) else { return };
    let space = ProtectionSpace { realm: Some(realm.into()), ..ProtectionSpace::default() };
    let challenge = challenge::with_scope(&challenge::challenge(&space, Some(("code", "what"))), "read");
    // Realm, error, description, scope: no realm ends its own quotes and adds another.
    assert_eq!(elements_of(challenge.as_bytes()).count(), 4);
}

pub fn token_source(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let sources = [TokenSource::header(), TokenSource::cookie("session"), TokenSource::websocket_subprotocol()];
    for name in [header::AUTHORIZATION, header::COOKIE, header::SEC_WEBSOCKET_PROTOCOL] {
        let headers = HeaderMap::from_iter([(name, value.clone())]);
        if let Found::Token { token, .. } = source::find(&Method::CONNECT, &Uri::default(), &headers, &sources) {
            assert!(!token.is_empty() && token.is_ascii());
        }
        let mut request = Request::new(());
        *request.method_mut() = Method::CONNECT;
        *request.headers_mut() = headers;
        source::conceal(&mut request, &sources);
        let left = request.headers().get(header::SEC_WEBSOCKET_PROTOCOL).map_or(&b""[..], HeaderValue::as_bytes);
        assert!(!left.starts_with(b"bearer."));
    }
}

pub fn token_query(data: &[u8]) {
    let Ok(uri) = Uri::try_from(data) else { return };
    let sources = [TokenSource::dangerous_query_parameter("t")];
    let mut request = Request::new(());
    *request.uri_mut() = uri.clone();
    source::conceal(&mut request, &sources);
    let stripped = request.uri();
    let found = source::find(&Method::GET, stripped, request.headers(), &sources);
    assert!(matches!(found, Found::Nothing));
    assert_eq!((stripped.scheme(), stripped.authority()), (uri.scheme(), uri.authority()));
}

pub fn proof_header(data: &[u8]) {
    const ALLOWED: &[Algorithm] = &[Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];
    if let Ok((key, _)) = proof_header::read(data, ALLOWED) {
        assert!(ALLOWED.contains(&key.algorithm()));
        let header: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
        let private = ["d", "p", "q", "k"].iter().any(|name| header.pointer(&format!("/jwk/{name}")).is_some());
        assert!(header.get("typ").is_some() && header.get("crit").is_none() && !private);
    }
}

pub fn proof_claims(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(members) = claims::read(text) else { return };
    if let Ok(proof) = ProofClaims::read(&members) {
        assert!(!proof.jti.is_empty() && !proof.htm.is_empty() && !proof.htu.is_empty());
        assert!(proof.iat >= std::time::UNIX_EPOCH);
    }
    assert_eq!(Confirmation::of(&members) == Confirmation::Bearer, members.get("cnf").is_none());
}

pub fn proof_target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(normal) = target::normalise(text) {
        assert!(target::normalise(&normal).is_some_and(|again| again == normal));
        assert!(!normal.contains(['?', '#']) && !normal.contains("/../"));
    }
    let path = target::normalise_path(text);
    assert_eq!(target::normalise_path(&path), path);
}

pub fn key_pem(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some((_, der)) = der::pem(text) {
        let (_, key) = der::public_key(&der).or_else(|| der::private_key(&der)).unzip();
        assert!(key.is_none_or(|key| key.len() < der.len()));
    }
}

pub fn key_set(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(set) = KeySet::from_jwks(text)
    {
        assert!(set.iter().len() > 0);
    }
}

#[cfg(feature = "token-auth-remote")]
pub fn issuer_metadata(data: &[u8]) {
    if let Ok(url) = discovery::jwks_uri(data, "https://issuer.example", Transport::Https) {
        assert!(url.scheme_str() == Some("https") && url.host().is_some());
    }
}

#[cfg(feature = "token-auth-remote")]
pub fn introspection_answer(data: &[u8]) {
    if let Ok(Ok(active)) = answer::read(data, &answer::Wanted::default(), std::time::UNIX_EPOCH) {
        let json: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
        assert_eq!(json.get("active"), Some(&true.into()));
        assert!(active.principal.scopes().all(scope::is_scope));
    }
}

pub fn url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(url) = url::read(text, Transport::Https) {
        assert!(url::read(&url::well_known_before_path(&url, "x"), Transport::Https).is_ok());
    }
}

pub fn refresh_token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(token) = RefreshToken::parse(text) {
        assert_eq!(token.to_text(), text);
        assert_eq!(token.session().as_str().len(), 22);
    }
}

pub fn refresh_family(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Some(family) = RefreshFamily::from_json(text)
    {
        assert_eq!(RefreshFamily::from_json(&family.to_json()), Some(family));
    }
}
