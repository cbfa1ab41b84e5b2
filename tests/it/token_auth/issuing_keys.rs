//! The issuer's keys: how they change, and how they are published.

use std::time::Duration;

use donjon::{
    ManualClock, Problem,
    token_auth::{
        Algorithm, ConfigErrorKind, Grant, IssueErrorKind, JwksService, JwtVerifier, KeySet, SigningKey, TokenErrorKind,
        TokenIssuer, TokenIssuerBuilder, VerifyingKey,
    },
};
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{
    ASYMMETRIC, AUDIENCE, ISSUER, NOW, SECRET, at, clock, crypto,
    issuing::{pem, verdict},
};
use crate::support::{empty, get, whole};

fn public_key(algorithm: Algorithm, name: &str) -> SigningKey {
    SigningKey::from_pem(algorithm, &pem(&format!("{name}-private"))).unwrap()
}

fn ed25519(kid: &str) -> SigningKey {
    public_key(Algorithm::EdDsa, "ed25519").with_kid(kid)
}

fn builder(key: SigningKey, clock: &ManualClock) -> TokenIssuerBuilder {
    TokenIssuer::builder(key).issuer(ISSUER).audience(AUDIENCE).clock(clock.clone()).crypto(crypto())
}

fn issue(issuer: &TokenIssuer) -> String {
    issuer.issue(&Grant::new("alice")).unwrap().access_token().to_owned()
}

fn header(token: &str) -> Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let (header, _) = token.split_once('.').unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

fn published(issuer: &TokenIssuer) -> Vec<String> {
    let document: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    document["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Somebody else's verifier, which fetched the published keys just now.
fn elsewhere(issuer: &TokenIssuer, clock: &ManualClock) -> JwtVerifier {
    let keys = KeySet::from_jwks(&issuer.jwks()).unwrap();
    let builder = JwtVerifier::builder(keys).issuer(ISSUER).audience(AUDIENCE).clock(clock.clone());
    builder.leeway(Duration::ZERO).crypto(crypto()).build().unwrap()
}

#[test]
fn what_is_published_verifies_what_is_signed() {
    for (algorithm, name) in ASYMMETRIC {
        let clock = clock();
        let issuer = builder(public_key(algorithm, name), &clock).build().unwrap();
        let token = issue(&issuer);
        assert!(verdict(&elsewhere(&issuer, &clock), &token).is_ok(), "{algorithm}");

        let document: Value = serde_json::from_str(&issuer.jwks()).unwrap();
        let key = document["keys"][0].as_object().unwrap();
        assert_eq!((&key["use"], &key["alg"]), (&json!("sig"), &json!(algorithm.as_str())));
        assert_eq!(header(&token), json!({ "alg": algorithm.as_str(), "typ": "JWT", "kid": key["kid"] }), "{algorithm}");
        let mut members: Vec<&str> = key.keys().map(String::as_str).collect();
        members.sort_unstable();
        let expected = match name {
            "rsa2048" => vec!["alg", "e", "kid", "kty", "n", "use"],
            "ed25519" => vec!["alg", "crv", "kid", "kty", "use", "x"],
            _ => vec!["alg", "crv", "kid", "kty", "use", "x", "y"],
        };
        assert_eq!(members, expected, "{algorithm}: nothing private, nothing else");
    }
}

/// The key of [RFC 8037 appendix A.1](https://www.rfc-editor.org/rfc/rfc8037#appendix-A.1), its public half and its thumbprint.
#[test]
fn a_key_without_a_name_is_named_by_its_thumbprint() {
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    let issuer = builder(SigningKey::from_pem(Algorithm::EdDsa, PEM).unwrap(), &clock()).build().unwrap();
    let document: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    assert_eq!(
        document,
        json!({ "keys": [{
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "use": "sig", "alg": "EdDSA", "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        }] })
    );
    assert_eq!(header(&issue(&issuer))["kid"], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn a_new_key_is_another_each_time() {
    let issuer = || builder(SigningKey::generate_ed25519().unwrap(), &clock()).build().unwrap();
    let (one, other) = (issuer(), issuer());
    assert_ne!(published(&one), published(&other));
    assert!(verdict(&one.verifier().build().unwrap(), &issue(&one)).is_ok());
    assert_eq!(verdict(&one.verifier().build().unwrap(), &issue(&other)).unwrap_err().kind(), TokenErrorKind::KeyUnknown);
}

#[test]
fn a_secret_is_never_published() {
    for kid in [None, Some("k1")] {
        let key = SigningKey::from_secret(Algorithm::Hs256, &SECRET).unwrap();
        let key = kid.into_iter().fold(key, SigningKey::with_kid);
        let issuer = builder(key, &clock()).build().unwrap();
        assert_eq!(issuer.jwks(), r#"{"keys":[]}"#);
        assert_eq!(header(&issue(&issuer)).get("kid").and_then(Value::as_str), kid);
    }
}

#[test]
fn a_key_changes_without_anybody_noticing() {
    let clock = clock();
    let issuer = builder(ed25519("old"), &clock).lifetime(Duration::from_secs(900)).build().unwrap();
    let verifier = issuer.verifier().build().unwrap();
    let before = elsewhere(&issuer, &clock);

    let signs_from = issuer.rotate(public_key(Algorithm::Es256, "p256").with_kid("new")).unwrap();
    assert_eq!(signs_from, at(NOW + 600), "twice the time for which the published keys may be kept");
    assert_eq!(published(&issuer), ["old", "new"]);
    let early = issue(&issuer);
    assert_eq!(header(&early)["kid"], "old");
    assert!(verdict(&before, &early).is_ok(), "who has only seen the old keys verifies on");

    clock.set(at(NOW + 599));
    let last = issue(&issuer);
    assert_eq!(header(&last)["kid"], "old");
    let seen = elsewhere(&issuer, &clock);
    clock.set(at(NOW + 600));
    let first = issue(&issuer);
    assert_eq!((header(&first)["kid"].as_str(), header(&first)["alg"].as_str()), (Some("new"), Some("ES256")));
    for (name, token) in [("early", &early), ("last", &last), ("first", &first)] {
        assert!(verdict(&verifier, token).is_ok(), "here: {name}");
        assert!(verdict(&seen, token).is_ok(), "elsewhere: {name}");
    }

    clock.set(at(NOW + 599 + 899));
    assert!(verdict(&verifier, &last).is_ok(), "the old key stays for as long as its tokens live");
    clock.set(at(NOW + 600 + 900 + 300 - 1));
    assert_eq!(published(&issuer), ["old", "new"], "and as long as a verifier with leeway takes them");
    clock.set(at(NOW + 600 + 900 + 300));
    assert_eq!(published(&issuer), ["new"]);
    assert!(verdict(&verifier, &issue(&issuer)).is_ok());
}

#[test]
fn keys_and_their_times_may_be_told_at_the_start() {
    let clock = clock();
    let issuer = || {
        let builder = builder(ed25519("2026"), &clock);
        builder.next_key(ed25519("2028"), at(NOW + 2_000)).next_key(ed25519("2027"), at(NOW - 10)).build().unwrap()
    };
    let (one, other) = (issuer(), issuer());
    for (now, signs) in [(NOW, "2027"), (NOW + 1_999, "2027"), (NOW + 2_000, "2028")] {
        clock.set(at(now));
        assert_eq!(header(&issue(&one))["kid"], signs);
        assert!(verdict(&other.verifier().build().unwrap(), &issue(&one)).is_ok(), "processes stay in step");
    }
}

#[test]
fn a_stolen_key_is_withdrawn_by_the_next_request() {
    let clock = clock();
    let issuer = builder(ed25519("stolen"), &clock).build().unwrap();
    let verifier = issuer.verifier().build().unwrap();
    let token = issue(&issuer);
    assert!(verdict(&verifier, &token).is_ok());
    assert!(verdict(&verifier, &token).is_ok(), "remembered");

    issuer.rotate_at(public_key(Algorithm::Es256, "p256").with_kid("new"), at(0)).unwrap();
    issuer.withdraw("stolen").unwrap();
    assert!(verdict(&verifier, &token).is_err());
    assert_eq!(published(&issuer), ["new"]);
    assert!(verdict(&verifier, &issue(&issuer)).is_ok());
    assert_eq!(issuer.withdraw("new").unwrap_err().kind(), ConfigErrorKind::KeysMissing, "somebody must sign");
}

#[test]
fn a_key_that_does_not_fit_changes_nothing() {
    let clock = clock();
    let issuer = builder(ed25519("a"), &clock).build().unwrap();
    let secret = SigningKey::from_secret(Algorithm::Hs256, &SECRET).unwrap().with_kid("b");
    for (name, key, expected) in
        [("a secret", secret, ConfigErrorKind::KeysMixed), ("the same name", ed25519("a"), ConfigErrorKind::KeysAmbiguous)]
    {
        assert_eq!(issuer.rotate(key.clone()).unwrap_err().kind(), expected, "{name}");
        assert_eq!(builder(ed25519("a"), &clock).next_key(key, at(NOW)).build().unwrap_err().kind(), expected, "{name}");
        assert_eq!(published(&issuer), ["a"], "{name}");
    }
    let nameless = || SigningKey::from_secret(Algorithm::Hs256, &SECRET).unwrap();
    let issuer = builder(nameless(), &clock).build().unwrap();
    assert_eq!(issuer.rotate(nameless().with_kid("b")).unwrap_err().kind(), ConfigErrorKind::KidMissing);
}

/// [RFC 9068 §2](https://www.rfc-editor.org/rfc/rfc9068#section-2).
#[test]
fn the_access_token_profile() {
    let clock = clock();
    let issuer = builder(ed25519("a"), &clock).access_token_profile("web").build().unwrap();
    let verifier = issuer.verifier().build().unwrap();
    let token = issue(&issuer);
    assert_eq!(header(&token)["typ"], "at+jwt");
    let client = |token: &str| {
        let principal = verdict(&verifier, token).unwrap();
        let claims = principal.claims::<donjon::token_auth::RawClaims>().unwrap().as_str().to_owned();
        let claims: Value = serde_json::from_str(&claims).unwrap();
        for required in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
            assert!(claims.get(required).is_some(), "{required}");
        }
        claims["client_id"].clone()
    };
    assert_eq!(client(&token), "web");
    let error = Grant::new("alice").claims(&json!({ "client_id": "phone" })).unwrap_err();
    assert_eq!(error.kind(), IssueErrorKind::ClaimReserved, "a grant names no other client");

    let plain = builder(ed25519("a"), &clock).build().unwrap();
    assert_eq!(verdict(&verifier, &issue(&plain)).unwrap_err().kind(), TokenErrorKind::WrongType);
}

#[test]
fn the_issuer_is_required_of_whoever_uses_its_keys() {
    let clock = clock();
    let issuer = builder(ed25519("a"), &clock).build().unwrap();
    let other = builder(ed25519("a"), &clock).issuer("https://other.example").build().unwrap();
    let builder = || JwtVerifier::builder(issuer.keys()).audience(AUDIENCE).clock(clock.clone()).crypto(crypto());
    let verifier = builder().build().unwrap();
    assert!(verdict(&verifier, &issue(&issuer)).is_ok());
    assert_eq!(verdict(&verifier, &issue(&other)).unwrap_err().kind(), TokenErrorKind::WrongIssuer);
    let mismatch = builder().issuer("https://other.example").build().unwrap_err();
    assert_eq!(mismatch.kind(), ConfigErrorKind::IssuerMismatch);
    assert_eq!(issuer.key_set().iter().map(VerifyingKey::kid).collect::<Vec<_>>(), [Some("a")]);
}

#[tokio::test]
async fn the_published_keys_are_served() {
    let issuer = builder(ed25519("a"), &clock()).jwks_max_age(Duration::from_secs(60)).build().unwrap();
    let service = JwksService::new(issuer.clone());
    let (parts, body) = whole(service.clone().oneshot(empty(get("/.well-known/jwks.json"))).await.unwrap()).await;
    assert_eq!(parts.status, 200);
    assert_eq!(parts.headers["content-type"], "application/jwk-set+json");
    assert_eq!(parts.headers["cache-control"], "public, max-age=60");
    assert_eq!(body, issuer.jwks().as_bytes());

    let head = Request::head("/.well-known/jwks.json");
    let (parts, body) = whole(service.clone().oneshot(empty(head)).await.unwrap()).await;
    assert_eq!((parts.status.as_u16(), body.len()), (200, 0));
    assert_eq!(parts.headers["content-length"], issuer.jwks().len().to_string());

    let (parts, _) = whole(service.oneshot(empty(Request::post("/.well-known/jwks.json"))).await.unwrap()).await;
    assert_eq!((parts.status.as_u16(), parts.headers["allow"].to_str().unwrap()), (405, "GET, HEAD"));
    assert!(parts.extensions.get::<Problem>().is_some());
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn the_published_keys_are_a_route_in_axum() {
    let issuer = builder(ed25519("a"), &clock()).build().unwrap();
    let app = axum::Router::<()>::new().route_service("/.well-known/jwks.json", JwksService::new(issuer.clone()));
    let request = get("/.well-known/jwks.json").body(axum::body::Body::empty()).unwrap();
    let (parts, body) = whole(app.oneshot(request).await.unwrap()).await;
    assert_eq!((parts.status.as_u16(), body), (200, issuer.jwks().into()));
}
