//! Remote keys while all is well: found, fetched once, refreshed in time, rotated.

use std::time::{Duration, SystemTime};

use donjon::{
    Clock,
    token_auth::{
        ConfigErrorKind, JwtVerifier, RemoteErrorKind, RemoteKeys,
        TokenErrorKind::{AlgorithmNotAllowed, KeyUnknown, Unavailable, WrongAudience},
        Verdict, VerifyToken as _,
    },
};
use http::StatusCode;

use super::{
    Mode, Provider, ask, at_once, builder, fresh, issuer, keys, kind, metadata, scene, settle, token, verifier, verifier_builder,
};
use crate::token_auth::{ISSUER, NOW, at, clock, crypto, forger::Forger};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn keys_are_discovered_and_fetched_once_for_all_who_wait() {
    let (clock, issuer, provider) = scene();
    let verifier = verifier(&keys(&provider, &clock), &clock);
    let token = token(&issuer);
    let waiting: Vec<_> = (0..100).map(|_| ask(&verifier, &token)).collect();
    for verdict in futures_util::future::join_all(waiting).await {
        assert_eq!(verdict.unwrap().subject(), Some("alice"));
    }
    assert_eq!(provider.urls(), ["https://issuer.example/.well-known/openid-configuration", "https://issuer.example/jwks"]);
    assert!(at_once(&verifier, &token).is_ok());
}

#[tokio::test]
async fn the_metadata_of_rfc_8414_do_as_well() {
    let (clock, issuer, provider) = scene();
    provider.serve_as("/.well-known/openid-configuration", StatusCode::NOT_FOUND, "");
    provider.serve("/.well-known/oauth-authorization-server", metadata());
    assert!(ask(&verifier(&keys(&provider, &clock), &clock), &token(&issuer)).await.is_ok());
}

#[tokio::test]
async fn a_key_set_by_its_url_needs_no_metadata() {
    let (clock, issuer, provider) = scene();
    let keys = RemoteKeys::jwks("https://keys.example/jwks").client(provider.clone()).clock(clock.clone()).build().unwrap();
    let verifier = verifier_builder(&keys, &clock).issuer(ISSUER).build().unwrap();
    assert!(ask(&verifier, &token(&issuer)).await.is_ok());
    assert_eq!(provider.urls(), ["https://keys.example/jwks"]);
}

#[tokio::test]
async fn a_refresh_at_the_start_spares_the_first_request_the_wait() {
    let (clock, issuer, provider) = scene();
    let keys = fresh(&provider, &clock).await;
    assert!(at_once(&verifier(&keys, &clock), &token(&issuer)).is_ok());
    assert_eq!(provider.count("/jwks"), 1);
}

#[tokio::test]
async fn a_refresh_tells_what_went_wrong_and_loses_nothing() {
    let (clock, issuer, provider) = scene();
    let keys = fresh(&provider, &clock).await;
    let key: serde_json::Value = serde_json::from_str(&issuer.jwks()).unwrap();
    let twice = serde_json::json!({ "keys": [key["keys"][0], key["keys"][0]] }).to_string();
    let evil = r#"{"issuer":"https://evil.example","jwks_uri":"https://evil.example/jwks"}"#;
    for (name, path, status, document, expected) in [
        ("no keys at all", "/jwks", 200, r#"{"keys":[]}"#.to_owned(), RemoteErrorKind::KeysUnusable),
        ("one name twice", "/jwks", 200, twice, RemoteErrorKind::KeysUnusable),
        ("a list", "/jwks", 200, "[]".to_owned(), RemoteErrorKind::KeysUnusable),
        ("a page", "/jwks", 200, "<html>".to_owned(), RemoteErrorKind::KeysUnusable),
        ("an error", "/jwks", 500, String::new(), RemoteErrorKind::StatusUnexpected),
        ("elsewhere", "/jwks", 302, String::new(), RemoteErrorKind::StatusUnexpected),
        ("too long", "/jwks", 200, " ".repeat(512 * 1024 + 1), RemoteErrorKind::Oversized),
        ("another issuer", "/.well-known/openid-configuration", 200, evil.to_owned(), RemoteErrorKind::IssuerMismatch),
    ] {
        provider.serve("/.well-known/openid-configuration", metadata());
        provider.serve_as(path, StatusCode::from_u16(status).unwrap(), document);
        let error = keys.refresh().await.unwrap_err();
        assert_eq!(error.kind(), expected, "{name}");
        assert!(!format!("{error} {error:?}").contains("https:"), "{name}");
        assert!(at_once(&verifier(&keys, &clock), &token(&issuer)).is_ok(), "{name}");
    }
}

#[tokio::test]
async fn a_secret_in_a_public_key_set_is_no_key() {
    let (clock, issuer, provider) = scene();
    let mut set: serde_json::Value = serde_json::from_str(&issuer.jwks()).unwrap();
    let secret = serde_json::json!({ "kty": "oct", "kid": "k1", "k": "c2VjcmV0IHRoYXQgb25seSB0ZXN0cyBtYXkga25vdyE" });
    set["keys"].as_array_mut().unwrap().push(secret.clone());
    provider.serve("/jwks", set.to_string());
    let keys = keys(&provider, &clock);
    let verifier = verifier(&keys, &clock);
    assert!(ask(&verifier, &token(&issuer)).await.is_ok());
    assert_eq!(kind(ask(&verifier, &Forger::good().sign()).await), Err(AlgorithmNotAllowed));
    provider.serve("/jwks", serde_json::json!({ "keys": [secret] }).to_string());
    assert_eq!(keys.refresh().await.unwrap_err().kind(), RemoteErrorKind::KeysUnusable);
}

#[tokio::test]
async fn keys_are_refreshed_ahead_and_nobody_waits() {
    let (clock, issuer, provider) = scene();
    let keys = fresh(&provider, &clock).await;
    let verifier = verifier_builder(&keys, &clock).without_cache().build().unwrap();
    let token = token(&issuer);
    clock.advance(449 * SECOND);
    assert!(at_once(&verifier, &token).is_ok());
    settle().await;
    assert_eq!(provider.count("/jwks"), 1);

    provider.set(Mode::Hangs);
    clock.advance(SECOND);
    // While the provider hangs, everybody is answered, and one fetch is under way.
    for _ in 0..1000 {
        assert!(at_once(&verifier, &token).is_ok());
    }
    settle().await;
    assert_eq!(provider.count("/.well-known/openid-configuration"), 2);
    provider.set(Mode::Answers);
    settle().await;
    assert_eq!(provider.count("/jwks"), 2);
    clock.advance(449 * SECOND);
    assert!(at_once(&verifier, &token).is_ok());
    settle().await;
    assert_eq!(provider.count("/jwks"), 2, "the fetch that came through counts");
}

#[tokio::test]
async fn a_remembered_token_sees_to_fresh_keys_too() {
    let (clock, issuer, provider) = scene();
    let keys = fresh(&provider, &clock).await;
    let verifier = verifier(&keys, &clock);
    let token = token(&issuer);
    assert!(at_once(&verifier, &token).is_ok());
    clock.advance(450 * SECOND);
    assert!(at_once(&verifier, &token).is_ok());
    settle().await;
    assert_eq!(provider.count("/jwks"), 2);
}

/// Follows the runtime's time, which a test can stop and turn.
#[derive(Clone)]
struct RuntimeClock(tokio::time::Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> SystemTime {
        at(NOW) + self.0.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn keys_stay_fresh_without_a_single_request() {
    let issuer = issuer("a", &clock());
    let provider = Provider::of(&issuer);
    let time = RuntimeClock(tokio::time::Instant::now());
    let keys = RemoteKeys::discover(ISSUER).client(provider.clone()).clock(time).build().unwrap();
    keys.refresh().await.unwrap();
    tokio::time::sleep(4600 * SECOND).await;
    assert_eq!(provider.count("/jwks"), 11, "one at the start and one every 450 seconds");

    provider.set(Mode::Unreachable);
    tokio::time::sleep(500 * SECOND).await;
    provider.set(Mode::Answers);
    tokio::time::sleep(31 * SECOND).await;
    assert_eq!(provider.count("/jwks"), 12, "after an outage it is asked again by itself");

    let before = provider.urls().len();
    drop(keys);
    tokio::time::sleep(4600 * SECOND).await;
    assert_eq!(provider.urls().len(), before, "nobody wants the keys any more");
}

#[tokio::test]
async fn the_provider_may_want_its_keys_fetched_more_often() {
    let (clock, issuer, provider) = scene();
    provider.header("cache-control", "public, max-age=100");
    let keys = fresh(&provider, &clock).await;
    let verifier = verifier(&keys, &clock);
    clock.advance(75 * SECOND);
    assert!(at_once(&verifier, &token(&issuer)).is_ok());
    settle().await;
    assert_eq!(provider.count("/jwks"), 2);
}

#[tokio::test]
async fn a_rotated_key_is_taken_after_one_fetch_and_the_old_one_no_more() {
    let clock = clock();
    let old = issuer("old", &clock);
    let provider = Provider::of(&old);
    let verifier = verifier(&keys(&provider, &clock), &clock);
    let old_token = token(&old);
    assert!(ask(&verifier, &old_token).await.is_ok());
    assert!(at_once(&verifier, &old_token).is_ok(), "it is remembered");

    let new = issuer("new", &clock);
    provider.publish(&new);
    assert!(ask(&verifier, &token(&new)).await.is_ok());
    assert_eq!(provider.count("/jwks"), 2);
    // The very next request, although it was remembered.
    assert_eq!(at_once(&verifier, &old_token).map(drop), Err(KeyUnknown));
    assert_eq!(provider.count("/jwks"), 2);
}

#[tokio::test]
async fn a_key_that_is_added_makes_nothing_forgotten() {
    let clock = clock();
    let (one, two) = (issuer("one", &clock), issuer("two", &clock));
    let provider = Provider::of(&one);
    let verifier = verifier(&keys(&provider, &clock), &clock);
    let first = token(&one);
    assert!(ask(&verifier, &first).await.is_ok());
    let mut set: serde_json::Value = serde_json::from_str(&one.jwks()).unwrap();
    let more: serde_json::Value = serde_json::from_str(&two.jwks()).unwrap();
    set["keys"].as_array_mut().unwrap().insert(0, more["keys"][0].clone());
    provider.serve("/jwks", set.to_string());
    assert!(ask(&verifier, &token(&two)).await.is_ok());
    assert!(verifier.recall(&first).is_some_and(|known| known.is_ok()));
}

#[tokio::test]
async fn a_fetch_that_began_too_early_is_followed_by_one_more() {
    let clock = clock();
    let old = issuer("old", &clock);
    let provider = Provider::of(&old);
    let keys = RemoteKeys::jwks("https://keys.example/jwks").client(provider.clone()).clock(clock.clone()).build().unwrap();
    keys.refresh().await.unwrap();
    let verifier = verifier_builder(&keys, &clock).issuer(ISSUER).build().unwrap();
    // A refresh is under way, and will bring the old keys.
    provider.set(Mode::Hangs);
    clock.advance(450 * SECOND);
    assert!(at_once(&verifier, &token(&old)).is_ok());
    settle().await;
    let new = issuer("new", &clock);
    provider.publish(&new);
    let Verdict::Later(later) = verifier.verify(&token(&new)) else { panic!("it does not wait") };
    provider.set(Mode::Answers);
    assert!(later.await.is_ok());
    assert_eq!(provider.count("/jwks"), 3);
}

#[tokio::test]
async fn several_verifiers_share_what_is_fetched_once() {
    let (clock, issuer, provider) = scene();
    let keys = keys(&provider, &clock);
    let (one, two) = (verifier(&keys, &clock), verifier(&keys, &clock));
    let token = token(&issuer);
    let (one, two) = tokio::join!(ask(&one, &token), ask(&two, &token));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(provider.count("/jwks"), 1);
}

#[tokio::test]
async fn the_issuer_that_was_discovered_is_the_only_one() {
    let (clock, issuer, provider) = scene();
    let keys = keys(&provider, &clock);
    let another = verifier_builder(&keys, &clock).issuer("https://issuer.example/").build();
    assert_eq!(another.unwrap_err().kind(), ConfigErrorKind::IssuerMismatch);
    assert!(verifier_builder(&keys, &clock).issuer(ISSUER).build().is_ok());
    let elsewhere = JwtVerifier::builder(keys).audience("https://elsewhere.example").clock(clock.clone()).crypto(crypto());
    let elsewhere = elsewhere.build().unwrap();
    assert_eq!(kind(ask(&elsewhere, &token(&issuer)).await), Err(KeyUnknown), "nobody is asked for a token of somebody else");
    assert_eq!(provider.urls().len(), 0);
    let keys = super::keys(&provider, &clock);
    keys.refresh().await.unwrap();
    let elsewhere =
        JwtVerifier::builder(keys).audience("https://elsewhere.example").clock(clock).crypto(crypto()).build().unwrap();
    assert_eq!(at_once(&elsewhere, &token(&issuer)).map(drop), Err(WrongAudience));
}

#[test]
fn what_is_configured_wrongly_is_not_built() {
    let clock = clock();
    let provider = Provider::of(&issuer("a", &clock));
    let built = |builder: donjon::token_auth::RemoteKeysBuilder| {
        builder.client(provider.clone()).build().map(drop).map_err(|error| error.kind())
    };
    for (name, result, expected) in [
        ("http issuer", built(RemoteKeys::discover("http://127.0.0.1:4000")), Err(ConfigErrorKind::UrlInsecure)),
        ("http keys", built(RemoteKeys::jwks("http://127.0.0.1:4000/jwks")), Err(ConfigErrorKind::UrlInsecure)),
        ("http allowed", built(RemoteKeys::jwks("http://127.0.0.1:4000/jwks").dangerous_allow_http()), Ok(())),
        ("no URL", built(RemoteKeys::discover("login")), Err(ConfigErrorKind::UrlInvalid)),
        ("user information", built(RemoteKeys::discover("https://a:b@login.example")), Err(ConfigErrorKind::UrlInvalid)),
        ("no lifetime", built(RemoteKeys::discover(ISSUER).lifetime(Duration::ZERO)), Err(ConfigErrorKind::LifetimeTooShort)),
        ("no cooldown", built(RemoteKeys::discover(ISSUER).cooldown(Duration::ZERO)), Err(ConfigErrorKind::LifetimeTooShort)),
        ("no time", built(RemoteKeys::discover(ISSUER).timeout(Duration::ZERO)), Err(ConfigErrorKind::LifetimeTooShort)),
    ] {
        assert_eq!(result, expected, "{name}");
    }
}

#[test]
fn without_a_runtime_it_is_503_and_no_panic() {
    let (clock, issuer, provider) = scene();
    let verifier = verifier(&keys(&provider, &clock), &clock);
    assert_eq!(at_once(&verifier, &token(&issuer)).map(drop), Err(Unavailable));
}

#[test]
fn what_is_printed_holds_no_url() {
    let clock = clock();
    let provider = Provider::of(&issuer("a", &clock));
    let keys = RemoteKeys::jwks("https://keys.example/jwks?secret=hunter2").client(provider.clone());
    let shown = format!("{keys:?}");
    let shown = format!("{shown} {:?} {:?}", keys.build().unwrap(), builder(&provider, &clock).build().unwrap());
    assert!(!shown.contains("hunter2") && shown.contains(ISSUER), "{shown}");
}
