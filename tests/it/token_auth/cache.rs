//! Remembered tokens: fast, and never good for longer than they would be without.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use donjon::{
    Principal,
    token_auth::{
        Algorithm, JwtVerifier, JwtVerifierBuilder, KeyFile, RevocationList, TokenAuthLayer, TokenCache, TokenErrorKind, Verdict,
        VerifyToken as _, VerifyingKey,
    },
};
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer as _, Service as _, service_fn};

use super::{AUDIENCE, ISSUER, NOW, SECRET, at, bearing, clock, crypto, forger::Forger};
use crate::support::{allocations, empty, now};

fn builder() -> JwtVerifierBuilder {
    let key = VerifyingKey::from_secret(Algorithm::Hs256, &SECRET).unwrap().with_kid("k1");
    JwtVerifier::builder(key).issuer(ISSUER).audience(AUDIENCE).crypto(crypto()).clock(clock())
}

#[track_caller]
fn verdict(verifier: &JwtVerifier, token: &str) -> Result<Principal, TokenErrorKind> {
    match verifier.verify(token) {
        Verdict::Now(verdict) => verdict.map_err(|error| error.kind()),
        Verdict::Later(_) => panic!("static keys answer at once"),
    }
}

/// What one request costs: a token that comes again, and one that comes for the first time among others.
fn costs(verifier: JwtVerifier) -> (u64, u64) {
    let bare = service_fn(|_: Request<Empty<Bytes>>| std::future::ready(Ok::<_, Infallible>(Response::new(()))));
    let mut service = TokenAuthLayer::new(verifier).layer(bare);
    let mut cost = |token: &str| {
        let mut request = empty(bearing(token));
        // What a router leaves there.
        request.extensions_mut().insert("route");
        let (count, response) = allocations(|| now(service.call(request)));
        assert_eq!(response.status(), 200);
        count
    };
    // A table that grows now and then is not the price of a request.
    let first = (0..64).map(|number| cost(&Forger::good().claim("jti", number.to_string()).sign())).min();
    let token = Forger::good().sign();
    cost(&token);
    (first.unwrap(), cost(&token))
}

#[test]
fn a_repeat_token_costs_four_allocations_and_a_new_one_at_most_fifteen() {
    let (first, repeat) = costs(builder().build().unwrap());
    assert!(first <= 15, "{first} allocations for a new token");
    assert!(repeat <= 4, "{repeat} allocations for a repeat token");
    let (_, verified) = costs(builder().without_cache().build().unwrap());
    assert!(verified > repeat, "it was the cache that saved them");
}

#[test]
fn a_remembered_token_is_asked_for_without_being_read() {
    let verifier = builder().build().unwrap();
    let token = Forger::good().sign();
    assert!(verifier.recall(&token).is_none());
    verdict(&verifier, &token).unwrap();
    let (count, known) = allocations(|| verifier.recall(&token));
    assert_eq!(known.unwrap().unwrap().subject(), Some("alice"));
    assert_eq!(count, 0);
}

#[test]
fn a_remembered_token_expires_at_the_very_second() {
    let clock = clock();
    let verifier = builder().clock(clock.clone()).build().unwrap();
    let token = Forger::good().sign();
    verdict(&verifier, &token).unwrap();
    clock.set(at(NOW + 59));
    verdict(&verifier, &token).unwrap();
    clock.set(at(NOW + 60));
    assert_eq!(verdict(&verifier, &token).unwrap_err(), TokenErrorKind::Expired);
}

#[test]
fn a_remembered_token_lives_no_longer_by_leeway_than_a_new_one() {
    let clock = clock();
    let verifier = builder().clock(clock.clone()).leeway(std::time::Duration::from_secs(10)).build().unwrap();
    let token = Forger::good().sign();
    assert_eq!(verdict(&verifier, &token).unwrap().expires_at(), Some(at(NOW + 70)));
    clock.set(at(NOW + 69));
    verdict(&verifier, &token).unwrap();
    clock.set(at(NOW + 70));
    assert_eq!(verdict(&verifier, &token).unwrap_err(), TokenErrorKind::Expired);
}

#[test]
fn a_remembered_token_is_not_yet_valid_again_when_the_clock_is_set_back() {
    let clock = clock();
    let verifier = builder().clock(clock.clone()).build().unwrap();
    for claim in ["nbf", "iat"] {
        let token = Forger::good().without("nbf").without("iat").claim(claim, NOW).sign();
        clock.set(at(NOW));
        verdict(&verifier, &token).unwrap();
        clock.set(at(NOW - 30));
        verdict(&verifier, &token).unwrap();
        clock.set(at(NOW - 31));
        assert_eq!(verdict(&verifier, &token).unwrap_err(), TokenErrorKind::NotYetValid, "{claim}");
    }
}

#[test]
fn a_remembered_token_is_refused_once_it_is_revoked() {
    let list = Arc::new(RevocationList::new().clock(clock()));
    let verifier = builder().revocation(Arc::clone(&list)).build().unwrap();
    let token = Forger::good().claim("jti", "t1").sign();
    let principal = verdict(&verifier, &token).unwrap();
    list.revoke("t1", at(NOW + 60)).unwrap();
    assert_eq!(verdict(&verifier, &token).unwrap_err(), TokenErrorKind::Revoked);
    assert!(principal.is_revoked());
}

#[test]
fn a_remembered_token_is_refused_once_its_key_is_gone() {
    let path = std::env::temp_dir().join(format!("donjon-cache-{}.json", std::process::id()));
    let secret = |kid: &str, byte: &str| format!(r#"{{"kty":"oct","alg":"HS256","kid":"{kid}","k":"{}"}}"#, byte.repeat(43));
    let write = |keys: &str| std::fs::write(&path, format!(r#"{{"keys":[{keys}]}}"#)).unwrap();
    write(&format!("{},{}", secret("k1", "A"), secret("k2", "A")));
    let file = KeyFile::jwks(&path).clock(clock()).open().unwrap();
    let verifier = JwtVerifier::builder(file.clone()).issuer(ISSUER).audience(AUDIENCE).crypto(crypto()).clock(clock());
    let verifier = verifier.build().unwrap();
    let tokens = ["k1", "k2"].map(|kid| Forger::good().header("kid", kid).sign_with(&[0; 32]));
    for token in &tokens {
        verdict(&verifier, token).unwrap();
        assert!(verifier.recall(token).is_some());
    }
    write(&secret("k2", "A"));
    file.reload().unwrap();
    assert_eq!(verdict(&verifier, &tokens[0]).unwrap_err(), TokenErrorKind::KeyUnknown);
    verdict(&verifier, &tokens[1]).unwrap();
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_token_that_differs_anywhere_is_another_token() {
    let verifier = builder().build().unwrap();
    let token = Forger::good().sign();
    verdict(&verifier, &token).unwrap();
    for at in 0..token.len() {
        let mut other = token.clone().into_bytes();
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).unwrap();
        assert!(verifier.recall(&other).is_none(), "{at}");
        assert!(verdict(&verifier, &other).is_err(), "{at}");
    }
    assert!(verifier.recall(&token[1..]).is_none());
    assert!(verifier.recall(&format!("{token}A")).is_none());
}

#[test]
fn a_refused_token_is_not_remembered() {
    let verifier = builder().build().unwrap();
    for token in ["a.b.c".to_owned(), Forger::good().sign_with(&[7; 32]), Forger::good().claim("aud", "x").sign()] {
        for _ in 0..2 {
            assert!(verdict(&verifier, &token).is_err());
            assert!(verifier.recall(&token).is_none());
        }
    }
}

#[test]
fn a_cache_may_be_small_or_none() {
    let token = |number: u32| Forger::good().claim("jti", number.to_string()).sign();
    let one = builder().cache(TokenCache::new().max_entries(1)).build().unwrap();
    for number in 0..10 {
        assert_eq!(verdict(&one, &token(number)).unwrap().subject(), Some("alice"));
        assert!(one.recall(&token(number)).is_some());
    }
    assert!(one.recall(&token(0)).is_none());
    for none in [builder().without_cache(), builder().cache(TokenCache::new().max_entries(0))] {
        let none = none.build().unwrap();
        verdict(&none, &token(0)).unwrap();
        assert!(none.recall(&token(0)).is_none());
    }
}

#[test]
fn callers_are_not_mixed_up_when_they_come_at_once() {
    let verifier = builder().cache(TokenCache::new().max_entries(8)).build().unwrap();
    let tokens: Vec<_> = (0..32).map(|number| Forger::good().claim("sub", number.to_string()).sign()).collect();
    std::thread::scope(|scope| {
        for start in 0..4 {
            let (verifier, tokens) = (&verifier, &tokens);
            scope.spawn(move || {
                for number in (0..tokens.len()).cycle().skip(start * 7).take(2_000) {
                    let principal = verdict(verifier, &tokens[number]).unwrap();
                    assert_eq!(principal.subject(), Some(number.to_string().as_str()));
                }
            });
        }
    });
}
