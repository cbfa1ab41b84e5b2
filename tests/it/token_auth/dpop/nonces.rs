//! Nonces of the server's.

use donjon::{
    ManualClock,
    token_auth::{Dpop, ProofErrorKind, RejectionKind},
};
use std::time::Duration;

use super::{Key, challenges, dpop, good, kind, proving, token};
use crate::{
    support::get,
    token_auth::{answer, at, bearing, clock, layer},
};

/// The nonces live for 150 seconds each; this is the first second of one.
const START: u64 = 1_800_000_000;

fn dpop_at(clock: &ManualClock) -> Dpop {
    dpop().require_nonce().clock(clock.clone()).build().unwrap()
}

fn nonce(headers: &http::HeaderMap) -> &str {
    headers.get("dpop-nonce").expect("a nonce").to_str().unwrap()
}

#[tokio::test]
async fn check_10_a_nonce_is_asked_for_and_then_taken() {
    let (key, layer) = (Key::es256(), layer().dpop(dpop_at(&clock())));
    let (parts, body) = answer(&layer, proving(&token(&key), &good().sign(&key))).await;
    assert_eq!((parts.status.as_u16(), kind(&parts)), (401, RejectionKind::InvalidProof(ProofErrorKind::NonceInvalid)));
    assert_eq!(
        challenges(&parts.headers),
        [r#"DPoP error="use_dpop_nonce", error_description="The proof of possession must use the nonce provided", algs="ES256""#]
    );
    assert!(body.contains(r#""error":"use_dpop_nonce""#), "{body}");
    let proof = good().claim("nonce", nonce(&parts.headers)).sign(&key);
    let (parts, body) = answer(&layer, proving(&token(&key), &proof)).await;
    assert_eq!((parts.status.as_u16(), body.as_str()), (200, "alice|"));
    assert!(!parts.headers.contains_key("dpop-nonce"), "the one it has is good");
}

#[tokio::test]
async fn check_10_a_nonce_of_nobody_is_refused() {
    let (key, layer) = (Key::es256(), layer().dpop(dpop_at(&clock())));
    let other = Dpop::builder("https://api.example").require_nonce_of([7; 32]).crypto(crate::token_auth::crypto()).clock(clock());
    let other = crate::token_auth::layer().dpop(other.build().unwrap());
    let (parts, _) = answer(&other, get("/")).await;
    for (name, nonce) in [("another server's", nonce(&parts.headers)), ("empty", ""), ("made up", "AAAAAAAAAAAAAAAAAAAAAA")] {
        let (parts, _) = answer(&layer, proving(&token(&key), &good().claim("nonce", nonce).sign(&key))).await;
        assert_eq!(kind(&parts), RejectionKind::InvalidProof(ProofErrorKind::NonceInvalid), "{name}");
    }
}

#[tokio::test]
async fn the_next_nonce_comes_before_the_last_one_ends() {
    let (key, clock) = (Key::es256(), ManualClock::at(at(START)));
    let layer = layer().dpop(dpop_at(&clock));
    let (parts, _) = answer(&layer, get("/")).await;
    let first = nonce(&parts.headers).to_owned();
    clock.advance(Duration::from_secs(150));
    let proof = |nonce: &str, iat: u64| good().claim("nonce", nonce).claim("iat", iat).claim("jti", iat).claim("jti", nonce);
    let (parts, body) = answer(&layer, proving(&token(&key), &proof(&first, START + 150).sign(&key))).await;
    assert_eq!((parts.status.as_u16(), body.as_str()), (200, "alice|"));
    let second = nonce(&parts.headers).to_owned();
    assert_ne!(first, second);
    clock.advance(Duration::from_secs(150));
    let (parts, _) = answer(&layer, proving(&token(&key), &proof(&first, START + 300).sign(&key))).await;
    assert_eq!(kind(&parts), RejectionKind::InvalidProof(ProofErrorKind::NonceInvalid));
    let (parts, _) = answer(&layer, proving(&token(&key), &proof(&second, START + 300).sign(&key))).await;
    assert_eq!(parts.status, 200);
}

#[tokio::test]
async fn every_refusal_brings_a_nonce_and_an_answer_to_a_bearer_none() {
    let layer = layer().dpop(dpop_at(&clock()));
    for request in [get("/"), bearing("a.b.c"), proving("a.b.c", "x")] {
        let (parts, _) = answer(&layer, request).await;
        assert_eq!((parts.status.as_u16(), nonce(&parts.headers).len()), (401, 22));
    }
    let (parts, _) = answer(&layer, bearing(&crate::token_auth::Forger::good().sign())).await;
    assert_eq!((parts.status.as_u16(), parts.headers.contains_key("dpop-nonce")), (200, false));
}

#[tokio::test]
async fn processes_with_one_secret_take_each_other_s_nonces() {
    let key = Key::es256();
    let process = || crate::token_auth::layer().dpop(dpop().require_nonce_of([7; 32]).build().unwrap());
    let (parts, _) = answer(&process(), get("/")).await;
    let proof = good().claim("nonce", nonce(&parts.headers)).sign(&key);
    assert_eq!(answer(&process(), proving(&token(&key), &proof)).await.0.status, 200);
}
