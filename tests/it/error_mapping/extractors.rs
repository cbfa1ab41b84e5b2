//! What axum's own extractors refuse, told as problems.

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, Path, Query, Request},
    response::Response,
    routing::{get, post},
};
use donjon::{
    OrProblem, Problem, Retryability,
    error_mapping::{ErrorCounts, ErrorMappingLayer},
};
use http::StatusCode;
use serde::Deserialize;
use tower::ServiceExt as _;

use crate::support::whole;

#[derive(Deserialize)]
struct Order {
    pieces: u32,
}

#[derive(Clone)]
struct Ledger;

async fn by_json(OrProblem(Json(order)): OrProblem<Json<Order>>) -> String {
    order.pieces.to_string()
}
async fn by_query(OrProblem(Query(order)): OrProblem<Query<Order>>) -> String {
    order.pieces.to_string()
}
async fn by_path(OrProblem(Path(pieces)): OrProblem<Path<u32>>) -> String {
    pieces.to_string()
}
async fn by_extension(_: OrProblem<Extension<Ledger>>) {}
async fn by_text(OrProblem(text): OrProblem<String>) -> String {
    text
}
async fn bare(Json(order): Json<Order>) -> String {
    order.pieces.to_string()
}
/// Several at once, of the head and of the content.
async fn together(_: OrProblem<Query<Order>>, OrProblem(Json(order)): OrProblem<Json<Order>>) -> String {
    order.pieces.to_string()
}
async fn perhaps(order: Result<OrProblem<Json<Order>>, Response>) -> String {
    order.map_or_else(|refused| refused.status().to_string(), |OrProblem(Json(order))| order.pieces.to_string())
}

fn router() -> Router {
    Router::new()
        .route("/json", post(by_json))
        .route("/query", get(by_query))
        .route("/path/{pieces}", get(by_path))
        .route("/extension", get(by_extension))
        .route("/text", post(by_text))
        .route("/bare", post(bare))
        .route("/together", post(together))
        .route("/perhaps", post(perhaps))
        .layer(DefaultBodyLimit::max(32))
}

fn json(path: &str, content: &str) -> Request {
    Request::post(path).header("content-type", "application/json").body(Body::from(content.to_owned())).unwrap()
}

fn in_pieces(pieces: &[String]) -> Body {
    let pieces: Vec<_> = pieces.iter().cloned().map(Ok::<_, std::convert::Infallible>).collect();
    Body::from_stream(futures_util::stream::iter(pieces))
}

fn head(path: &str) -> Request {
    Request::get(path).body(Body::empty()).unwrap()
}

async fn send(router: Router, request: Request) -> (http::response::Parts, String) {
    let (parts, body) = whole(router.oneshot(request).await.unwrap()).await;
    (parts, String::from_utf8(body.to_vec()).unwrap())
}

/// By name, what is sent, and the status and the beginning of the detail that come back.
fn refused() -> [(&'static str, Request, u16, Option<&'static str>); 10] {
    [
        ("no JSON", json("/json", "{"), 400, Some("Failed to parse the request body as JSON")),
        (
            "JSON of another shape",
            json("/json", "{}"),
            422,
            Some("Failed to deserialize the JSON body into the target type: missing field"),
        ),
        (
            "JSON that does not say so",
            Request::post("/json").body(Body::from("{}")).unwrap(),
            415,
            Some("Expected request with `Content-Type: application/json`"),
        ),
        ("too much JSON", json("/json", &" ".repeat(33)), 413, Some("Failed to buffer the request body: length limit exceeded")),
        ("a query", head("/query?pieces=few"), 400, Some("Failed to deserialize query string: pieces: invalid digit")),
        ("a path", head("/path/few"), 400, Some("Invalid URL: Cannot parse `few` to a `u32`")),
        (
            "a text that is too long",
            Request::post("/text").body(Body::from("x".repeat(33))).unwrap(),
            413,
            Some("Failed to buffer"),
        ),
        (
            "one that does not say how long it is",
            Request::post("/text").body(in_pieces(&["x".repeat(30), "x".repeat(3)])).unwrap(),
            413,
            Some("Failed to buffer"),
        ),
        ("an extension that nobody has added", head("/extension"), 500, None),
        ("a query before the content", json("/together", r#"{"pieces":1}"#), 400, Some("Failed to deserialize query string")),
    ]
}

#[tokio::test]
async fn each_extractor_is_refused_by_a_problem() {
    for (name, request, status, detail) in refused() {
        let (parts, body) = send(router(), request).await;
        assert_eq!(parts.status, status, "{name}: {body}");
        assert_eq!(parts.headers["content-type"], "application/problem+json", "{name}");
        assert_eq!(parts.headers["cache-control"], "no-store", "{name}");
        assert_eq!(parts.extensions.get(), Some(&Retryability::Never), "{name}");
        let problem = parts.extensions.get::<Problem>().unwrap();
        assert_eq!(problem.to_json(), body, "{name}");
        match detail {
            Some(detail) => assert!(problem.detail().unwrap().starts_with(detail), "{name}: {body}"),
            None => assert_eq!(problem, &Problem::new(StatusCode::INTERNAL_SERVER_ERROR), "{name}"),
        }
    }
}

#[tokio::test]
async fn the_mapping_renders_them_in_the_form_that_the_client_reads() {
    let counts = ErrorCounts::new();
    for (accept, content_type) in [
        ("application/problem+json", "application/problem+json"),
        ("text/html", "text/html; charset=utf-8"),
        ("text/plain", "text/plain; charset=utf-8"),
    ] {
        for (name, mut request, status, detail) in refused() {
            request.headers_mut().insert("accept", accept.parse().unwrap());
            let mapped = router().layer(ErrorMappingLayer::new().count_in(&counts));
            let (parts, body) = send(mapped, request).await;
            assert_eq!(
                (parts.status.as_u16(), parts.headers["content-type"].to_str().unwrap()),
                (status, content_type),
                "{name}"
            );
            assert!(!body.contains("Ledger") && !body.contains("extension"), "{name}: {body}");
            if let Some(detail) = detail {
                assert!(body.contains(detail), "{name}: {body}");
            }
        }
    }
    assert_eq!(counts.read().iter().map(|kind| kind.count).sum::<u64>(), 3 * refused().len() as u64);
}

#[tokio::test]
async fn what_the_client_sent_is_quoted_and_cannot_open_a_tag() {
    let mut request = json("/json", r#"{"pieces":"<script>"}"#);
    request.headers_mut().insert("accept", "text/html".parse().unwrap());
    let (parts, body) = send(router().layer(ErrorMappingLayer::new()), request).await;
    assert_eq!(parts.status, 422);
    assert!(body.contains("&lt;script&gt;") && !body.contains("<script>"), "{body}");
}

#[tokio::test]
async fn what_is_well_passes_and_a_handler_may_decide_for_itself() {
    for (request, expected) in [
        (json("/json", r#"{"pieces":3}"#), "3"),
        (head("/query?pieces=3"), "3"),
        (head("/path/3"), "3"),
        (json("/together?pieces=1", r#"{"pieces":3}"#), "3"),
        (json("/perhaps", r#"{"pieces":3}"#), "3"),
        (json("/perhaps", "{}"), "422 Unprocessable Entity"),
    ] {
        let (parts, body) = send(router(), request).await;
        assert_eq!((parts.status.as_u16(), body.as_str()), (200, expected));
    }
}

/// What the extractor is for: without it the layer has nothing to render.
#[tokio::test]
async fn without_it_axums_text_passes() {
    let (parts, _) = send(router().layer(ErrorMappingLayer::new()), json("/bare", "{}")).await;
    assert_eq!((parts.status.as_u16(), &parts.headers["content-type"]), (422, &"text/plain; charset=utf-8".parse().unwrap()));
}
