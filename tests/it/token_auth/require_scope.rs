//! What a caller must have been granted.

use std::{convert::Infallible, task::Poll};

use bytes::Bytes;
use donjon::{
    Principal, Problem,
    token_auth::{JwtVerifier, Rejection, RejectionKind, RequireScopeLayer, TokenAuthLayer},
};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use serde_json::json;
use tower::{
    Layer as _, Service as _, ServiceBuilder, ServiceExt as _, limit::ConcurrencyLimitLayer, service_fn,
    util::BoxCloneSyncService,
};

use super::{bearing, challenge, echo, forger::Forger, layer};
use crate::support::{allocations, empty, get, now, whole};

async fn ask(
    auth: TokenAuthLayer<JwtVerifier>,
    required: RequireScopeLayer,
    request: http::request::Builder,
) -> (http::response::Parts, String) {
    let service = ServiceBuilder::new().layer(auth).layer(required).service(service_fn(echo));
    let (parts, body) = whole(service.oneshot(empty(request)).await.unwrap()).await;
    (parts, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn who_was_granted_it_passes_and_who_was_not_is_told_what_it_takes() {
    let reader = Forger::good().claim("scope", "read").sign();
    let writer = Forger::good().claim("scope", "read write").sign();
    for (name, token, required, status, scope) in [
        ("granted", &writer, RequireScopeLayer::all_of(["write", "read"]), 200, ""),
        ("one missing", &reader, RequireScopeLayer::all_of(["read", "write"]), 403, "read write"),
        ("any", &reader, RequireScopeLayer::any_of(["write", "read"]), 200, ""),
        ("none of any", &reader, RequireScopeLayer::any_of(["write", "admin"]), 403, "write admin"),
    ] {
        let (parts, body) = ask(layer().realm("api"), required, bearing(token)).await;
        assert_eq!(parts.status, status, "{name}");
        assert_eq!(parts.extensions.get::<Principal>().unwrap().subject(), Some("alice"), "{name}");
        if status == 200 {
            assert_eq!(body, "alice|", "{name}");
            continue;
        }
        let expected = format!(
            r#"Bearer realm="api", error="insufficient_scope", error_description="The access token does not grant what this needs", scope="{scope}""#
        );
        assert_eq!(challenge(&parts.headers), expected, "{name}");
        assert_eq!(parts.headers.get_all("www-authenticate").iter().count(), 1, "{name}");
        assert!(body.contains(r#""error":"insufficient_scope""#), "{name}: {body}");
        assert_eq!(parts.headers["cache-control"], "no-store", "{name}");
        assert_eq!(parts.extensions.get::<Rejection>().unwrap().kind(), RejectionKind::InsufficientScope, "{name}");
    }
}

#[tokio::test]
async fn roles_are_found_by_their_path() {
    let roles = |roles: &[&str]| Forger::good().claim("realm_access", json!({ "roles": roles })).claim("scope", "admin").sign();
    let required = || RequireScopeLayer::any_of(["admin", "owner"]).claim(["realm_access", "roles"]);
    let (parts, _) = ask(layer(), required(), bearing(&roles(&["owner"]))).await;
    assert_eq!(parts.status, 200);
    let (parts, _) = ask(layer(), required(), bearing(&roles(&["user"]))).await;
    assert_eq!(parts.status, 403);
    assert!(!challenge(&parts.headers).contains("scope="), "a role is no scope");
}

#[tokio::test]
async fn the_anonymous_are_asked_for_a_token() {
    let auth = || layer().realm("api").allow_anonymous();
    for required in [RequireScopeLayer::all_of(["read"]), RequireScopeLayer::all_of(Vec::<String>::new())] {
        let (parts, body) = ask(auth(), required, get("/")).await;
        assert_eq!((parts.status.as_u16(), challenge(&parts.headers)), (401, r#"Bearer realm="api""#));
        assert!(!body.contains("error\"") && !body.contains("nobody"), "{body}");
        assert_eq!(parts.extensions.get::<Rejection>().unwrap().kind(), RejectionKind::Missing);
        assert_eq!(parts.extensions.get::<Problem>().unwrap().status(), 401);
    }
}

#[tokio::test]
async fn the_challenge_is_the_outer_layer_s_through_layers_between() {
    let service = ServiceBuilder::new()
        .layer(layer().realm("api").allow_anonymous())
        .map_response(|response: Response<_>| response)
        .layer(ConcurrencyLimitLayer::new(1))
        .layer(RequireScopeLayer::all_of(["read"]))
        .service(service_fn(echo::<Empty<Bytes>>));
    let response = service.oneshot(empty(get("/"))).await.unwrap();
    assert_eq!((response.status().as_u16(), challenge(response.headers())), (401, r#"Bearer realm="api""#));
}

#[test]
fn without_token_auth_nobody_passes() {
    for request in [get("/"), bearing(&Forger::good().sign())] {
        let response = now(RequireScopeLayer::all_of(["read"]).layer(bare()).call(empty(request)));
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!response.headers().contains_key("www-authenticate"));
    }
}

type Answer = std::future::Ready<Result<Response<()>, Infallible>>;

fn bare() -> impl tower::Service<Request<Empty<Bytes>>, Response = Response<()>, Error = Infallible, Future = Answer> + Clone {
    service_fn(|_| std::future::ready(Ok(Response::new(()))))
}

#[tokio::test]
async fn readiness_errors_and_calls_are_the_inner_service_s() {
    let required = RequireScopeLayer::all_of(["read"]);
    let (mut service, mut inner) = tower_test::mock::spawn_layer::<Request<Empty<Bytes>>, Response<Empty<Bytes>>, _>(required);
    inner.allow(0);
    assert!(service.poll_ready().is_pending());
    inner.allow(1);
    assert!(service.poll_ready().is_ready());
    let mut request = empty(get("/"));
    request.extensions_mut().insert(Principal::builder().scopes(["read"]).build());
    let response = service.call(request);
    inner.next_request().await.unwrap().1.send_error("broken");
    assert_eq!(response.await.unwrap_err().to_string(), "broken");
    inner.allow(1);
    assert!(service.poll_ready().is_ready());
    assert_eq!(service.call(empty(get("/"))).await.unwrap().status(), 500);
    assert!(matches!(futures_util::poll!(std::pin::pin!(inner.next_request())), Poll::Pending));
}

#[tokio::test]
async fn the_layer_fits_where_services_go() {
    let service = ServiceBuilder::new().layer(layer()).layer(RequireScopeLayer::all_of(["read"]));
    let service = service.layer(ConcurrencyLimitLayer::new(1)).service(service_fn(echo::<Empty<Bytes>>));
    let service = BoxCloneSyncService::new(service);
    let token = Forger::good().claim("scope", "read").sign();
    assert_eq!(service.oneshot(empty(bearing(&token))).await.unwrap().status(), 200);

    let app = axum::Router::new()
        .route("/", axum::routing::get(|| async { "hello" }).layer(RequireScopeLayer::all_of(["read"])))
        .layer(layer());
    let request = bearing(&token).body(axum::body::Body::empty()).unwrap();
    assert_eq!(app.oneshot(request).await.unwrap().status(), 200);
}

#[test]
fn a_caller_who_passes_costs_no_allocation() {
    let mut service = RequireScopeLayer::all_of(["read"]).layer(bare());
    let mut request = empty(get("/"));
    request.extensions_mut().insert(Principal::builder().scopes(["read"]).build());
    let (count, response) = allocations(|| now(service.call(request)));
    assert_eq!((count, response.status().as_u16()), (0, 200));
}
