//! Remote keys while the provider is slow, gone or wrong, and while somebody floods us with names of keys.

use std::time::Duration;

use donjon::token_auth::{
    RemoteErrorKind, TokenAuthLayer,
    TokenErrorKind::{self, KeyUnknown, Unavailable},
    Verdict, VerifyToken as _,
};
use http_body_util::Empty;
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, service_fn};

use super::{Mode, ask, at_once, builder, fresh, keys, kind, scene, settle, token, verifier, verifier_builder};
use crate::{
    support::empty,
    token_auth::{ISSUER, NOW, answer, bearing, challenge, echo, forger::Forger},
};

const SECOND: Duration = Duration::from_secs(1);

/// A token by the key of `kid`, of an algorithm that the provider might use.
fn forged(kid: &str) -> String {
    Forger::good().claim("exp", NOW + 3600).header("alg", "EdDSA").header("kid", kid).with_signature(&[0; 64])
}

#[tokio::test]
async fn ten_thousand_unknown_keys_cause_one_fetch_per_cooldown() {
    let (clock, issuer, provider) = scene();
    let keys = fresh(&provider, &clock).await;
    let verifier = verifier_builder(&keys, &clock).without_cache().build().unwrap();
    let good = token(&issuer);
    for round in 1..=3 {
        provider.set(Mode::Hangs);
        let mut waiting = Vec::new();
        for n in 0..10_000 {
            match verifier.verify(&forged(&format!("{round}-{n}"))) {
                Verdict::Later(later) => waiting.push(later),
                Verdict::Now(_) => panic!("nobody knows yet whether the key is there"),
            }
            if n % 100 == 0 {
                assert!(at_once(&verifier, &good).is_ok(), "a valid request does not wait");
            }
        }
        provider.set(Mode::Answers);
        for verdict in futures_util::future::join_all(waiting).await {
            assert_eq!(kind(verdict), Err(KeyUnknown));
        }
        for n in 0..1000 {
            assert_eq!(at_once(&verifier, &forged(&format!("again {n}"))).map(drop), Err(KeyUnknown));
        }
        assert_eq!(provider.count("/jwks"), 1 + round);
        clock.advance(30 * SECOND);
    }
}

#[tokio::test]
async fn no_name_of_a_key_comes_into_a_url() {
    let (clock, _, provider) = scene();
    let verifier = verifier(&keys(&provider, &clock), &clock);
    for kid in ["../../etc/passwd", "?x=1#", "a\r\nHost: evil.example", "' OR 1=1 --", &"k".repeat(4000)] {
        assert_eq!(kind(ask(&verifier, &forged(kid)).await), Err(KeyUnknown));
        clock.advance(31 * SECOND);
    }
    let mut urls = provider.urls();
    urls.sort_unstable();
    urls.dedup();
    assert_eq!(urls, ["https://issuer.example/.well-known/openid-configuration", "https://issuer.example/jwks"]);
}

#[tokio::test]
async fn a_token_that_no_key_could_save_causes_no_fetch() {
    let (clock, _, provider) = scene();
    let verifier = verifier(&keys(&provider, &clock), &clock);
    let unsigned = |forger: Forger| forger.header("alg", "EdDSA").header("kid", "new").with_signature(&[0; 64]);
    for (name, token) in [
        ("another issuer", unsigned(Forger::good().claim("iss", "https://evil.example"))),
        ("no issuer", unsigned(Forger::good().without("iss"))),
        ("another audience", unsigned(Forger::good().claim("aud", "https://elsewhere.example"))),
        ("expired", unsigned(Forger::good().claim("exp", 1))),
        ("no claims", "eyJhbGciOiJFZERTQSJ9.e30.AAAA".to_owned()),
        ("garbage", "a.b.c".to_owned()),
        ("none", Forger::good().header("alg", "none").with_signature(b"")),
    ] {
        let refused = at_once(&verifier, &token).map(drop).unwrap_err();
        // Nothing of what an unsigned token says is told, not even that it has expired.
        assert!(!matches!(refused, Unavailable | TokenErrorKind::Expired), "{name}: {refused:?}");
    }
    assert_eq!(provider.urls().len(), 0);
}

#[tokio::test]
async fn without_keys_it_is_503_until_the_provider_comes() {
    let (clock, issuer, provider) = scene();
    provider.set(Mode::Unreachable);
    let verifier = verifier(&keys(&provider, &clock), &clock);
    let layer = TokenAuthLayer::new(verifier.clone());
    let token = token(&issuer);
    let (parts, body) = answer(&layer, bearing(&token)).await;
    assert_eq!((parts.status.as_u16(), challenge(&parts.headers)), (503, "none"));
    assert_eq!(parts.headers["retry-after"], "1");
    assert!(!body.contains("refused") && !body.contains("issuer.example"), "{body}");
    // Too early to ask again: nobody waits for anything.
    for _ in 0..100 {
        assert_eq!(at_once(&verifier, &token).map(drop), Err(Unavailable));
    }
    assert_eq!(provider.urls().len(), 1);
    provider.set(Mode::Answers);
    clock.advance(SECOND);
    assert_eq!(answer(&layer, bearing(&token)).await.0.status, 200);
}

#[tokio::test]
async fn while_the_provider_is_down_its_keys_serve_until_the_cap() {
    let (clock, issuer, provider) = scene();
    let keys = fresh(&provider, &clock).await;
    let verifiers = [verifier(&keys, &clock), verifier_builder(&keys, &clock).without_cache().build().unwrap()];
    let token = token(&issuer);
    provider.set(Mode::Unreachable);
    // Ten minutes of life and an hour of grace.
    for _ in 0..69 {
        clock.advance(60 * SECOND);
        for verifier in &verifiers {
            assert!(at_once(verifier, &token).is_ok());
        }
        settle().await;
    }
    clock.advance(60 * SECOND);
    for verifier in &verifiers {
        let error = ask(verifier, &token).await.unwrap_err();
        assert_eq!(error.kind(), Unavailable);
    }
    provider.set(Mode::Answers);
    clock.advance(30 * SECOND);
    for verifier in &verifiers {
        assert!(ask(verifier, &token).await.is_ok());
    }
}

#[tokio::test]
async fn an_unknown_key_is_503_while_nobody_can_tell() {
    let (clock, issuer, provider) = scene();
    let keys = fresh(&provider, &clock).await;
    let verifier = verifier(&keys, &clock);
    provider.set(Mode::Unreachable);
    let error = ask(&verifier, &forged("new")).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (Unavailable, Some(30 * SECOND)));
    assert!(at_once(&verifier, &token(&issuer)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_is_waited_for_no_longer_than_the_timeout() {
    let (clock, issuer, provider) = scene();
    provider.set(Mode::Hangs);
    let verifier = verifier(&builder(&provider, &clock).timeout(3 * SECOND).build().unwrap(), &clock);
    let start = tokio::time::Instant::now();
    let token = token(&issuer);
    let waiting: Vec<_> = (0..100).map(|_| ask(&verifier, &token)).collect();
    for verdict in futures_util::future::join_all(waiting).await {
        assert_eq!(kind(verdict), Err(Unavailable));
    }
    assert_eq!(start.elapsed(), 3 * SECOND);
}

#[tokio::test]
async fn a_request_that_is_given_up_takes_nobody_s_fetch_along() {
    let (clock, issuer, provider) = scene();
    provider.set(Mode::Hangs);
    let verifier = verifier(&keys(&provider, &clock), &clock);
    let token = token(&issuer);
    let Verdict::Later(first) = verifier.verify(&token) else { panic!("there are no keys yet") };
    let Verdict::Later(second) = verifier.verify(&token) else { panic!("there are no keys yet") };
    drop(first);
    provider.set(Mode::Answers);
    assert!(second.await.is_ok());
    assert_eq!(provider.count("/jwks"), 1);
}

#[tokio::test]
async fn a_client_that_panics_is_a_failed_fetch() {
    let (clock, issuer, provider) = scene();
    provider.set(Mode::Panics);
    let keys = keys(&provider, &clock);
    let verifier = verifier(&keys, &clock);
    assert_eq!(kind(ask(&verifier, &token(&issuer)).await), Err(Unavailable));
    assert_eq!(keys.refresh().await.unwrap_err().kind(), RemoteErrorKind::Unreachable);
    provider.set(Mode::Answers);
    assert!(keys.refresh().await.is_ok());
    assert!(at_once(&verifier, &token(&issuer)).is_ok());
}

#[tokio::test]
async fn metadata_of_another_issuer_give_no_keys() {
    let (clock, issuer, provider) = scene();
    for named in ["https://issuer.example/", "https://ISSUER.example", "https://evil.example"] {
        let metadata = serde_json::json!({ "issuer": named, "jwks_uri": "https://issuer.example/jwks" });
        provider.serve("/.well-known/openid-configuration", metadata.to_string());
        let verifier = verifier(&keys(&provider, &clock), &clock);
        assert_eq!(kind(ask(&verifier, &token(&issuer)).await), Err(Unavailable), "{named}");
    }
    let metadata = serde_json::json!({ "issuer": ISSUER, "jwks_uri": "http://issuer.example/jwks" });
    provider.serve("/.well-known/openid-configuration", metadata.to_string());
    let error = keys(&provider, &clock).refresh().await.unwrap_err();
    assert_eq!(error.kind(), RemoteErrorKind::UrlNotAllowed);
    assert_eq!(provider.count("/jwks"), 0);
}

#[tokio::test]
async fn over_a_limit_and_a_buffer_those_who_wait_keep_their_place() {
    let (clock, issuer, provider) = scene();
    provider.set(Mode::Hangs);
    let layer = TokenAuthLayer::new(verifier(&keys(&provider, &clock), &clock));
    let inner = ServiceBuilder::new().buffer(8).concurrency_limit(1).service(service_fn(echo::<Empty<bytes::Bytes>>));
    let service = layer.layer(inner);
    let token = token(&issuer);
    let calls: Vec<_> = (0..6).map(|_| tokio::spawn(service.clone().oneshot(empty(bearing(&token))))).collect();
    settle().await;
    provider.set(Mode::Answers);
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
}
