//! What must not come in, row by row.

use donjon::token_auth::{
    Algorithm, JwtVerifier, Rejection, RejectionKind, TokenAuthLayer,
    TokenErrorKind::{self, *},
    VerifyingKey,
};
use serde_json::json;

use super::{
    AUDIENCE, INVALID_TOKEN, ISSUER, NOW, SECRET, answer, bearing, challenge, clock, crypto,
    forger::{Forger, signed},
    layer,
};
use crate::support::allocations;

#[track_caller]
fn reason(parts: &http::response::Parts) -> TokenErrorKind {
    match parts.extensions.get::<Rejection>().map(Rejection::kind) {
        Some(RejectionKind::InvalidToken(reason)) => reason,
        other => panic!("not refused for its token: {other:?}"),
    }
}

/// Each is refused for its own reason, and the client cannot tell which.
async fn refused(rows: Vec<(&str, String, TokenErrorKind)>) {
    for (name, token, expected) in rows {
        let (parts, body) = answer(&layer(), bearing(&token)).await;
        assert_eq!(parts.status, 401, "{name}");
        assert_eq!(challenge(&parts.headers), INVALID_TOKEN, "{name}");
        assert_eq!(reason(&parts), expected, "{name}");
        assert!(body.contains(r#""detail":"The access token is invalid""#) && !body.contains(&token), "{name}: {body}");
    }
}

#[tokio::test]
async fn malformed_tokens() {
    let good = Forger::good().sign();
    let (head, signature) = good.rsplit_once('.').unwrap();
    refused(vec![
        ("one word", "x".into(), Malformed),
        ("an encrypted token", "a.b.c.d.e".into(), Malformed),
        ("four segments", format!("{good}.x"), Malformed),
        ("padding", format!("{good}="), Malformed),
        ("header not base64url", format!("+{good}"), Malformed),
        ("header not JSON", signed("alg", "{}", &SECRET), Malformed),
        ("header an array", signed("[]", "{}", &SECRET), Malformed),
        ("claims not JSON", signed(r#"{"alg":"HS256"}"#, "x", &SECRET), ClaimsMalformed),
        ("claims an array", signed(r#"{"alg":"HS256"}"#, "[]", &SECRET), ClaimsMalformed),
        ("claims nested too deeply", nested(17), ClaimsMalformed),
        ("no signature", format!("{head}."), SignatureInvalid),
        ("half a signature", format!("{head}.{}", &signature[..20]), SignatureInvalid),
        ("a second spelling of the signature", second_spelling(&good), Malformed),
    ])
    .await;
}

fn nested(depth: usize) -> String {
    let claims = Forger::good().claims_text();
    let deep = format!("{},\"x\":{}{}}}", claims.trim_end_matches('}'), "[".repeat(depth), "]".repeat(depth));
    signed(r#"{"alg":"HS256"}"#, &deep, &SECRET)
}

/// The last character of 32 bytes in base64 has two bits that mean nothing.
fn second_spelling(token: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = ALPHABET.iter().position(|byte| *byte == token.as_bytes()[token.len() - 1]).unwrap();
    format!("{}{}", &token[..token.len() - 1], char::from(ALPHABET[last + 1]))
}

#[tokio::test]
async fn unsigned_and_wrongly_signed_tokens() {
    let unsigned = Forger::good().header("alg", "none").with_signature(b"");
    refused(vec![
        ("none", unsigned, AlgorithmNotAllowed),
        ("none by case", Forger::good().header("alg", "NonE").sign(), AlgorithmNotAllowed),
        ("none, but signed", Forger::good().header("alg", "none").sign(), AlgorithmNotAllowed),
        ("no alg", Forger::good().without("alg").sign(), Malformed),
        ("another secret", Forger::good().sign_with(&[7; 32]), SignatureInvalid),
        ("an empty secret", Forger::good().sign_with(b""), SignatureInvalid),
        ("a signature of zeros", Forger::good().with_signature(&[0; 32]), SignatureInvalid),
        ("changed claims", changed_claims(), SignatureInvalid),
        ("another HMAC", Forger::good().header("alg", "HS512").sign(), AlgorithmNotAllowed),
        ("an asymmetric algorithm", Forger::good().header("alg", "RS256").sign(), AlgorithmNotAllowed),
    ])
    .await;
}

fn changed_claims() -> String {
    let good = Forger::good().sign();
    let (_, signature) = good.rsplit_once('.').unwrap();
    let other = Forger::good().claim("sub", "admin").sign();
    format!("{}.{signature}", other.rsplit_once('.').unwrap().0)
}

#[tokio::test]
async fn headers_that_would_change_the_meaning() {
    let jwk = json!({ "kty": "oct", "k": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc" });
    let duplicate = Forger::good().header_text().replacen('{', r#"{"alg":"none","#, 1);
    refused(vec![
        ("crit", Forger::good().header("crit", json!(["exp"])).sign(), HeaderNotAllowed),
        ("empty crit", Forger::good().header("crit", json!([])).sign(), HeaderNotAllowed),
        ("b64 false", Forger::good().header("b64", false).sign(), HeaderNotAllowed),
        ("enc", Forger::good().header("enc", "A256GCM").sign(), HeaderNotAllowed),
        ("logout token", Forger::good().header("typ", "logout+jwt").sign(), WrongType),
        ("proof of possession", Forger::good().header("typ", "dpop+jwt").sign(), WrongType),
        ("embedded key", Forger::good().header("jwk", jwk.clone()).without("kid").sign_with(&[7; 32]), SignatureInvalid),
        ("key by URL", Forger::good().header("jku", "http://localhost/").sign_with(&[7; 32]), SignatureInvalid),
        ("duplicate alg", signed(&duplicate, &Forger::good().claims_text(), &SECRET), Malformed),
    ])
    .await;
}

#[tokio::test]
async fn key_ids_are_only_compared() {
    let rows = ["k2", "", "../../etc/passwd", "' OR 1=1 --", "a\r\nb", "\u{0}"];
    refused(rows.iter().map(|kid| (*kid, Forger::good().header("kid", *kid).sign(), KeyUnknown)).collect()).await;
    refused(vec![("of another type", Forger::good().header("kid", 1).sign(), Malformed)]).await;
    assert_eq!(answer(&layer(), bearing(&Forger::good().without("kid").sign())).await.0.status, 200);
}

#[tokio::test]
async fn claims_of_somebody_or_something_else() {
    let duplicate = Forger::good().claims_text().replacen('{', r#"{"sub":"admin","#, 1);
    refused(vec![
        ("another issuer", Forger::good().claim("iss", "https://issuer.example/").sign(), WrongIssuer),
        ("no issuer", Forger::good().without("iss").sign(), ClaimMissing),
        ("issuer a number", Forger::good().claim("iss", 123).sign(), ClaimsMalformed),
        ("issuer an array with the good one", Forger::good().claim("iss", json!([ISSUER])).sign(), ClaimsMalformed),
        ("another audience", Forger::good().claim("aud", "https://other.example").sign(), WrongAudience),
        ("no audience", Forger::good().without("aud").sign(), ClaimMissing),
        ("neither", Forger::good().without("aud").without("iss").sign(), ClaimMissing),
        ("audience a number", Forger::good().claim("aud", 42).sign(), ClaimsMalformed),
        ("audience an object", Forger::good().claim("aud", json!({})).sign(), ClaimsMalformed),
        ("an audience a number", Forger::good().claim("aud", json!([AUDIENCE, 42])).sign(), ClaimsMalformed),
        ("no audience in the list", Forger::good().claim("aud", json!([])).sign(), WrongAudience),
        ("subject a number", Forger::good().claim("sub", 1).sign(), ClaimsMalformed),
        ("scope an object", Forger::good().claim("scope", json!({"admin": true})).sign(), ClaimsMalformed),
        ("duplicate claim", signed(&Forger::good().header_text(), &duplicate, &SECRET), ClaimsMalformed),
    ])
    .await;
    let listed = Forger::good().claim("aud", json!(["x", AUDIENCE])).sign();
    assert_eq!(answer(&layer(), bearing(&listed)).await.0.status, 200);
}

#[tokio::test]
async fn claims_of_another_time() {
    refused(vec![
        ("no exp", Forger::good().without("exp").sign(), ClaimMissing),
        ("exp a text", Forger::good().claim("exp", (NOW + 60).to_string()).sign(), ClaimsMalformed),
        ("exp an array", Forger::good().claim("exp", json!([NOW + 60])).sign(), ClaimsMalformed),
        ("exp null", Forger::good().claim("exp", json!(null)).sign(), ClaimsMalformed),
        ("nbf a text", Forger::good().claim("nbf", "0").sign(), ClaimsMalformed),
        ("not yet valid", Forger::good().claim("nbf", NOW + 1).sign(), NotYetValid),
        ("issued in the future", Forger::good().claim("iat", NOW + 1).sign(), NotYetValid),
    ])
    .await;
}

#[tokio::test]
async fn an_expired_token_is_refused_at_the_very_second_and_told_so() {
    let clock = clock();
    let layer = TokenAuthLayer::new(super::verifier_with(clock.clone()));
    let token = Forger::good().sign();
    clock.set(super::at(NOW + 59));
    assert_eq!(answer(&layer, bearing(&token)).await.0.status, 200);
    clock.set(super::at(NOW + 60));
    let (parts, _) = answer(&layer, bearing(&token)).await;
    assert_eq!(challenge(&parts.headers), r#"Bearer error="invalid_token", error_description="The access token expired""#);
    // Only who holds a real token hears of it.
    let (parts, _) = answer(&layer, bearing(&Forger::good().sign_with(&[7; 32]))).await;
    assert_eq!(challenge(&parts.headers), INVALID_TOKEN);
}

/// A public key must not pass for a secret.
#[tokio::test]
async fn a_public_key_is_no_secret() {
    let path = format!("{}/tests/keys/test-only-rsa2048-public.pem", env!("CARGO_MANIFEST_DIR"));
    let pem = std::fs::read_to_string(path).unwrap();
    let key = VerifyingKey::from_pem(Algorithm::Rs256, &pem).unwrap();
    let verifier = JwtVerifier::builder(key).audience(AUDIENCE).clock(clock()).crypto(crypto()).build().unwrap();
    let layer = TokenAuthLayer::new(verifier);
    for (name, secret) in [("the file", pem.as_bytes()), ("without its last line end", pem.trim_end().as_bytes())] {
        let (parts, _) = answer(&layer, bearing(&Forger::good().sign_with(secret))).await;
        assert_eq!((parts.status.as_u16(), reason(&parts)), (401, AlgorithmNotAllowed), "{name}");
        let (parts, _) = answer(&layer, bearing(&Forger::good().header("alg", "RS256").sign_with(secret))).await;
        assert_eq!((parts.status.as_u16(), reason(&parts)), (401, SignatureInvalid), "{name}");
    }
}

/// ECDSA with r and s of zero verified with any message in some libraries.
#[tokio::test]
async fn psychic_signatures() {
    let path = format!("{}/tests/keys/test-only-p256-public.pem", env!("CARGO_MANIFEST_DIR"));
    let key = VerifyingKey::from_pem(Algorithm::Es256, &std::fs::read_to_string(path).unwrap()).unwrap();
    let verifier = JwtVerifier::builder(key).audience(AUDIENCE).clock(clock()).crypto(crypto()).build().unwrap();
    for (name, signature) in [("zeros", vec![0; 64]), ("nothing", vec![]), ("ones", vec![1; 64]), ("too long", vec![0; 65])] {
        let token = Forger::good().header("alg", "ES256").with_signature(&signature);
        let (parts, _) = answer(&TokenAuthLayer::new(verifier.clone()), bearing(&token)).await;
        assert_eq!(reason(&parts), SignatureInvalid, "{name}");
    }
}

#[tokio::test]
async fn a_megabyte_is_refused_without_a_look() {
    for (name, filling) in [("dots", "."), ("letters", "a")] {
        let (parts, _) = answer(&layer(), bearing(&filling.repeat(1 << 20))).await;
        assert_eq!((parts.status.as_u16(), reason(&parts)), (401, Oversized), "{name}");
    }
}

#[test]
fn a_megabyte_takes_no_memory() {
    use donjon::token_auth::{Verdict, VerifyToken as _};
    let verifier = super::verifier_with(clock());
    let token = ".".repeat(1 << 20);
    let (count, verdict) = allocations(|| verifier.verify(&token));
    assert!(matches!(verdict, Verdict::Now(Err(error)) if error.kind() == Oversized));
    assert_eq!(count, 0);
}
