//! 304 from a version, with nothing made.

use std::{
    cell::Cell,
    convert::Infallible,
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{Router, routing};
use bytes::Bytes;
use donjon::conditional_cache::{
    CacheControl, CachePolicy, CacheRule, ConditionalCacheLayer, FromVersionLayer, Preconditions, Version,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body::Body as _;
use http_body_util::{Empty, Full};
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt as _, service_fn};

use super::{Fields, field, headers, request, response};
use crate::support::{allocations, now, whole};

type Asked = Request<Empty<Bytes>>;

fn changed() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(784_111_777_500)
}

/// What comes of one request where the version is known, and whether the handler was asked.
#[track_caller]
fn answered<T>(version: Option<T>, asked: Asked, own: Fields<'_>) -> (u16, HeaderMap, bool)
where
    T: Into<Version> + Clone,
{
    let called = Arc::new(AtomicUsize::new(0));
    let own = headers(own);
    let handler = service_fn(|_: Asked| {
        called.fetch_add(1, Ordering::SeqCst);
        let mut response = response(200, &[], Full::<Bytes>::from("made"));
        *response.headers_mut() = own.clone();
        ready(Ok::<_, Infallible>(response))
    });
    let mut service = FromVersionLayer::new(|_: &Parts| ready(version.clone())).layer(handler);
    let (parts, _) = now(service.call(asked)).into_parts();
    (parts.status.as_u16(), parts.headers, called.load(Ordering::SeqCst) == 1)
}

#[test]
fn who_has_the_version_is_answered_before_anything_is_made() {
    for (name, method, asked, expected, made) in [
        ("a first visit", "GET", &[][..], 200, true),
        ("the same", "GET", &[("if-none-match", "\"7\"")], 304, false),
        ("the same, weak", "GET", &[("if-none-match", "W/\"7\"")], 304, false),
        ("the same, to HEAD", "HEAD", &[("if-none-match", "\"7\"")], 304, false),
        ("any", "GET", &[("if-none-match", "*")], 304, false),
        ("an older one", "GET", &[("if-none-match", "\"6\"")], 200, true),
        ("a part of this one only", "GET", &[("if-match", "\"7\"")], 200, true),
        ("a part of another only", "GET", &[("if-match", "\"6\"")], 412, false),
        ("a write", "POST", &[("if-none-match", "\"7\"")], 200, true),
    ] {
        let (status, headers, called) = answered(Some(7_u64), request(method, "/", asked), &[]);
        assert_eq!((status, called), (expected, made), "{name}");
        let tag = headers.get("etag").map(|value| value.to_str().unwrap());
        assert_eq!(tag, (method != "POST" && status != 412).then_some("\"7\""), "{name}");
    }
}

#[test]
fn a_time_of_change_is_both_validators() {
    let asked: Fields<'_> = &[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")];
    let (status, headers, called) = answered(Some(changed()), request("GET", "/", asked), &[]);
    assert_eq!((status, called), (304, false));
    assert_eq!(headers.keys().collect::<Vec<_>>(), ["etag"], "the tag says it all");
    let (status, headers, _) = answered(Some(changed() + Duration::from_secs(1)), request("GET", "/", asked), &[]);
    assert_eq!((status, &headers["last-modified"]), (200, &HeaderValue::from_static("Sun, 06 Nov 1994 08:49:38 GMT")));
}

#[test]
fn the_handlers_own_validators_win_and_errors_get_none() {
    let own: Fields<'_> = &[("etag", "\"mine\""), ("last-modified", "Sun, 06 Nov 1994 08:49:36 GMT")];
    let (_, headers, _) = answered(Some(changed()), request("GET", "/", &[]), own);
    assert_eq!(headers, super::headers(own));
    let missing = service_fn(|_: Asked| ready(Ok::<_, Infallible>(response(404, &[], Full::<Bytes>::from("gone")))));
    let mut service = FromVersionLayer::new(|_: &Parts| ready(Some(7))).layer(missing);
    assert_eq!(field(&now(service.call(request("GET", "/", &[]))), "etag"), None);
}

#[test]
fn what_has_no_version_passes() {
    let (status, headers, called) = answered(None::<u64>, request("GET", "/", &[("if-none-match", "*")]), &[]);
    assert_eq!((status, headers.len(), called), (200, 0, true));
}

#[tokio::test(start_paused = true)]
async fn a_source_may_wait_and_sees_the_request() {
    let source = |parts: &Parts| {
        let revision = parts.uri.path().trim_start_matches('/').parse::<u32>();
        async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            revision.ok()
        }
    };
    let handler =
        service_fn(|asked: Asked| ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(asked.uri().to_string())))));
    // What was polled ready is called, after the wait.
    let limited = ServiceBuilder::new().layer(FromVersionLayer::new(source)).concurrency_limit(1).service(handler);
    let mut service = limited;
    for (path, tag) in [("/8", Some("\"8\"")), ("/x", None)] {
        let answer = service.ready().await.unwrap().call(request("GET", path, &[])).await.unwrap();
        assert_eq!(field(&answer, "etag"), tag);
        assert_eq!(whole(answer).await.1, path);
    }
    let known = service.ready().await.unwrap().call(request("GET", "/8", &[("if-none-match", "\"8\"")])).await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    // The permit of the request that needed no handler was given back.
    assert_eq!(service.ready().await.unwrap().call(request("GET", "/9", &[])).await.unwrap().status(), StatusCode::OK);
}

/// As a server hands it over: the values are shared with what was read from the line.
fn shared(fields: &[(header::HeaderName, &'static str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
}

const BROWSER: [(header::HeaderName, &str); 3] =
    [(header::ACCEPT_ENCODING, "gzip, deflate, br, zstd"), (header::COOKIE, "a=b"), (header::IF_NONE_MATCH, "W/\"7\"")];

#[test]
fn a_304_from_a_version_costs_at_most_three_allocations_and_makes_nothing() {
    let handler = service_fn(|_: Asked| async { unreachable!("nothing has to be made") });
    let handler = handler.map_result(|made: Result<Response<Full<Bytes>>, Infallible>| made);
    for (name, version) in [
        ("a revision", Version::from(7_u64)),
        ("a build", Version::from("7")),
        ("a revision with a date", Version::from(7_u64).with_last_modified(changed())),
    ] {
        let mut service = FromVersionLayer::new(|_: &Parts| ready(Some(version.clone()))).layer(handler.clone());
        let mut asked = request("GET", "/", &[]);
        *asked.headers_mut() = shared(&BROWSER);
        let (count, answer) = allocations(|| now(service.call(asked)));
        assert_eq!((answer.status().as_u16(), field(&answer, "etag")), (304, Some("W/\"7\"")), "{name}");
        assert!(answer.body().is_end_stream());
        assert!(count <= 3, "{name}: {count} allocations");
    }
}

/// The layer around it has to remember the conditions, in case that the handler answers: one more.
#[test]
fn within_the_whole_layer_it_costs_one_allocation_more() {
    let handler = service_fn(|_: Asked| ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("made")))));
    let rule = CacheRule::new(CacheControl::new().with_no_cache()).path("/**");
    let policy = CachePolicy::builder().rule(rule).build().unwrap();
    let mut service = ServiceBuilder::new()
        .layer(ConditionalCacheLayer::new().policy(policy))
        .layer(FromVersionLayer::new(|_: &Parts| ready(Some(7_u64))))
        .service(handler);
    // The text of a rule is shared from its first use on.
    now(service.call(request("GET", "/", &[])));
    let mut asked = request("GET", "/", &[]);
    *asked.headers_mut() = shared(&BROWSER);
    let (count, answer) = allocations(|| now(service.call(asked)));
    assert_eq!((answer.status().as_u16(), field(&answer, "cache-control")), (304, Some("no-cache")));
    assert!(count <= 4, "{count} allocations");
}

#[test]
fn a_handler_answers_from_a_version_within_three_allocations() {
    let headers = shared(&BROWSER);
    let made = Cell::new(0);
    let make = async || {
        made.set(made.get() + 1);
        Response::new(Full::<Bytes>::from("made"))
    };
    let ask = |version: Version| now(async { Ok::<_, Infallible>(version.respond(&Method::GET, &headers, make).await) });
    let (count, answer) = allocations(|| ask(7_u64.into()));
    assert_eq!((answer.status().as_u16(), made.get()), (304, 0));
    assert!(count <= 3, "{count} allocations");
    let answer = ask(8_u64.into());
    assert_eq!((answer.status().as_u16(), field(&answer, "etag"), made.get()), (200, Some("W/\"8\""), 1));
}

#[test]
fn a_write_is_guarded_and_never_gets_the_version_that_it_ends() {
    let version = || Version::from(7_u64).with_strong_tag();
    for (tag, expected) in [("\"7\"", 200), ("\"6\"", 412)] {
        let headers = headers(&[("if-match", tag)]);
        let written = Cell::new(0);
        let write = async || {
            written.set(written.get() + 1);
            Response::new(Full::<Bytes>::from("written"))
        };
        let answer = now(async { Ok::<_, Infallible>(version().respond(&Method::PUT, &headers, write).await) });
        assert_eq!(
            (answer.status().as_u16(), written.get(), field(&answer, "etag")),
            (expected, u8::from(expected == 200), None)
        );
    }
}

#[test]
fn a_strong_version_locks() {
    let version = Version::from(7_u64).with_strong_tag();
    for (tag, expected) in [("\"7\"", None), ("\"6\"", Some(412)), ("W/\"7\"", Some(412))] {
        let headers = headers(&[("accept-encoding", "gzip"), ("if-match", tag)]);
        let refused: Option<Response<donjon::conditional_cache::ResponseBody<Full<Bytes>>>> =
            version.answer(&Method::PUT, &headers);
        assert_eq!(refused.map(|answer| answer.status().as_u16()), expected, "{tag}");
        let guarded = Preconditions::from_headers(&headers).check(&version.validators(&headers));
        assert_eq!(guarded.err().map(|problem| problem.status().as_u16()), expected, "{tag}");
    }
}

#[tokio::test]
async fn within_the_whole_layer_a_304_tells_the_policy_too() {
    let policy = CachePolicy::builder().rule(CacheRule::new(CacheControl::new().with_no_cache()).path("/**")).build().unwrap();
    let app = Router::new()
        .route("/", routing::get(async || "made"))
        .layer(FromVersionLayer::new(|_: &Parts| ready(Some("build-7"))))
        .layer(ConditionalCacheLayer::new().policy(policy));
    let ask = async |tag: &str| {
        let asked = Request::get("/").header("if-none-match", tag).body(axum::body::Body::empty()).unwrap();
        whole(app.clone().oneshot(asked).await.unwrap()).await
    };
    let (known, content) = ask("\"build-7\"").await;
    assert_eq!((known.status.as_u16(), content.len()), (304, 0));
    assert_eq!(
        (&known.headers["etag"], &known.headers["cache-control"]),
        (&"\"build-7\"".parse().unwrap(), &"no-cache".parse().unwrap())
    );
    let (changed, content) = ask("\"build-6\"").await;
    assert_eq!((changed.status.as_u16(), &changed.headers["etag"], &content[..]), (200, &known.headers["etag"], &b"made"[..]));
}
