//! Proofs that are used twice, and stores that answer later.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;
use donjon::{
    ManualClock, Principal,
    token_auth::{
        JwtVerifier, MemoryReplayStore, ProofErrorKind, ProofId, ProofUse, RejectionKind, ReplayStore, ReplayVerdict,
        TokenAuthLayer,
    },
};
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, service_fn};
use tower_test::mock;

use super::{INVALID_PROOF, Key, challenges, dpop, good, kind, layer, proving, token};
use crate::{
    support::empty,
    token_auth::{NOW, answer, at, echo},
};

const REPLAYED: RejectionKind = RejectionKind::InvalidProof(ProofErrorKind::Replayed);

#[tokio::test]
async fn a_proof_is_taken_once() {
    let (key, layer) = (Key::es256(), layer());
    let proof = good().sign(&key);
    assert_eq!(answer(&layer, proving(&token(&key), &proof)).await.0.status, 200);
    let (parts, _) = answer(&layer, proving(&token(&key), &proof)).await;
    assert_eq!((parts.status.as_u16(), kind(&parts)), (401, REPLAYED));
    assert_eq!(challenges(&parts.headers), [INVALID_PROOF]);
    // Not by another signature over the same, either: ECDSA signs in many ways.
    let (parts, _) = answer(&layer, proving(&token(&key), &good().sign(&key))).await;
    assert_eq!(kind(&parts), REPLAYED);
    let other = good().claim("jti", "another").sign(&key);
    assert_eq!(answer(&layer, proving(&token(&key), &other)).await.0.status, 200);
}

#[tokio::test]
async fn a_proof_that_was_refused_is_not_used_up() {
    let (key, layer) = (Key::es256(), layer());
    let refused = good().claim("htm", "POST").sign(&key);
    assert_eq!(answer(&layer, proving(&token(&key), &refused)).await.0.status, 401);
    assert_eq!(answer(&layer, proving(&token(&key), &good().sign(&key))).await.0.status, 200);
}

#[tokio::test]
async fn of_a_hundred_at_once_one_passes() {
    let (key, layer) = (Key::es256(), layer());
    let (token, proof) = (token(&key), good().sign(&key));
    let calls = (0..100).map(|_| answer(&layer, proving(&token, &proof)));
    let passed = futures_util::future::join_all(calls).await.into_iter().filter(|(parts, _)| parts.status == 200).count();
    assert_eq!(passed, 1);
}

/// At no moment of its window, however late it was made or it comes.
#[tokio::test]
async fn a_replay_is_seen_as_long_as_the_proof_is_taken() {
    let (key, clock) = (Key::es256(), ManualClock::at(at(NOW)));
    let layer = crate::token_auth::layer().dpop(dpop().clock(clock.clone()).build().unwrap());
    let proof = good().claim("iat", NOW + 60).sign(&key);
    assert_eq!(answer(&layer, proving(&token(&key), &proof)).await.0.status, 200);
    for (seconds, expected) in [(0, ProofErrorKind::Replayed), (120, ProofErrorKind::Replayed), (121, ProofErrorKind::OutOfTime)]
    {
        clock.set(at(NOW + seconds));
        let (parts, _) = answer(&layer, proving(&token(&key), &proof)).await;
        assert_eq!(kind(&parts), RejectionKind::InvalidProof(expected), "{seconds}");
    }
}

#[tokio::test]
async fn a_full_store_lets_nobody_in() {
    let key = Key::es256();
    let layer = crate::token_auth::layer().dpop(dpop().replay_store(MemoryReplayStore::with_capacity(0)).build().unwrap());
    let (parts, _) = answer(&layer, proving(&token(&key), &good().sign(&key))).await;
    assert_eq!((parts.status.as_u16(), kind(&parts)), (503, RejectionKind::Unavailable));
    assert!(parts.headers.contains_key("retry-after") && !parts.headers.contains_key("www-authenticate"));
}

/// Answers when it was polled twice: the first use is the first.
#[derive(Clone, Default)]
struct Shared(Arc<AtomicUsize>);

impl ReplayStore for Shared {
    fn record(&self, proof: ProofId, now: SystemTime, until: SystemTime) -> ReplayVerdict {
        assert_eq!((now, until), (at(NOW), at(NOW + 60)));
        assert_eq!(proof.to_string().len(), 43);
        let uses = self.0.fetch_add(1, Ordering::SeqCst);
        ReplayVerdict::later(async move {
            tokio::task::yield_now().await;
            match uses {
                0 => ProofUse::First,
                1 => ProofUse::Again,
                _ => ProofUse::Unknown,
            }
        })
    }
}

fn sharing() -> TokenAuthLayer<JwtVerifier> {
    crate::token_auth::layer().dpop(dpop().replay_store(Shared::default()).build().unwrap())
}

#[tokio::test]
async fn a_store_may_answer_later() {
    let (key, layer) = (Key::es256(), sharing());
    let (token, proof) = (token(&key), good().sign(&key));
    let (parts, body) = answer(&layer, proving(&token, &proof)).await;
    assert_eq!((parts.status.as_u16(), body.as_str()), (200, "alice|"));
    assert!(parts.extensions.get::<Principal>().is_some());
    assert_eq!(kind(&answer(&layer, proving(&token, &proof)).await.0), REPLAYED);
    assert_eq!(kind(&answer(&layer, proving(&token, &proof)).await.0), RejectionKind::Unavailable);
}

#[tokio::test]
async fn while_a_store_is_asked_the_ready_service_waits() {
    let key = Key::es256();
    let request = || empty(proving(&token(&key), &good().sign(&key)));
    let (mut service, mut inner) = mock::spawn_layer::<Request<Empty<Bytes>>, Response<Empty<Bytes>>, _>(sharing());
    inner.allow(1);
    assert!(service.poll_ready().is_ready());
    let response = tokio::spawn(service.call(request()));
    let (seen, reply) = inner.next_request().await.unwrap();
    assert_eq!(seen.extensions().get::<Principal>().unwrap().subject(), Some("alice"));
    reply.send_response(Response::new(Empty::new()));
    assert_eq!(response.await.unwrap().unwrap().status(), 200);

    let inner = ServiceBuilder::new().buffer(4).concurrency_limit(1).service(service_fn(echo::<Empty<Bytes>>));
    for _ in 0..50 {
        assert_eq!(sharing().layer(inner.clone()).oneshot(request()).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn behind_a_later_verdict_the_proof_is_checked_too() {
    use donjon::token_auth::{LaterVerdict, RawClaims, TokenError, Verdict, VerifyToken};

    /// Knows one token, of the thumbprint that it holds, and says so later.
    struct Slow(String);

    impl VerifyToken for Slow {
        type Future = LaterVerdict;

        fn verify(&self, _token: &str) -> Verdict<LaterVerdict> {
            let claims = RawClaims::new(format!(r#"{{"cnf":{{"jkt":"{}"}}}}"#, self.0));
            Verdict::Later(LaterVerdict::new(async move {
                tokio::task::yield_now().await;
                Ok::<_, TokenError>(Principal::builder().subject("alice").claims(claims?).build())
            }))
        }
    }

    let key = Key::es256();
    let (token, proof) = (token(&key), good().sign(&key));
    for store_later in [false, true] {
        let builder = if store_later { dpop().replay_store(Shared::default()) } else { dpop() };
        let layer = TokenAuthLayer::new(Slow(key.thumbprint())).dpop(builder.build().unwrap());
        let service = layer.layer(service_fn(echo::<Empty<Bytes>>));
        let good = service.clone().oneshot(empty(proving(&token, &proof))).await.unwrap();
        assert_eq!(good.status(), 200);
        let again = service.clone().oneshot(empty(proving(&token, &proof))).await.unwrap();
        assert_eq!((again.status().as_u16(), again.headers()["www-authenticate"].to_str().unwrap()), (401, INVALID_PROOF));
        let bearer = service.oneshot(empty(crate::token_auth::bearing(&token))).await.unwrap();
        assert_eq!(bearer.status(), 401);
    }
}
