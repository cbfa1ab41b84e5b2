use std::time::Duration;

use http::HeaderValue;

use super::*;
use crate::conditional_cache::cache_control::CacheControl;

fn policy() -> CachePolicy {
    let minute = CacheControl::new().with_public().with_max_age(Duration::from_secs(60)).with_s_maxage(Duration::from_secs(600));
    CachePolicy::builder()
        .rule(CacheRule::new(CacheControl::versioned()).path("/assets/**"))
        .rule(CacheRule::new(minute).path("/prices").path("/rates").content_type("application/json"))
        .rule(CacheRule::new(CacheControl::new()).path("/raw"))
        .rule(CacheRule::new(CacheControl::new().with_max_age(Duration::from_secs(5))).statuses(404..=404).path("/find/*"))
        .rule(CacheRule::new(CacheControl::new().with_no_store()).path("/secret"))
        .build()
        .unwrap()
}

fn written(decision: &Decision<'_>) -> String {
    match decision {
        Decision::Leave => "leave".into(),
        Decision::Write { rendered, .. } => match &rendered.cache_control {
            Some(value) => value.to_str().unwrap().into(),
            None => "nothing".into(),
        },
    }
}

#[test]
fn rules_and_defaults() {
    let policy = policy();
    for (name, path, status, fields, for_one, expected) in [
        ("a rule by path", "/assets/a.js", 200, &[][..], false, "public, max-age=31536000, immutable"),
        ("a detour to it", "/assets/../account", 200, &[], false, "leave"),
        ("for one reader", "/assets/a.js", 200, &[], true, "private, max-age=31536000, immutable"),
        ("that sets a cookie", "/assets/a.js", 200, &[("set-cookie", "a=b")], false, "private, max-age=31536000, immutable"),
        ("a missing asset", "/assets/a.js", 404, &[], false, "no-store"),
        ("a 304 of the handler", "/assets/a.js", 304, &[], false, "public, max-age=31536000, immutable"),
        ("by type too", "/prices", 200, &[("content-type", "application/json")], false, "public, max-age=60, s-maxage=600"),
        ("the other path", "/rates", 200, &[("content-type", "application/json")], false, "public, max-age=60, s-maxage=600"),
        ("another type", "/prices", 200, &[("content-type", "text/csv")], false, "leave"),
        ("s-maxage falls away", "/prices", 200, &[("content-type", "application/json")], true, "private, max-age=60"),
        ("a rule that leaves alone", "/raw", 200, &[("content-type", "text/html")], false, "nothing"),
        ("but not a shared cache", "/raw", 200, &[("content-type", "text/html")], true, "private"),
        ("a rule by status", "/find/x", 404, &[], false, "max-age=5"),
        ("no-store needs no private", "/secret", 200, &[], true, "no-store"),
        ("HTML", "/", 200, &[("content-type", "text/html; charset=utf-8")], false, "no-cache"),
        ("XHTML", "/", 200, &[("content-type", "application/xhtml+xml")], false, "no-cache"),
        ("HTML for one", "/", 200, &[("content-type", "text/html")], true, "private, no-cache"),
        ("a stream of events", "/", 200, &[("content-type", "Text/Event-Stream")], false, "no-store"),
        ("a stream of events for one", "/", 200, &[("content-type", "text/event-stream; charset=utf-8")], true, "no-store"),
        ("a date to guess by", "/", 200, &[("content-type", "text/css"), ("last-modified", "x")], false, "no-cache"),
        ("a date to guess by, for one", "/", 200, &[("last-modified", "x")], true, "private, no-cache"),
        ("a date of the handler's own 304", "/", 304, &[("last-modified", "x")], false, "leave"),
        ("anything else", "/", 200, &[("content-type", "image/png")], false, "leave"),
        ("anything else for one", "/", 200, &[("content-type", "image/png")], true, "private, no-cache"),
        ("a redirect for one", "/", 301, &[], true, "private, no-cache"),
        ("an error", "/", 500, &[], false, "no-store"),
        ("an error for one", "/", 403, &[], true, "no-store"),
        ("a 304 for one", "/", 304, &[], true, "leave"),
        ("switching protocols", "/", 101, &[], true, "leave"),
        ("the handler's word", "/assets/a.js", 200, &[("cache-control", "max-age=1")], false, "leave"),
        ("the handler's word for one", "/assets/a.js", 200, &[("cache-control", "public")], true, "leave"),
        ("the handler's word on an error", "/", 404, &[("cache-control", "max-age=1")], false, "leave"),
        ("the handler's date", "/assets/a.js", 200, &[("expires", "0")], false, "leave"),
        ("the handler's date for one", "/assets/a.js", 200, &[("expires", "0")], true, "private"),
    ] {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        let subject = Subject { status: StatusCode::from_u16(status).unwrap(), headers: &headers, own: None, for_one };
        assert_eq!(written(&policy.decide(policy.candidates(path), &subject)), expected, "{name}");
    }
}

#[test]
fn one_response_overrides_the_rules_but_not_its_own_field() {
    let policy = policy();
    let own = CacheDirectives::new(CacheControl::new().with_public()).with_expires(Duration::from_secs(1));
    let mut headers = HeaderMap::new();
    for expected in ["public", "leave"] {
        let subject = Subject { status: StatusCode::OK, headers: &headers, own: Some(&own), for_one: true };
        assert_eq!(written(&policy.decide(policy.candidates("/assets/a"), &subject)), expected);
        headers.insert("cache-control", HeaderValue::from_static("no-store"));
    }
}

#[test]
fn without_defaults_only_rules_speak() {
    let rule = CacheRule::new(CacheControl::versioned()).path("/a");
    let policy = CachePolicy::builder().rule(rule).dangerous_without_defaults().build().unwrap();
    let headers = HeaderMap::new();
    let subject = |status, for_one| Subject { status, headers: &headers, own: None, for_one };
    let decided = |path, subject| written(&policy.decide(policy.candidates(path), &subject));
    assert_eq!(decided("/b", subject(StatusCode::NOT_FOUND, true)), "leave");
    assert_eq!(decided("/a", subject(StatusCode::OK, true)), "private, max-age=31536000, immutable", "a rule stays careful");
}

#[test]
fn what_cannot_be_built() {
    let rule = || CacheRule::new(CacheControl::new().with_no_cache());
    for (name, wrong, kind) in [
        ("path", rule().path("assets"), PolicyErrorKind::Path),
        ("content type", rule().content_type("html"), PolicyErrorKind::ContentType),
        ("status", rule().statuses(100..=200), PolicyErrorKind::Status),
        (
            "a field that no cache listens to",
            CacheRule::new(CacheDirectives::default().with_targeted(header::CACHE_CONTROL, CacheControl::new().with_no_store())),
            PolicyErrorKind::Targeted,
        ),
        (
            "public and no-store for a network",
            CacheRule::new(CacheDirectives::default().with_cdn(CacheControl::new().with_public().with_no_store())),
            PolicyErrorKind::Contradiction,
        ),
        ("public and private", CacheRule::new(CacheControl::new().with_public().with_private()), PolicyErrorKind::Contradiction),
    ] {
        let error = CachePolicy::builder().rule(rule()).rule(wrong).build().unwrap_err();
        assert_eq!((error.kind(), error.rule()), (kind, 1), "{name}: {error}");
    }
    let crowd = (0..65).fold(CachePolicy::builder(), |builder, _| builder.rule(rule()));
    assert_eq!(crowd.build().unwrap_err().kind(), PolicyErrorKind::TooManyRules);
    let full = (0..63).fold(CachePolicy::builder(), |builder, _| builder.rule(rule().path("/x")));
    let last = CacheRule::new(CacheControl::new().with_no_store()).path("/last");
    let policy = full.rule(last).build().unwrap();
    let headers = HeaderMap::new();
    let subject = Subject { status: StatusCode::OK, headers: &headers, own: None, for_one: false };
    assert_eq!(written(&policy.decide(policy.candidates("/last"), &subject)), "no-store");
}
