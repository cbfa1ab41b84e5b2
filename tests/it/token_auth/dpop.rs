//! Proofs of possession, RFC 9449: each check of §4.3 by its number, then what surrounds them.

mod nonces;
mod prover;
mod replays;

use std::convert::Infallible;

use axum::Router;
use bytes::Bytes;
use donjon::{
    Principal,
    token_auth::{
        Algorithm, Dpop, DpopBuilder, JwtVerifier, ProofErrorKind, Rejection, RejectionKind, TokenAuthLayer, TokenErrorKind,
    },
};
use http::{HeaderMap, Request, Response, request::Builder, response::Parts};
use http_body_util::Empty;
use serde_json::json;
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};

use self::prover::{Key, Proof, signed};
use super::{Forger, INVALID_TOKEN, NOW, answer, bearing, clock, crypto};
use crate::support::{allocations, empty, get, now};

const INVALID_PROOF: &str =
    r#"DPoP error="invalid_dpop_proof", error_description="The proof of possession is invalid", algs="ES256""#;
const INVALID_BOUND_TOKEN: &str = r#"DPoP error="invalid_token", error_description="The access token is invalid", algs="ES256""#;

fn dpop() -> DpopBuilder {
    Dpop::builder("https://api.example").algorithms([Algorithm::Es256]).crypto(crypto()).clock(clock())
}

fn layer() -> TokenAuthLayer<JwtVerifier> {
    super::layer().dpop(dpop().build().unwrap())
}

/// A token that is bound to the key.
fn token(key: &Key) -> String {
    Forger::good().claim("cnf", json!({ "jkt": key.thumbprint() })).sign()
}

fn proving(token: &str, proof: &str) -> Builder {
    get("/articles").header("authorization", format!("DPoP {token}")).header("dpop", proof)
}

fn challenges(headers: &HeaderMap) -> Vec<&str> {
    headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect()
}

#[track_caller]
fn kind(parts: &Parts) -> RejectionKind {
    parts.extensions.get::<Rejection>().expect("a refusal").kind()
}

/// Each row changes a good proof, and is refused for its own reason, which the client cannot tell.
async fn refused(rows: Vec<(&str, Proof, ProofErrorKind)>) {
    let key = Key::es256();
    for (name, proof, expected) in rows {
        let token = token(&key);
        texts_refused(vec![(name, proof.sign(&key), expected)], &token).await;
    }
}

async fn texts_refused(rows: Vec<(&str, String, ProofErrorKind)>, token: &str) {
    for (name, proof, expected) in rows {
        let (parts, body) = answer(&layer(), proving(token, &proof)).await;
        assert_eq!((parts.status.as_u16(), kind(&parts)), (401, RejectionKind::InvalidProof(expected)), "{name}");
        assert_eq!(challenges(&parts.headers), [INVALID_PROOF], "{name}");
        assert!(
            body.contains(r#""error":"invalid_dpop_proof""#) && (proof.len() < 20 || !body.contains(&proof)),
            "{name}: {body}"
        );
    }
}

fn good() -> Proof {
    let key = Key::es256();
    Proof::of(&key, &token(&key))
}

#[tokio::test]
async fn a_good_proof_lets_its_sender_in() {
    let key = Key::es256();
    let token = token(&key);
    for scheme in ["DPoP", "dpop", "DPOP"] {
        let proof = Proof::of(&key, &token).sign(&key);
        let request = get("/articles?page=2").header("authorization", format!("{scheme} {token}")).header("dpop", proof);
        let (parts, body) = answer(&layer(), request).await;
        assert_eq!((parts.status.as_u16(), body.as_str()), (200, "alice|"), "{scheme}");
        assert!(parts.extensions.get::<Principal>().is_some());
        assert!(!parts.headers.contains_key("dpop-nonce"));
    }
}

#[tokio::test]
async fn every_asymmetric_algorithm_proves() {
    use jsonwebtoken::Algorithm::{ES256, ES384, EdDSA, PS256, PS512, RS256, RS384};
    for algorithm in [ES256, ES384, EdDSA, RS256, RS384, PS256, PS512] {
        let key = Key::new(algorithm);
        let token = token(&key);
        let dpop = Dpop::builder("https://api.example").crypto(crypto()).clock(clock()).build().unwrap();
        let request = proving(&token, &Proof::of(&key, &token).sign(&key));
        assert_eq!(answer(&super::layer().dpop(dpop), request).await.0.status, 200, "{algorithm:?}");
    }
}

#[tokio::test]
async fn check_1_exactly_one_dpop_header() {
    let (key, proof) = (Key::es256(), good().sign(&Key::es256()));
    let none = get("/articles").header("authorization", format!("DPoP {}", token(&key)));
    let two = proving(&token(&key), &proof).header("dpop", &proof);
    let one_line = proving(&token(&key), &format!("{proof}, {proof}"));
    for (name, request, expected) in [
        ("none", none, ProofErrorKind::Missing),
        ("two", two, ProofErrorKind::Several),
        ("two in one line", one_line, ProofErrorKind::Malformed),
    ] {
        let (parts, _) = answer(&layer(), request).await;
        assert_eq!((parts.status.as_u16(), kind(&parts)), (401, RejectionKind::InvalidProof(expected)), "{name}");
        assert_eq!(challenges(&parts.headers), [INVALID_PROOF], "{name}");
    }
}

#[tokio::test]
async fn check_2_a_well_formed_jwt() {
    let key = Key::es256();
    let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": key.public }).to_string();
    let good = good().sign(&key);
    let rows = vec![
        ("one word", "x".to_owned(), ProofErrorKind::Malformed),
        ("empty", String::new(), ProofErrorKind::Malformed),
        ("an encrypted one", "a.b.c.d.e".to_owned(), ProofErrorKind::Malformed),
        ("header no JSON", signed("x", "{}", &key), ProofErrorKind::Malformed),
        ("claims no JSON", signed(&header, "x", &key), ProofErrorKind::Malformed),
        ("claims an array", signed(&header, "[]", &key), ProofErrorKind::Malformed),
        ("a claim twice", signed(&header, r#"{"jti":"a","jti":"b"}"#, &key), ProofErrorKind::Malformed),
        ("padding", format!("{good}="), ProofErrorKind::Malformed),
        ("too long", "a".repeat(9_000), ProofErrorKind::Oversized),
        ("only dots", ".".repeat(9_000), ProofErrorKind::Oversized),
    ];
    texts_refused(rows, &token(&key)).await;
}

#[tokio::test]
async fn check_3_all_required_claims() {
    let missing = ["jti", "htm", "htu", "iat", "ath"].map(|name| (name, good().without(name), ProofErrorKind::ClaimMissing));
    refused(missing.into()).await;
    refused(vec![
        ("empty jti", good().claim("jti", ""), ProofErrorKind::ClaimMissing),
        ("jti a number", good().claim("jti", 1), ProofErrorKind::Malformed),
        ("iat a text", good().claim("iat", NOW.to_string()), ProofErrorKind::Malformed),
        ("htm an array", good().claim("htm", json!(["GET"])), ProofErrorKind::Malformed),
    ])
    .await;
}

#[tokio::test]
async fn check_4_the_type() {
    refused(vec![
        ("none", good().without("typ"), ProofErrorKind::WrongType),
        ("JWT", good().header("typ", "JWT"), ProofErrorKind::WrongType),
        ("an access token's", good().header("typ", "at+jwt"), ProofErrorKind::WrongType),
    ])
    .await;
}

#[tokio::test]
async fn check_5_the_algorithm() {
    refused(vec![
        ("none", good().header("alg", "none"), ProofErrorKind::AlgorithmNotAllowed),
        ("symmetric", good().header("alg", "HS256"), ProofErrorKind::AlgorithmNotAllowed),
        ("not allowed here", good().header("alg", "EdDSA"), ProofErrorKind::AlgorithmNotAllowed),
        ("unknown", good().header("alg", "ES256K"), ProofErrorKind::AlgorithmNotAllowed),
        ("crit", good().header("crit", json!(["exp"])), ProofErrorKind::HeaderNotAllowed),
    ])
    .await;
}

#[tokio::test]
async fn check_6_the_signature() {
    let (key, other) = (Key::es256(), Key::new(jsonwebtoken::Algorithm::EdDSA));
    let good = good().sign(&key);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let changed = self::good().claim("htu", "https://api.example/other").sign(&key);
    let rows = vec![
        ("another key's", self::good().sign(&other), ProofErrorKind::SignatureInvalid),
        ("none", format!("{message}."), ProofErrorKind::SignatureInvalid),
        ("of other claims", format!("{}.{signature}", changed.rsplit_once('.').unwrap().0), ProofErrorKind::SignatureInvalid),
        ("zeros", format!("{message}.{}", "A".repeat(86)), ProofErrorKind::SignatureInvalid),
    ];
    texts_refused(rows, &token(&key)).await;
}

#[tokio::test]
async fn check_7_no_private_key() {
    let mut private = Key::es256().public;
    private["d"] = "AAAA".into();
    refused(vec![
        ("private", good().header("jwk", private), ProofErrorKind::KeyPrivate),
        ("secret", good().header("jwk", json!({ "kty": "oct", "k": "AAAA" })), ProofErrorKind::KeyPrivate),
        ("none", good().without("jwk"), ProofErrorKind::KeyNotAllowed),
        ("by URL", good().without("jwk").header("jku", "http://localhost/"), ProofErrorKind::KeyNotAllowed),
    ])
    .await;
}

#[tokio::test]
async fn check_8_the_method() {
    refused(vec![
        ("another", good().claim("htm", "POST"), ProofErrorKind::WrongMethod),
        ("by case", good().claim("htm", "get"), ProofErrorKind::WrongMethod),
    ])
    .await;
}

#[tokio::test]
async fn check_9_the_uri() {
    refused(vec![
        ("another path", good().claim("htu", "https://api.example/users"), ProofErrorKind::WrongUri),
        ("another host", good().claim("htu", "https://other.example/articles"), ProofErrorKind::WrongUri),
        ("another scheme", good().claim("htu", "http://api.example/articles"), ProofErrorKind::WrongUri),
        ("another port", good().claim("htu", "https://api.example:8443/articles"), ProofErrorKind::WrongUri),
        ("user information", good().claim("htu", "https://api.example@evil.example/articles"), ProofErrorKind::WrongUri),
        ("relative", good().claim("htu", "/articles"), ProofErrorKind::WrongUri),
    ])
    .await;
    let key = Key::es256();
    for htu in [
        "https://api.example/articles?page=2#top",
        "HTTPS://API.example:443/articles",
        "https://api.example/%61rticles",
        "https://api.example/x/../articles",
    ] {
        let request = proving(&token(&key), &good().claim("htu", htu).sign(&key));
        assert_eq!(answer(&layer(), request).await.0.status, 200, "{htu}");
    }
}

/// What the request says of its host is the client's word, and counts for nothing.
#[tokio::test]
async fn check_9_the_host_header_counts_for_nothing() {
    let key = Key::es256();
    let evil = good().claim("htu", "https://evil.example/articles").sign(&key);
    let request = proving(&token(&key), &evil).header("host", "evil.example").header("x-forwarded-host", "evil.example");
    assert_eq!(kind(&answer(&layer(), request).await.0), RejectionKind::InvalidProof(ProofErrorKind::WrongUri));
    let request = proving(&token(&key), &evil).uri("https://evil.example/articles");
    assert_eq!(kind(&answer(&layer(), request).await.0), RejectionKind::InvalidProof(ProofErrorKind::WrongUri));
    let request = proving(&token(&key), &good().sign(&key)).header("host", "127.0.0.1:8080");
    assert_eq!(answer(&layer(), request).await.0.status, 200);
}

#[tokio::test]
async fn check_9_behind_a_proxy_that_takes_a_prefix_off() {
    let key = Key::es256();
    let dpop = Dpop::builder("https://api.example/v1").origin("https://api.internal.example").crypto(crypto()).clock(clock());
    let layer = super::layer().dpop(dpop.build().unwrap());
    for (htu, status) in [
        ("https://api.example/v1/articles", 200),
        ("https://api.internal.example/articles", 200),
        ("https://api.example/articles", 401),
        ("https://api.internal.example/v1/articles", 401),
    ] {
        let proof = good().claim("htu", htu).claim("jti", htu).sign(&key);
        assert_eq!(answer(&layer, proving(&token(&key), &proof)).await.0.status, status, "{htu}");
    }
}

#[tokio::test]
async fn check_11_the_time() {
    refused(vec![
        ("too old", good().claim("iat", NOW - 61), ProofErrorKind::OutOfTime),
        ("from the future", good().claim("iat", NOW + 61), ProofErrorKind::OutOfTime),
        ("in milliseconds", good().claim("iat", NOW * 1_000), ProofErrorKind::Malformed),
        ("expired by itself", good().claim("exp", NOW), ProofErrorKind::OutOfTime),
    ])
    .await;
    let key = Key::es256();
    for iat in [NOW - 60, NOW + 60] {
        let request = proving(&token(&key), &good().claim("iat", iat).sign(&key));
        assert_eq!(answer(&layer(), request).await.0.status, 200);
    }
}

#[tokio::test]
async fn check_12_the_access_token() {
    refused(vec![
        ("another token's", Proof::of(&Key::es256(), "another"), ProofErrorKind::WrongToken),
        ("no hash", good().claim("ath", "x"), ProofErrorKind::WrongToken),
    ])
    .await;
    // A good proof, by a key that the token is not bound to.
    let key = Key::es256();
    let stolen = Forger::good().claim("cnf", json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" })).sign();
    let (parts, _) = answer(&layer(), proving(&stolen, &Proof::of(&key, &stolen).sign(&key))).await;
    assert_eq!(kind(&parts), RejectionKind::InvalidToken(TokenErrorKind::BindingFailed));
    assert_eq!(challenges(&parts.headers), [INVALID_BOUND_TOKEN]);
}

#[tokio::test]
async fn a_bound_token_is_no_bearer_s() {
    let key = Key::es256();
    let token = token(&key);
    let proof = good().sign(&key);
    for (name, layer, request, expected) in [
        ("not looked at", super::layer(), bearing(&token), vec![INVALID_TOKEN]),
        ("both taken", layer(), bearing(&token), vec![INVALID_BOUND_TOKEN]),
        ("with a proof, by the wrong scheme", layer(), bearing(&token).header("dpop", &proof), vec![INVALID_BOUND_TOKEN]),
    ] {
        let (parts, _) = answer(&layer, request).await;
        assert_eq!(kind(&parts), RejectionKind::InvalidToken(TokenErrorKind::BindingFailed), "{name}");
        assert_eq!((parts.status.as_u16(), challenges(&parts.headers)), (401, expected), "{name}");
    }
}

/// Whatever `cnf` holds: where it is, not everybody may use the token.
#[tokio::test]
async fn a_token_with_any_cnf_is_no_bearer_s() {
    for (name, cnf) in [
        ("unknown member", json!({ "kid": "a" })),
        ("empty", json!({})),
        ("null", json!(null)),
        ("text", json!("x")),
        ("bad thumbprint", json!({ "jkt": "x" })),
        ("a key", json!({ "jwk": Key::es256().public })),
    ] {
        let token = Forger::good().claim("cnf", cnf).sign();
        for layer in [super::layer(), layer(), super::layer().allow_anonymous()] {
            let (parts, _) = answer(&layer, bearing(&token)).await;
            let expected = RejectionKind::InvalidToken(TokenErrorKind::BindingUnknown);
            assert_eq!((parts.status.as_u16(), kind(&parts)), (401, expected), "{name}");
        }
    }
}

#[tokio::test]
async fn the_scheme_dpop_wants_a_bound_token() {
    let key = Key::es256();
    let plain = Forger::good().sign();
    let (parts, _) = answer(&layer(), proving(&plain, &Proof::of(&key, &plain).sign(&key))).await;
    assert_eq!(kind(&parts), RejectionKind::InvalidToken(TokenErrorKind::BindingMissing));
    assert_eq!(challenges(&parts.headers), [INVALID_BOUND_TOKEN]);
}

#[tokio::test]
async fn plain_tokens_pass_unless_dpop_is_required() {
    let plain = Forger::good().sign();
    assert_eq!(answer(&layer(), bearing(&plain)).await.0.status, 200);
    let required = super::layer().dpop(dpop().require_dpop().build().unwrap());
    let (parts, _) = answer(&required, bearing(&plain)).await;
    assert_eq!(kind(&parts), RejectionKind::InvalidToken(TokenErrorKind::BindingMissing));
    assert_eq!(challenges(&parts.headers), [INVALID_BOUND_TOKEN]);
    let key = Key::es256();
    assert_eq!(answer(&required, proving(&token(&key), &good().sign(&key))).await.0.status, 200);
}

#[tokio::test]
async fn what_is_offered_is_what_is_taken() {
    let (parts, _) = answer(&layer(), get("/")).await;
    assert_eq!(challenges(&parts.headers), [r#"DPoP algs="ES256""#, "Bearer"]);
    let (parts, _) = answer(&layer(), bearing("a.b.c")).await;
    assert_eq!(challenges(&parts.headers), [INVALID_TOKEN, r#"DPoP algs="ES256""#]);
    let required = super::layer().realm("api").dpop(dpop().require_dpop().build().unwrap());
    let (parts, _) = answer(&required, get("/")).await;
    assert_eq!(challenges(&parts.headers), [r#"DPoP realm="api", algs="ES256""#]);
    // A token that is bad in itself is answered in its own scheme.
    let (parts, _) = answer(&layer(), proving("a.b.c", "x")).await;
    assert_eq!(challenges(&parts.headers), [INVALID_BOUND_TOKEN]);
}

#[tokio::test]
async fn two_tokens_are_still_two() {
    let key = Key::es256();
    let request = proving(&token(&key), &good().sign(&key)).header("authorization", format!("Bearer {}", token(&key)));
    assert_eq!(answer(&layer(), request).await.0.status, 400);
    let layer = layer().source(donjon::token_auth::TokenSource::cookie("session"));
    let request = proving(&token(&key), &good().sign(&key)).header("cookie", "session=a.b.c");
    assert_eq!(answer(&layer, request).await.0.status, 400);
}

#[tokio::test]
async fn the_order_of_the_builder_does_not_matter() {
    use donjon::token_auth::TokenSource;
    let key = Key::es256();
    for layer in [
        super::layer().dpop(dpop().build().unwrap()).only_sources([TokenSource::cookie("session")]),
        super::layer().only_sources([TokenSource::cookie("session")]).dpop(dpop().build().unwrap()),
    ] {
        assert_eq!(answer(&layer, proving(&token(&key), &good().sign(&key))).await.0.status, 200);
        assert_eq!(answer(&layer, bearing(&Forger::good().sign())).await.0.status, 401);
        assert_eq!(answer(&layer, get("/").header("cookie", format!("session={}", Forger::good().sign()))).await.0.status, 200);
    }
    let layer = super::layer().dpop(dpop().build().unwrap()).only_sources([]);
    assert_eq!(answer(&layer, bearing(&Forger::good().sign())).await.0.status, 200);
}

/// axum takes the prefix of a nested router off the path, as a proxy would.
#[tokio::test]
async fn within_a_nested_axum_router_the_prefix_is_configured() {
    let key = Key::es256();
    let dpop = Dpop::builder("https://api.example/v1").crypto(crypto()).clock(clock()).build().unwrap();
    let inner = Router::new().route("/articles", axum::routing::get(async || "here")).layer(super::layer().dpop(dpop));
    let app = Router::new().nest("/v1", inner);
    let proof = good().claim("htu", "https://api.example/v1/articles").sign(&key);
    let request = proving(&token(&key), &proof).uri("/v1/articles").body(axum::body::Body::empty()).unwrap();
    assert_eq!(app.oneshot(request).await.unwrap().status(), 200);
}

#[test]
fn who_brings_no_token_costs_no_allocation_with_dpop_either() {
    let service = service_fn(|_: Request<Empty<Bytes>>| std::future::ready(Ok::<_, Infallible>(Response::new(()))));
    let mut service = layer().allow_anonymous().layer(service);
    let request = empty(get("/").header("accept", "text/html"));
    let (count, response) = allocations(|| now(service.call(request)));
    assert_eq!((count, response.status().as_u16()), (0, 200));
}

#[test]
fn what_is_printed_holds_no_secret() {
    let builder = dpop().require_nonce_of([42; 32]);
    let dpop = builder.clone().build().unwrap();
    let shown = format!("{builder:?} {dpop:?} {:?}", super::layer().dpop(dpop.clone()));
    assert!(shown.contains("https://api.example") && !shown.contains("42"), "{shown}");
}

#[tokio::test]
async fn without_dpop_its_scheme_is_another_s() {
    let key = Key::es256();
    let (parts, _) = answer(&super::layer(), proving(&token(&key), &good().sign(&key))).await;
    assert_eq!((kind(&parts), challenges(&parts.headers)), (RejectionKind::Missing, vec!["Bearer"]));
}

#[test]
fn what_is_configured_wrongly_is_not_built() {
    use donjon::token_auth::ConfigErrorKind::{ProofAlgorithmsMissing, ProofWindowOutOfRange, UrlInsecure, UrlInvalid};
    use std::time::Duration;
    let origin = |origin: &str| Dpop::builder(origin).crypto(crypto());
    for (name, builder, expected) in [
        ("no URL", origin("api.example"), UrlInvalid),
        ("query", origin("https://api.example/?a"), UrlInvalid),
        ("http", origin("http://api.example"), UrlInsecure),
        ("another", dpop().origin("ftp://api.example"), UrlInsecure),
        ("no algorithms", dpop().algorithms([]), ProofAlgorithmsMissing),
        ("symmetric", dpop().algorithms([Algorithm::Es256, Algorithm::Hs256]), ProofAlgorithmsMissing),
        ("no window", dpop().window(Duration::ZERO), ProofWindowOutOfRange),
        ("long window", dpop().window(Duration::from_secs(601)), ProofWindowOutOfRange),
    ] {
        assert_eq!(builder.build().unwrap_err().kind(), expected, "{name}");
    }
    assert!(origin("http://127.0.0.1:3000").dangerous_allow_http().build().is_ok());
}
