//! Lost updates: what a handler asks before it writes, through axum's extractor.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing,
};
use donjon::{
    Problem, Retryability,
    conditional_cache::{ConditionalCacheLayer, EntityTag, Preconditions, Validators},
};
use http::StatusCode;
use tower::ServiceExt as _;

use super::{Fields, request};
use crate::support::whole;

/// A counter, of which every write makes a new revision.
type Counter = Arc<AtomicU32>;

fn validators(counter: &Counter) -> Validators {
    match counter.load(Ordering::SeqCst) {
        0 => Validators::missing(),
        revision => Validators::existing().with_entity_tag(EntityTag::strong(format!("r{revision}")).unwrap()),
    }
}

fn written(counter: &Counter) -> (StatusCode, Validators) {
    counter.fetch_add(1, Ordering::SeqCst);
    (StatusCode::NO_CONTENT, validators(counter))
}

async fn read(State(counter): State<Counter>) -> Response {
    (validators(&counter), counter.load(Ordering::SeqCst).to_string()).into_response()
}

async fn free(State(counter): State<Counter>, preconditions: Preconditions) -> Result<impl IntoResponse, Problem> {
    preconditions.check(&validators(&counter))?;
    Ok(written(&counter))
}

async fn locked(State(counter): State<Counter>, preconditions: Preconditions) -> Result<impl IntoResponse, Problem> {
    preconditions.require_if_match()?.check(&validators(&counter))?;
    Ok(written(&counter))
}

async fn guarded(State(counter): State<Counter>, preconditions: Preconditions) -> Result<impl IntoResponse, Problem> {
    preconditions.require_any()?.check(&validators(&counter))?;
    Ok(written(&counter))
}

fn app() -> (Counter, Router) {
    let counter = Counter::default();
    let methods = || routing::get(read).put(free).patch(locked).post(guarded);
    let router = Router::new().route("/", methods()).layer(ConditionalCacheLayer::new()).with_state(Arc::clone(&counter));
    (counter, router)
}

async fn ask(router: &Router, method: &str, fields: Fields<'_>) -> Response {
    router.clone().oneshot(request(method, "/", fields).map(Body::new)).await.unwrap()
}

#[tokio::test]
async fn a_stale_write_is_a_412_and_has_no_effect() {
    let (counter, router) = app();
    counter.store(7, Ordering::SeqCst);
    for fields in [
        &[("if-match", "\"r6\"")][..],
        &[("if-match", "W/\"r7\"")],
        &[("if-match", "r7")],
        &[("if-none-match", "*")],
        &[("if-none-match", "\"r7\"")],
    ] {
        let answer = ask(&router, "PUT", fields).await;
        assert_eq!(answer.status(), 412, "{fields:?}");
        assert_eq!(answer.extensions().get::<Retryability>(), Some(&Retryability::Never));
        let (head, content) = whole(answer).await;
        assert_eq!(head.headers["content-type"], "application/problem+json");
        assert!(!String::from_utf8_lossy(&content).contains("r7"), "who may only write must not learn the state");
        assert_eq!(counter.load(Ordering::SeqCst), 7, "{fields:?}");
    }
}

#[tokio::test]
async fn two_writers_with_one_tag_are_told_apart() {
    let (counter, router) = app();
    counter.store(1, Ordering::SeqCst);
    let tag = ask(&router, "GET", &[]).await.headers()["etag"].to_str().unwrap().to_owned();
    let first = ask(&router, "PUT", &[("if-match", &tag)]).await;
    assert_eq!((first.status().as_u16(), &first.headers()["etag"]), (204, &"\"r2\"".parse().unwrap()));
    assert_eq!(ask(&router, "PUT", &[("if-match", &tag)]).await.status(), 412);
    assert_eq!(ask(&router, "PUT", &[("if-match", "\"r1\", \"r2\"")]).await.status(), 204);
    assert_eq!(counter.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn create_only_and_update_only() {
    let (counter, router) = app();
    assert_eq!(ask(&router, "PUT", &[("if-match", "*")]).await.status(), 412, "nothing to update");
    assert_eq!(ask(&router, "PUT", &[("if-none-match", "*")]).await.status(), 204);
    assert_eq!(ask(&router, "PUT", &[("if-none-match", "*")]).await.status(), 412, "created already");
    assert_eq!(ask(&router, "PUT", &[("if-match", "*")]).await.status(), 204);
    assert_eq!(ask(&router, "PUT", &[]).await.status(), 204, "no conditions");
    assert_eq!(counter.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn where_a_condition_is_demanded_its_absence_is_a_428() {
    let (counter, router) = app();
    counter.store(1, Ordering::SeqCst);
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (name, method, fields, expected) in [
        ("If-Match, without", "PATCH", &[][..], 428),
        ("If-Match, another condition", "PATCH", &[("if-none-match", "*")], 428),
        ("If-Match, a date", "PATCH", &[("if-unmodified-since", date)], 428),
        ("If-Match, stale", "PATCH", &[("if-match", "\"r0\"")], 412),
        ("If-Match, empty", "PATCH", &[("if-match", "")], 412),
        ("any, without", "POST", &[], 428),
        ("any, a condition of reads", "POST", &[("if-modified-since", date)], 428),
        ("any, no date", "POST", &[("if-unmodified-since", "yesterday")], 428),
        ("any, create only", "POST", &[("if-none-match", "*")], 412),
    ] {
        let answer = ask(&router, method, fields).await;
        assert_eq!(answer.status(), expected, "{name}");
        assert_eq!(answer.headers()["cache-control"], "no-store", "{name}: RFC 6585 §3");
        let content = whole(answer).await.1;
        let told = String::from_utf8_lossy(&content).contains("If-Match");
        assert_eq!(told, expected == 428, "{name}: a 428 tells how to put things right");
        assert_eq!(counter.load(Ordering::SeqCst), 1, "{name}");
    }
    for (method, fields) in [
        ("PATCH", &[("if-match", "\"r1\"")][..]),
        ("POST", &[("if-unmodified-since", date)]),
        ("POST", &[("if-none-match", "\"r0\"")]),
    ] {
        assert_eq!(ask(&router, method, fields).await.status(), 204, "{method} {fields:?}");
    }
}
