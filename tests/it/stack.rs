//! The whole stack in every order: what the layers promise together does not hang on who stands outside.

use std::{future::Ready, net::SocketAddr};

use axum::{Router, body::Body, routing::get};
use donjon::{
    Principal, Problem, Revoker,
    conditional_cache::{CacheControl, CachePolicy, CacheRule, ConditionalCacheLayer},
    error_mapping::ErrorMappingLayer,
    lazy_images::LazyImagesLayer,
    token_auth::{TokenAuthLayer, TokenError, TokenErrorKind, Verdict, VerifyToken},
    ws_upgrade::{WsAccept, WsHandshake, WsUpgradeLayer},
};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Request, Response, StatusCode, header};
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest as _};
use tower::ServiceExt as _;

use crate::support::{orders, whole};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Floor {
    ErrorMapping,
    TokenAuth,
    ConditionalCache,
    LazyImages,
    WsUpgrade,
}

const FLOORS: [Floor; 5] = [Floor::ErrorMapping, Floor::TokenAuth, Floor::ConditionalCache, Floor::LazyImages, Floor::WsUpgrade];

/// Knows one token, whose principal can be revoked.
struct Fixed(Revoker);

impl VerifyToken for Fixed {
    type Future = Ready<Result<Principal, TokenError>>;

    fn verify(&self, token: &str) -> Verdict<Self::Future> {
        Verdict::Now(match token {
            "good" => Ok(Principal::builder().issuer("i").subject("alice").revoker(&self.0).build()),
            _ => Err(TokenErrorKind::SignatureInvalid.into()),
        })
    }
}

async fn chat(handshake: WsHandshake) -> WsAccept {
    handshake.accept(|mut socket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            if matches!(message, donjon::ws_upgrade::Message::Text(_)) {
                let _ = socket.send(message).await;
            }
        }
    })
}

fn stack(order: &[Floor], revoker: &Revoker) -> Router {
    let app = Router::new()
        .route("/article", get(|| async { "an article" }))
        .route("/gallery", get(|| async { axum::response::Html(GALLERY) }))
        .route("/asset.css", get(|| async { ([(header::CONTENT_TYPE, "text/css")], "a {}") }))
        .route("/panic", get(|| async { panic!("canary") as StatusCode }))
        .route("/refuse", get(|| async { Problem::new(StatusCode::CONFLICT).with_detail("Somebody else was first.") }))
        .route("/error", get(|| async { Problem::new(StatusCode::BAD_GATEWAY) }))
        .route("/ws", get(chat));
    order.iter().fold(app, |app, floor| match floor {
        Floor::ErrorMapping => app.layer(ErrorMappingLayer::new()),
        Floor::TokenAuth => app.layer(TokenAuthLayer::new(Fixed(revoker.clone()))),
        Floor::ConditionalCache => app.layer(ConditionalCacheLayer::new().policy(
            CachePolicy::builder().rule(CacheRule::new(CacheControl::versioned()).content_type("text/css")).build().unwrap(),
        )),
        Floor::LazyImages => app.layer(LazyImagesLayer::new().eager(0)),
        Floor::WsUpgrade => app.layer(WsUpgradeLayer::new()),
    })
}

async fn ask(app: &Router, path: &str, fields: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::get(path).header("host", "app.example");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let response: Response<Body> = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = whole(response).await;
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

const GALLERY: &str = "<img src=a.jpg width=600 height=400 alt=''>";
const LAZY_GALLERY: &str = "<img loading=lazy decoding=async src=a.jpg width=600 height=400 alt=''>";

const GOOD: (&str, &str) = ("authorization", "Bearer good");

#[tokio::test]
async fn a_stranger_is_refused_in_every_order() {
    for order in orders(&FLOORS) {
        let app = stack(&order, &Revoker::new());
        let (status, headers, body) = ask(&app, "/article", &[]).await;
        assert_eq!((status, &headers["www-authenticate"]), (StatusCode::UNAUTHORIZED, &"Bearer".parse().unwrap()), "{order:?}");
        assert_eq!(headers["content-type"], "application/problem+json", "{order:?}");
        assert_eq!(headers["cache-control"], "no-store", "{order:?}");
        assert!(!body.contains("an article"), "{order:?}");
        let (status, headers, _) = ask(&app, "/article", &[("authorization", "Bearer bad")]).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{order:?}");
        assert!(headers["www-authenticate"].to_str().unwrap().contains(r#"error="invalid_token""#), "{order:?}");
    }
}

#[tokio::test]
async fn a_stranger_learns_nothing_from_validators_in_any_order() {
    for order in orders(&FLOORS) {
        let app = stack(&order, &Revoker::new());
        let (_, headers, _) = ask(&app, "/article", &[GOOD]).await;
        let tag = headers["etag"].to_str().unwrap();
        let (status, ..) = ask(&app, "/article", &[("if-none-match", tag)]).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{order:?}");
    }
}

#[tokio::test]
async fn a_known_caller_gets_a_private_answer_and_then_a_304_in_every_order() {
    for order in orders(&FLOORS) {
        let app = stack(&order, &Revoker::new());
        let (status, first, body) = ask(&app, "/article", &[GOOD]).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "an article"), "{order:?}");
        let (status, again, body) = ask(&app, "/article", &[GOOD, ("if-none-match", first["etag"].to_str().unwrap())]).await;
        assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{order:?}");
        assert_eq!(again["etag"], first["etag"], "{order:?}");
    }
}

#[tokio::test]
async fn a_page_has_lazy_images_and_then_a_304_in_every_order() {
    for order in orders(&FLOORS) {
        let app = stack(&order, &Revoker::new());
        let (status, first, body) = ask(&app, "/gallery", &[GOOD]).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, LAZY_GALLERY), "{order:?}");
        assert!(first.get("content-length").is_none_or(|length| *length == LAZY_GALLERY.len().to_string()), "{order:?}");
        let (status, again, body) = ask(&app, "/gallery", &[GOOD, ("if-none-match", first["etag"].to_str().unwrap())]).await;
        assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{order:?}");
        assert_eq!(again["etag"], first["etag"], "{order:?}");
    }
}

#[tokio::test]
async fn a_policy_never_makes_somebodys_answer_public_in_any_order() {
    for order in orders(&FLOORS) {
        let (_, headers, _) = ask(&stack(&order, &Revoker::new()), "/asset.css", &[GOOD]).await;
        let control = headers["cache-control"].to_str().unwrap();
        assert!(control.contains("private") && !control.contains("public"), "{order:?}: {control}");
    }
}

#[tokio::test]
async fn a_panic_is_a_500_that_tells_nothing_in_every_order() {
    for order in orders(&FLOORS) {
        let (status, headers, body) = ask(&stack(&order, &Revoker::new()), "/panic", &[GOOD]).await;
        assert_eq!(
            (status, &headers["cache-control"]),
            (StatusCode::INTERNAL_SERVER_ERROR, &"no-store".parse().unwrap()),
            "{order:?}"
        );
        assert!(body.contains(r#""retry":"never""#) && !body.contains("canary"), "{order:?}: {body}");
    }
}

#[tokio::test]
async fn a_handlers_problem_becomes_a_page_in_every_order() {
    for order in orders(&FLOORS) {
        let app = stack(&order, &Revoker::new());
        let (status, headers, body) = ask(&app, "/refuse", &[GOOD, ("accept", "text/html")]).await;
        assert_eq!(status, StatusCode::CONFLICT, "{order:?}");
        assert!(headers["content-type"].to_str().unwrap().starts_with("text/html"), "{order:?}");
        assert!(body.contains("Somebody else was first."), "{order:?}");
        let (status, headers, body) = ask(&app, "/error", &[GOOD]).await;
        assert_eq!(
            (status, &headers["content-type"]),
            (StatusCode::BAD_GATEWAY, &"application/problem+json".parse().unwrap()),
            "{order:?}"
        );
        assert!(body.contains(r#""retry":"idempotent-only""#), "{order:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_a_page_for_a_browser_when_error_mapping_stands_outside() {
    for order in orders(&FLOORS).into_iter().filter(|order| order.last() == Some(&Floor::ErrorMapping)) {
        let (status, headers, body) = ask(&stack(&order, &Revoker::new()), "/article", &[("accept", "text/html")]).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{order:?}");
        assert_eq!(headers["www-authenticate"], "Bearer", "{order:?}");
        assert!(body.contains("<!DOCTYPE html>") || body.contains("<!doctype html>"), "{order:?}: {body}");
    }
}

async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn handshake(address: SocketAddr, fields: &[(&'static str, &str)]) -> http::Request<()> {
    let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
    for (name, value) in fields {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn a_socket_opens_for_who_may_and_ends_with_the_token_in_every_order() {
    for order in orders(&FLOORS) {
        let revoker = Revoker::new();
        let address = serve(stack(&order, &revoker)).await;
        let (mut socket, _) = tokio_tungstenite::connect_async(handshake(address, &[GOOD])).await.unwrap();
        socket.send(Message::text("hello")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"), "{order:?}");
        revoker.revoke();
        let Some(Ok(Message::Close(Some(frame)))) = socket.next().await else { panic!("{order:?}: not closed") };
        assert_eq!(u16::from(frame.code), 3000, "{order:?}");
    }
}

#[tokio::test]
async fn a_socket_is_refused_before_the_upgrade_in_every_order() {
    for order in orders(&FLOORS) {
        let address = serve(stack(&order, &Revoker::new())).await;
        for (name, fields, expected) in [
            ("no token", &[][..], 401),
            ("bad token", &[("authorization", "Bearer bad")], 401),
            ("foreign page", &[GOOD, ("origin", "https://evil.example")], 403),
        ] {
            let refusal = tokio_tungstenite::connect_async(handshake(address, fields)).await.unwrap_err();
            let tungstenite::Error::Http(response) = refusal else { panic!("{order:?}, {name}: {refusal}") };
            assert_eq!(response.status(), expected, "{order:?}, {name}");
        }
    }
}
