//! Opaque tokens: the server is asked what they are.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use donjon::{
    ManualClock, Principal,
    token_auth::{
        Claims, ClientAuth, ConfigErrorKind, Introspection, IntrospectionBuilder, TokenAuthLayer,
        TokenErrorKind::{Expired, Inactive, Oversized, Unavailable, WrongAudience},
        Verdict, VerifyToken as _,
    },
};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use tower::{Layer as _, Service as _};

use super::{Mode, Provider, ask, at_once, issuer, kind, settle};
use crate::{
    support::{allocations, empty, now},
    token_auth::{AUDIENCE, ISSUER, NOW, at, bearing, clock},
};

const SECOND: Duration = Duration::from_secs(1);
const PATH: &str = "/introspect";

fn provider() -> Provider {
    let provider = Provider::of(&issuer("a", &clock()));
    provider.serve(PATH, active(300));
    provider
}

/// The answer about a good token that ends so many seconds from now.
fn active(seconds: u64) -> String {
    let scope = "read write";
    serde_json::json!({ "active": true, "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "scope": scope, "exp": NOW + seconds, "tenant": 7 })
        .to_string()
}

fn builder(provider: &Provider, clock: &ManualClock) -> IntrospectionBuilder {
    Introspection::builder("https://issuer.example/introspect", ClientAuth::basic("api", "hunter2"))
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .client(provider.clone())
        .clock(clock.clone())
}

fn introspection(provider: &Provider, clock: &ManualClock) -> Introspection {
    builder(provider, clock).build().unwrap()
}

#[tokio::test]
async fn an_active_token_makes_a_principal() {
    let (provider, clock) = (provider(), clock());
    let principal = ask(&introspection(&provider, &clock), "opaque-1").await.unwrap();
    assert_eq!((principal.issuer(), principal.subject()), (Some(ISSUER), Some("alice")));
    assert_eq!(principal.scopes().collect::<Vec<_>>(), ["read", "write"]);
    assert_eq!(principal.expires_at(), Some(at(NOW + 300)));
    let Claims(claims) = Claims::<serde_json::Value>::from_principal(&principal).unwrap();
    assert_eq!(claims["tenant"], 7);

    let request = provider.last_request();
    assert_eq!((request.method().as_str(), request.uri().query()), ("POST", None));
    assert_eq!(request.headers()["authorization"], "Basic YXBpOmh1bnRlcjI=");
    assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(request.body(), "token=opaque-1&token_type_hint=access_token");
}

#[tokio::test]
async fn a_good_answer_is_kept_for_its_time_and_never_beyond_the_end_of_the_token() {
    let (provider, clock) = (provider(), clock());
    let verifier = introspection(&provider, &clock);
    assert!(ask(&verifier, "long").await.is_ok());
    clock.advance(29 * SECOND);
    assert!(at_once(&verifier, "long").is_ok());
    assert_eq!(provider.count(PATH), 1);
    clock.advance(SECOND);
    assert!(ask(&verifier, "long").await.is_ok());
    assert_eq!(provider.count(PATH), 2);

    provider.serve(PATH, active(40));
    assert!(ask(&verifier, "short").await.is_ok());
    clock.set(at(NOW + 39));
    assert!(at_once(&verifier, "short").is_ok());
    clock.set(at(NOW + 40));
    assert_eq!(kind(ask(&verifier, "short").await), Err(Expired));
}

#[tokio::test]
async fn a_refusal_is_kept_for_a_shorter_time() {
    let (provider, clock) = (provider(), clock());
    let verifier = introspection(&provider, &clock);
    provider.serve(PATH, r#"{"active":false}"#);
    assert_eq!(kind(ask(&verifier, "nobody's").await), Err(Inactive));
    clock.advance(9 * SECOND);
    assert_eq!(at_once(&verifier, "nobody's").map(drop), Err(Inactive));
    assert_eq!(provider.count(PATH), 1);
    provider.serve(PATH, active(300));
    clock.advance(SECOND);
    assert!(ask(&verifier, "nobody's").await.is_ok());
}

#[tokio::test]
async fn a_revocation_is_seen_when_the_answer_is_old() {
    let (provider, clock) = (provider(), clock());
    let verifier = introspection(&provider, &clock);
    assert!(ask(&verifier, "t").await.is_ok());
    provider.serve(PATH, r#"{"active":false}"#);
    clock.advance(30 * SECOND);
    assert_eq!(kind(ask(&verifier, "t").await), Err(Inactive));
}

#[tokio::test]
async fn one_token_is_asked_about_once_at_a_time() {
    let (provider, clock) = (provider(), clock());
    let verifier = introspection(&provider, &clock);
    provider.set(Mode::Hangs);
    let waiting: Vec<_> = (0..100)
        .map(|n| {
            tokio::spawn({
                let verifier = verifier.clone();
                async move { ask(&verifier, if n % 2 == 0 { "one" } else { "two" }).await }
            })
        })
        .collect();
    settle().await;
    // Who asked first gives up.
    waiting[0].abort();
    provider.set(Mode::Answers);
    for verdict in futures_util::future::join_all(waiting).await.into_iter().skip(1) {
        assert!(verdict.unwrap().is_ok());
    }
    assert_eq!(provider.count(PATH), 2);
}

#[tokio::test]
async fn so_many_questions_at_once_and_no_more() {
    let (provider, clock) = (provider(), clock());
    let verifier = builder(&provider, &clock).max_questions(3).build().unwrap();
    provider.set(Mode::Hangs);
    let waiting: Vec<_> = ["a", "b", "c"].map(|token| verifier.verify(token)).into_iter().collect();
    assert_eq!(at_once(&verifier, "d").map(drop), Err(Unavailable));
    provider.set(Mode::Answers);
    for verdict in waiting {
        let Verdict::Later(later) = verdict else { panic!("nobody was asked yet") };
        assert!(later.await.is_ok());
    }
    settle().await;
    assert!(ask(&verifier, "d").await.is_ok());
}

#[tokio::test]
async fn when_nobody_answers_it_is_503() {
    let (provider, clock) = (provider(), clock());
    let verifier = introspection(&provider, &clock);
    for (name, status, document) in [
        ("an error", 500, "{}"),
        ("wrong client", 401, r#"{"error":"invalid_client"}"#),
        ("bad request", 400, r#"{"error":"invalid_request"}"#),
        ("a redirect", 302, ""),
        ("a page", 200, "<html>"),
        ("no answer", 200, "{}"),
        ("active as text", 200, r#"{"active":"true"}"#),
        ("far too long", 200, &*format!(r#"{{"active":false,"x":"{}"}}"#, "x".repeat(64 * 1024))),
    ] {
        provider.serve_as(PATH, StatusCode::from_u16(status).unwrap(), document);
        let error = ask(&verifier, "t").await.unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (Unavailable, Some(5 * SECOND)), "{name}");
        settle().await;
    }
    for mode in [Mode::Unreachable, Mode::Panics] {
        provider.set(mode);
        assert_eq!(kind(ask(&verifier, "t").await), Err(Unavailable), "{mode:?}");
        settle().await;
    }
    provider.set(Mode::Answers);
    provider.serve(PATH, active(300));
    assert!(ask(&verifier, "t").await.is_ok(), "no failure is kept");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_waited_for_no_longer_than_the_timeout() {
    let (provider, clock) = (provider(), clock());
    provider.set(Mode::Hangs);
    let start = tokio::time::Instant::now();
    assert_eq!(kind(ask(&introspection(&provider, &clock), "t").await), Err(Unavailable));
    assert_eq!(start.elapsed(), 5 * SECOND);
}

#[tokio::test]
async fn a_kind_of_token_that_is_not_asked_about_is_refused() {
    let (provider, clock) = (provider(), clock());
    provider.serve_as(PATH, StatusCode::BAD_REQUEST, r#"{"error":"unsupported_token_type"}"#);
    assert_eq!(kind(ask(&introspection(&provider, &clock), "a.b.c").await), Err(Inactive));
}

#[tokio::test]
async fn a_token_for_somebody_else_is_refused() {
    let (provider, clock) = (provider(), clock());
    provider.serve(PATH, serde_json::json!({ "active": true, "iss": ISSUER, "aud": "https://other.example" }).to_string());
    assert_eq!(kind(ask(&introspection(&provider, &clock), "t").await), Err(WrongAudience));
}

#[tokio::test]
async fn a_megabyte_is_nobody_s_business() {
    let (provider, clock) = (provider(), clock());
    let verifier = introspection(&provider, &clock);
    let long = "a".repeat(1 << 20);
    assert_eq!(at_once(&verifier, &long).map(drop), Err(Oversized));
    assert!(verifier.recall(&long).is_none());
    assert_eq!(provider.count(PATH), 0);
}

#[tokio::test]
async fn a_known_token_is_let_in_without_a_wait_and_with_few_allocations() {
    let (provider, clock) = (provider(), clock());
    let verifier = introspection(&provider, &clock);
    assert!(ask(&verifier, "known").await.is_ok());
    let inner = tower::util::service_fn(|request: Request<Empty<Bytes>>| {
        assert!(request.extensions().get::<Principal>().is_some());
        std::future::ready(Ok::<_, Infallible>(Response::new(())))
    });
    let mut service = TokenAuthLayer::new(verifier).layer(inner);
    let mut request = empty(bearing("known"));
    // What a router leaves there.
    request.extensions_mut().insert("route");
    let (count, response) = allocations(|| now(service.call(request)));
    assert_eq!(response.status(), 200);
    assert!(count <= 4, "{count} allocations");
}

#[test]
fn what_is_configured_wrongly_is_not_built() {
    let (provider, clock) = (provider(), clock());
    let new = |url: &str, auth| Introspection::builder(url, auth).client(provider.clone()).clock(clock.clone());
    let basic = || ClientAuth::basic("a", "b");
    for (name, builder, expected) in [
        ("no audience", new("https://a.example", basic()), Err(ConfigErrorKind::AudienceMissing)),
        (
            "one and any",
            new("https://a.example", basic()).audience("a").dangerous_accept_any_audience(),
            Err(ConfigErrorKind::AudienceAmbiguous),
        ),
        ("http", new("http://a.example", basic()).audience("a"), Err(ConfigErrorKind::UrlInsecure)),
        ("http allowed", new("http://a.example", basic()).audience("a").dangerous_allow_http(), Ok(())),
        (
            "no header",
            new("https://a.example", ClientAuth::bearer("a\nb")).audience("a"),
            Err(ConfigErrorKind::ClientAuthInvalid),
        ),
    ] {
        assert_eq!(builder.build().map(drop).map_err(|error| error.kind()), expected, "{name}");
    }
}

#[test]
fn what_is_printed_holds_no_secret() {
    let (provider, clock) = (provider(), clock());
    let builder = builder(&provider, &clock);
    let shown = format!("{builder:?} {:?}", introspection(&provider, &clock));
    assert!(!shown.contains("hunter2") && shown.contains(AUDIENCE), "{shown}");
}
