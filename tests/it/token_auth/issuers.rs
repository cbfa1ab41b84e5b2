//! Several issuers behind one layer.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use donjon::Principal;
use donjon::token_auth::{
    Algorithm, ConfigErrorKind, Issuers, JwtVerifier, LaterVerdict, TokenAuthLayer, TokenError, TokenErrorKind, Verdict,
    VerifyToken, VerifyingKey,
};
use serde_json::json;

use super::{AUDIENCE, ISSUER, SECRET, clock, crypto, forger::Forger};

const PARTNER: &str = "https://partner.example";
const PARTNERS_SECRET: [u8; 32] = [9; 32];

fn verifier(issuer: &str, secret: &[u8]) -> JwtVerifier {
    // Both call their key the same.
    let key = VerifyingKey::from_secret(Algorithm::Hs256, secret).unwrap().with_kid("k1");
    JwtVerifier::builder(key).issuer(issuer).audience(AUDIENCE).crypto(crypto()).clock(clock()).build().unwrap()
}

fn both() -> Issuers {
    Issuers::builder()
        .issuer(ISSUER, verifier(ISSUER, &SECRET))
        .issuer(PARTNER, verifier(PARTNER, &PARTNERS_SECRET))
        .build()
        .unwrap()
}

#[track_caller]
fn verdict<V: VerifyToken>(verifier: &V, token: &str) -> Result<Principal, TokenErrorKind> {
    match verifier.verify(token) {
        Verdict::Now(verdict) => verdict.map_err(|error| error.kind()),
        Verdict::Later(_) => panic!("not at once"),
    }
}

#[test]
fn each_issuer_is_judged_by_its_own_keys() {
    let partners = || Forger::good().claim("iss", PARTNER);
    for (name, token, expected) in [
        ("ours", Forger::good().sign(), Ok(ISSUER)),
        ("the partner's", partners().sign_with(&PARTNERS_SECRET), Ok(PARTNER)),
        ("the partner's name, our key", partners().sign(), Err(TokenErrorKind::SignatureInvalid)),
        ("our name, the partner's key", Forger::good().sign_with(&PARTNERS_SECRET), Err(TokenErrorKind::SignatureInvalid)),
        ("unknown", Forger::good().claim("iss", "https://evil.example").sign(), Err(TokenErrorKind::WrongIssuer)),
        ("by case", Forger::good().claim("iss", "https://ISSUER.example").sign(), Err(TokenErrorKind::WrongIssuer)),
        ("no issuer", Forger::good().without("iss").sign(), Err(TokenErrorKind::ClaimMissing)),
        ("a list", Forger::good().claim("iss", json!([ISSUER, PARTNER])).sign(), Err(TokenErrorKind::ClaimsMalformed)),
        ("a number", Forger::good().claim("iss", 1).sign(), Err(TokenErrorKind::ClaimsMalformed)),
        ("no token", "a.b.c".to_owned(), Err(TokenErrorKind::Malformed)),
        ("too long", "a".repeat(10_000), Err(TokenErrorKind::Oversized)),
    ] {
        let issuers = both();
        // The second time it may be remembered.
        for _ in 0..2 {
            let found = verdict(&issuers, &token).map(|principal| principal.issuer().unwrap().to_owned());
            assert_eq!(found.as_deref().map_err(|kind| *kind), expected, "{name}");
        }
    }
}

#[test]
fn two_issuers_in_one_token_are_refused() {
    let claims = Forger::good().claims_text().replacen('{', &format!(r#"{{"iss":"{PARTNER}","#), 1);
    let token = super::forger::signed(&Forger::good().header_text(), &claims, &PARTNERS_SECRET);
    assert_eq!(verdict(&both(), &token).unwrap_err(), TokenErrorKind::ClaimsMalformed);
}

/// Counts what it is asked, as a verifier that fetches keys would fetch.
struct Counting(Arc<AtomicU32>);

impl VerifyToken for Counting {
    type Future = LaterVerdict;

    fn verify(&self, _token: &str) -> Verdict<LaterVerdict> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Verdict::Later(LaterVerdict::new(async { Err(TokenError::from(TokenErrorKind::KeyUnknown)) }))
    }
}

#[test]
fn an_unknown_issuer_bothers_nobody() {
    let asked = Arc::new(AtomicU32::new(0));
    let partner: Arc<dyn VerifyToken<Future = LaterVerdict>> = Arc::new(Counting(Arc::clone(&asked)));
    // Verifiers of two types in one.
    let issuers =
        Issuers::builder().issuer(PARTNER, partner).issuer(ISSUER, Arc::new(verifier(ISSUER, &SECRET))).build().unwrap();
    for number in 0..1_000 {
        let token = Forger::good().claim("iss", format!("https://{number}.example")).sign();
        assert_eq!(verdict(&issuers, &token).unwrap_err(), TokenErrorKind::WrongIssuer);
    }
    verdict(&issuers, &Forger::good().sign()).unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert!(matches!(issuers.verify(&Forger::good().claim("iss", PARTNER).sign()), Verdict::Later(_)));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let _layer = TokenAuthLayer::new(issuers);
}

#[test]
fn what_cannot_be_configured() {
    let twice = Issuers::builder().issuer(ISSUER, verifier(ISSUER, &SECRET)).issuer(ISSUER, verifier(ISSUER, &SECRET)).build();
    assert_eq!(twice.unwrap_err().kind(), ConfigErrorKind::IssuerAmbiguous);
    assert_eq!(Issuers::<JwtVerifier>::builder().build().unwrap_err().kind(), ConfigErrorKind::IssuerMissing);
}
