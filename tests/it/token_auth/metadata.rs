//! The metadata of a protected resource, and the way to them.

use std::convert::Infallible;

use axum::{Router, routing::get as on_get};
use bytes::Bytes;
use donjon::token_auth::{ProtectedResource, ProtectedResourceLayer};
use http::{Method, Request, Response};
use http_body_util::{Empty, Full};
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};
use tower_test::mock;

use super::{answer, bearing, challenge, echo, layer};
use crate::support::{allocations, empty, get, now, whole};

const PATH: &str = "/.well-known/oauth-protected-resource/v1";

fn resource() -> ProtectedResource {
    ProtectedResource::builder("https://api.example/v1").authorization_server("https://login.example").build().unwrap()
}

#[tokio::test]
async fn the_document_is_served_to_anybody() {
    let service = ProtectedResourceLayer::new(resource()).layer(layer().layer(service_fn(echo::<Empty<Bytes>>)));
    let (parts, body) = whole(service.clone().oneshot(empty(get(PATH))).await.unwrap()).await;
    assert_eq!(parts.status, 200);
    assert_eq!(parts.headers["content-type"], "application/json");
    let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(json["resource"], "https://api.example/v1");
    assert_eq!(json["authorization_servers"], serde_json::json!(["https://login.example"]));
    for (name, method, path, expected) in [
        ("everything else is as before", Method::GET, "/", 401),
        ("another resource", Method::GET, "/.well-known/oauth-protected-resource", 401),
        ("a longer path", Method::GET, "/.well-known/oauth-protected-resource/v1/x", 401),
        ("a query", Method::GET, "/.well-known/oauth-protected-resource/v1?x", 401),
        ("another method", Method::POST, PATH, 405),
    ] {
        let request = empty(Request::builder().method(method).uri(path));
        assert_eq!(service.clone().oneshot(request).await.unwrap().status().as_u16(), expected, "{name}");
    }
    let (parts, body) = whole(service.oneshot(empty(Request::head(PATH))).await.unwrap()).await;
    assert_eq!((parts.status.as_u16(), body.len()), (200, 0));
    assert_eq!(parts.headers["content-length"], resource().to_json().len().to_string());
}

#[tokio::test]
async fn every_challenge_points_to_it() {
    let layer = layer().realm("api").resource_metadata(resource().metadata_url());
    let pointer = r#"resource_metadata="https://api.example/.well-known/oauth-protected-resource/v1""#;
    let (parts, _) = answer(&layer, get("/")).await;
    assert_eq!(challenge(&parts.headers), format!(r#"Bearer realm="api", {pointer}"#));
    let (parts, _) = answer(&layer, bearing("a.b.c")).await;
    assert!(challenge(&parts.headers).contains(pointer) && challenge(&parts.headers).contains("invalid_token"));
}

#[tokio::test]
async fn it_fits_around_an_axum_router() {
    let app = Router::new().route("/", on_get(|| async { "hello" })).layer(ProtectedResourceLayer::new(resource()));
    let ask = |path: &str| app.clone().oneshot(get(path).body(axum::body::Body::empty()).unwrap());
    assert_eq!(ask(PATH).await.unwrap().status(), 200);
    assert_eq!(ask("/").await.unwrap().status(), 200);
    assert_eq!(ask("/nothing").await.unwrap().status(), 404);
}

#[tokio::test]
async fn readiness_and_errors_are_the_inner_service_s() {
    let layer = ProtectedResourceLayer::new(resource());
    let (mut service, mut inner) = mock::spawn_layer::<Request<Empty<Bytes>>, Response<Full<Bytes>>, _>(layer);
    inner.allow(0);
    assert!(service.poll_ready().is_pending());
    inner.allow(1);
    assert!(service.poll_ready().is_ready());
    let response = service.call(empty(get("/")));
    inner.next_request().await.unwrap().1.send_error("broken");
    assert_eq!(response.await.unwrap_err().to_string(), "broken");
}

#[test]
fn a_request_for_something_else_costs_no_allocation() {
    let inner = tower::util::service_fn(|_: Request<Empty<Bytes>>| std::future::ready(Ok::<_, Infallible>(Response::new(()))));
    let mut service = ProtectedResourceLayer::new(resource()).layer(inner);
    let request = empty(get("/articles/7?full"));
    let (count, response) = allocations(|| now(service.call(request)));
    assert_eq!((count, response.status().as_u16()), (0, 200));
}
