//! The issuer, by its own verifier and by vectors that others made.

use std::time::Duration;

use donjon::{
    Principal,
    token_auth::{
        Algorithm, ConfigErrorKind, Credentials, Grant, IssueErrorKind, JwtVerifier, KeySet, LoginError, LoginErrorKind,
        SigningKey, TokenError, TokenErrorKind, TokenIssuer, Verdict, VerifyToken as _, VerifyingKey,
    },
};
use serde_json::{Value, json};

use super::{ASYMMETRIC, AUDIENCE, ISSUER, NOW, SECRET, at, clock, crypto};

pub(crate) fn pem(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/keys/test-only-{name}.pem", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn secret_key() -> SigningKey {
    SigningKey::from_secret(Algorithm::Hs256, &SECRET).unwrap()
}

fn issuer(key: SigningKey) -> TokenIssuer {
    TokenIssuer::builder(key).issuer(ISSUER).audience(AUDIENCE).clock(clock()).crypto(crypto()).build().unwrap()
}

#[track_caller]
pub(crate) fn verdict(verifier: &JwtVerifier, token: &str) -> Result<Principal, TokenError> {
    match verifier.verify(token) {
        Verdict::Now(verdict) => verdict,
        Verdict::Later(_) => panic!("static keys answer at once"),
    }
}

#[test]
fn every_algorithm_signs_what_its_public_half_verifies() {
    let mut keys = vec![
        secret_key(),
        SigningKey::from_secret(Algorithm::Hs384, &[7; 48]).unwrap(),
        SigningKey::from_secret(Algorithm::Hs512, &[7; 64]).unwrap(),
        SigningKey::from_pem(Algorithm::Rs256, &pem("rsa2048-pkcs1-private")).unwrap(),
    ];
    for (algorithm, name) in ASYMMETRIC {
        let key = SigningKey::from_pem(algorithm, &pem(&format!("{name}-private"))).unwrap();
        let issuer = issuer(key.clone());
        let token = issuer.issue(&Grant::new("alice")).unwrap();
        let public = VerifyingKey::from_pem(algorithm, &pem(&format!("{name}-public"))).unwrap();
        let verifier = JwtVerifier::builder(public).audience(AUDIENCE).clock(clock()).crypto(crypto()).build().unwrap();
        assert_eq!(verdict(&verifier, token.access_token()).unwrap().subject(), Some("alice"), "{algorithm}");
        keys.push(key);
    }
    for key in keys {
        let algorithm = key.algorithm();
        let issuer = issuer(key.with_kid("k1"));
        let token = issuer.issue(&Grant::new("alice")).unwrap();
        let verifier = issuer.verifier().build().unwrap();
        assert!(verdict(&verifier, token.access_token()).is_ok(), "{algorithm}");
        let (head, _) = token.access_token().rsplit_once('.').unwrap();
        assert!(verdict(&verifier, &format!("{head}.AAAA")).is_err(), "{algorithm}");
    }
}

#[test]
fn a_token_says_what_was_granted_and_all_that_is_registered() {
    let issuer = issuer(secret_key());
    let grant = Grant::new("alice").scopes(["a", "b"]).claims(&json!({ "tenant": 7 })).unwrap();
    let token = issuer.issue(&grant).unwrap();
    let principal = verdict(&issuer.verifier().build().unwrap(), token.access_token()).unwrap();
    let claims = principal.claims::<donjon::token_auth::RawClaims>().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(claims.as_str()).unwrap(),
        json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": NOW, "nbf": NOW, "exp": NOW + 900,
            "jti": token.id(), "scope": "a b", "tenant": 7,
        })
    );
    assert_eq!(principal.expires_at(), Some(at(NOW + 900)));
    assert_ne!(issuer.issue(&grant).unwrap().id(), token.id());
    assert_eq!(
        serde_json::to_value(&token).unwrap(),
        json!({ "access_token": token.access_token(), "token_type": "Bearer", "expires_in": 900, "scope": "a b" })
    );
}

#[test]
fn a_scope_that_is_none_is_not_issued() {
    for scope in ["", "a b", "\"", "ä"] {
        let error = issuer(secret_key()).issue(&Grant::new("alice").scopes([scope])).unwrap_err();
        assert_eq!(error.kind(), IssueErrorKind::ScopeInvalid, "{scope:?}");
    }
}

#[tokio::test]
async fn logging_in() {
    let users = |credentials: Credentials| async move {
        match (credentials.username(), credentials.password()) {
            ("demo", "demo") => Ok(Grant::new("1")),
            ("down", _) => Err(LoginError::unavailable("connection refused by 10.0.0.7")),
            _ => Err(LoginError::wrong_credentials()),
        }
    };
    let issuer = issuer(secret_key());
    let token = issuer.login(&users, Credentials::new("demo", "demo")).await.unwrap();
    assert!(verdict(&issuer.verifier().build().unwrap(), token.access_token()).is_ok());

    let wrong = issuer.login(&users, Credentials::new("demo", "x")).await.unwrap_err();
    let unknown = issuer.login(&users, Credentials::new("x", "demo")).await.unwrap_err();
    assert_eq!(wrong.to_problem().to_json(), unknown.to_problem().to_json());
    let response = wrong.into_http_response::<()>();
    assert_eq!((response.status().as_u16(), super::challenge(response.headers())), (401, "Bearer"));

    let down = issuer.login(&users, Credentials::new("down", "x")).await.unwrap_err();
    assert_eq!(down.kind(), LoginErrorKind::Unavailable);
    assert_eq!(down.to_problem().status(), 503);
    assert!(!down.to_problem().to_json().contains("10.0.0.7") && !format!("{down:?} {down}").contains("10.0.0.7"));
}

#[test]
fn what_is_printed_holds_no_secret() {
    let shown = format!("{:?} {:?}", issuer(secret_key()), Credentials::new("hunter2", "hunter2"));
    assert!(!shown.contains("hunter2") && !shown.contains("only tests may know") && !shown.contains("97, 32"), "{shown}");
}

#[test]
fn what_is_configured_wrongly_is_not_built() {
    let verifier = || JwtVerifier::builder(VerifyingKey::from_secret(Algorithm::Hs256, &SECRET).unwrap()).crypto(crypto());
    for (name, builder, expected) in [
        ("no audience", verifier(), ConfigErrorKind::AudienceMissing),
        ("an audience and any", verifier().audience("a").dangerous_accept_any_audience(), ConfigErrorKind::AudienceAmbiguous),
        ("leeway", verifier().audience("a").leeway(Duration::from_secs(301)), ConfigErrorKind::LeewayTooLong),
        ("no keys", JwtVerifier::builder(KeySet::new()).audience("a").crypto(crypto()), ConfigErrorKind::KeysMissing),
    ] {
        assert_eq!(builder.build().unwrap_err().kind(), expected, "{name}");
    }
    let issuer = || TokenIssuer::builder(secret_key()).crypto(crypto());
    for (name, builder, expected) in [
        ("no issuer", issuer().audience("a"), ConfigErrorKind::IssuerMissing),
        ("no audience", issuer().issuer("i"), ConfigErrorKind::AudienceMissing),
        (
            "no lifetime",
            issuer().issuer("i").audience("a").lifetime(Duration::from_millis(999)),
            ConfigErrorKind::LifetimeTooShort,
        ),
    ] {
        assert_eq!(builder.build().unwrap_err().kind(), expected, "{name}");
    }
}

/// RFC 7515 appendices A.1 and A.3: the same claims, signed by others. They have expired in 2011 and are for nobody.
#[test]
fn the_vectors_of_rfc_7515() {
    const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    for (name, jwk, header, signature) in [
        (
            "A.1",
            r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#,
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ),
        (
            "A.3",
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
            "eyJhbGciOiJFUzI1NiJ9",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
    ] {
        let clock = donjon::ManualClock::at(at(1_300_819_379));
        let builder = JwtVerifier::builder(VerifyingKey::from_jwk(jwk).unwrap()).issuer("joe").dangerous_accept_any_audience();
        let verifier = builder.leeway(Duration::ZERO).clock(clock.clone()).crypto(crypto()).build().unwrap();
        let token = format!("{header}.{CLAIMS}.{signature}");
        assert_eq!(verdict(&verifier, &token).unwrap().issuer(), Some("joe"), "{name}");
        clock.advance(Duration::from_secs(1));
        assert_eq!(verdict(&verifier, &token).unwrap_err().kind(), TokenErrorKind::Expired, "{name}");
    }
}
