//! What tower and its users may rely on.

use std::{
    convert::Infallible,
    future::Ready,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, routing::get};
use bytes::Bytes;
use donjon::{
    LayerBody, Principal,
    token_auth::{Claims, Rejection, RejectionKind, TokenAuthLayer, TokenError, TokenErrorKind, Verdict, VerifyToken},
};
use http::{Request, Response};
use http_body_util::{Empty, Full};
use serde::Deserialize;
use tokio::sync::oneshot;
use tower::{
    Layer as _, ServiceBuilder, ServiceExt as _, buffer::BufferLayer, limit::ConcurrencyLimitLayer, service_fn,
    util::BoxCloneSyncService,
};
use tower_test::mock;

use super::{Forger, bearing, challenge, echo, layer};
use crate::support::{empty, whole};

/// Answers later, once it is told to: yes for "good".
struct Slow;

struct Answer(oneshot::Receiver<()>, bool);

impl Future for Answer {
    type Output = Result<Principal, TokenError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|_| match self.1 {
            true => Ok(Principal::builder().subject("alice").build()),
            false => Err(TokenError::unavailable(Duration::from_secs(7))),
        })
    }
}

impl VerifyToken for Slow {
    type Future = Answer;

    fn verify(&self, token: &str) -> Verdict<Answer> {
        let (done, later) = oneshot::channel();
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            done.send(())
        });
        Verdict::Later(Answer(later, token == "good"))
    }
}

#[tokio::test]
async fn readiness_is_the_inner_service_s() {
    let (mut service, mut inner) = mock::spawn_layer::<Request<Empty<Bytes>>, Response<Empty<Bytes>>, _>(layer());
    inner.allow(0);
    assert!(service.poll_ready().is_pending());
    inner.allow(1);
    assert!(service.poll_ready().is_ready());
    let response = service.call(empty(bearing(&Forger::good().sign())));
    let (request, answer) = inner.next_request().await.unwrap();
    assert_eq!(request.extensions().get::<Principal>().unwrap().subject(), Some("alice"));
    answer.send_response(Response::new(Empty::new()));
    assert_eq!(response.await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_error_of_the_inner_service_passes() {
    let (mut service, mut inner) = mock::spawn_layer::<Request<Empty<Bytes>>, Response<Empty<Bytes>>, _>(layer());
    assert!(service.poll_ready().is_ready());
    let response = service.call(empty(bearing(&Forger::good().sign())));
    inner.next_request().await.unwrap().1.send_error("broken");
    assert_eq!(response.await.unwrap_err().to_string(), "broken");
}

#[tokio::test]
async fn a_refusal_does_not_reach_the_inner_service() {
    let (mut service, mut inner) = mock::spawn_layer::<Request<Empty<Bytes>>, Response<Empty<Bytes>>, _>(layer());
    assert!(service.poll_ready().is_ready());
    assert_eq!(service.call(empty(bearing("a.b.c"))).await.unwrap().status(), 401);
    assert!(matches!(futures_util::poll!(std::pin::pin!(inner.next_request())), Poll::Pending));
}

#[tokio::test]
async fn over_a_concurrency_limit_the_ready_service_is_the_one_called() {
    for later in [false, true] {
        let token = if later { "good".to_owned() } else { Forger::good().sign() };
        let inner = ConcurrencyLimitLayer::new(1).layer(service_fn(echo::<Empty<Bytes>>));
        for _ in 0..100 {
            let request = empty(bearing(&token));
            let status = match later {
                true => TokenAuthLayer::new(Slow).layer(inner.clone()).oneshot(request).await.unwrap().status(),
                false => layer().layer(inner.clone()).oneshot(request).await.unwrap().status(),
            };
            assert_eq!(status, 200, "later: {later}");
        }
    }
}

#[tokio::test]
async fn many_at_once_over_a_limit_and_a_buffer() {
    let inner = ServiceBuilder::new().buffer(8).concurrency_limit(1).service(service_fn(echo::<Empty<Bytes>>));
    let service = TokenAuthLayer::new(Slow).layer(inner);
    let calls = (0..200).map(|_| service.clone().oneshot(empty(bearing("good"))));
    for response in futures_util::future::join_all(calls).await {
        assert_eq!(response.unwrap().status(), 200);
    }
    let service = ServiceBuilder::new().layer(BufferLayer::new(4)).layer(layer()).service(service_fn(echo::<Empty<Bytes>>));
    assert_eq!(service.oneshot(empty(bearing("x"))).await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_later_answer_is_as_good_as_one_at_once() {
    let service = TokenAuthLayer::new(Slow).realm("api").layer(service_fn(echo::<Empty<Bytes>>));
    let (parts, body) = whole(service.clone().oneshot(empty(bearing("good"))).await.unwrap()).await;
    assert_eq!((&body[..], parts.extensions.get::<Principal>().unwrap().subject()), (&b"alice|"[..], Some("alice")));
    let (parts, _) = whole(service.oneshot(empty(bearing("other"))).await.unwrap()).await;
    assert_eq!((parts.status.as_u16(), challenge(&parts.headers)), (503, "none"));
    assert_eq!(parts.headers["retry-after"], "7");
    assert_eq!(parts.extensions.get::<Rejection>().unwrap().kind(), RejectionKind::Unavailable);
}

#[tokio::test]
async fn the_layer_fits_where_services_go() {
    type Answered = Response<LayerBody<Full<Bytes>>>;
    let service = layer().layer(service_fn(echo::<Empty<Bytes>>));
    let boxed: BoxCloneSyncService<Request<Empty<Bytes>>, Answered, Infallible> = BoxCloneSyncService::new(service);
    assert_eq!(boxed.oneshot(empty(bearing("x"))).await.unwrap().status(), 401);

    fn is_layer<T: Clone + std::fmt::Debug + Send + Sync + 'static>(_: &T) {}
    is_layer(&layer());
    // What hyper serves.
    let hyper = hyper_util::service::TowerToHyperService::new(layer().layer(service_fn(echo::<hyper::body::Incoming>)));
    fn is_hyper_service<S: hyper::service::Service<Request<hyper::body::Incoming>>>(_: &S) {}
    is_hyper_service(&hyper);
}

/// Takes any token, and keeps no claims.
struct Gullible;

impl VerifyToken for Gullible {
    type Future = Ready<Result<Principal, TokenError>>;

    fn verify(&self, token: &str) -> Verdict<Self::Future> {
        Verdict::Now(Ok(Principal::builder().subject(token).build()))
    }
}

#[derive(Deserialize)]
struct Mine {
    tenant: u32,
}

fn app() -> Router {
    Router::new()
        .route("/who", get(|who: Principal| async move { who.subject().unwrap().to_owned() }))
        .route("/anyone", get(|who: Option<Principal>| async move { who.map_or("nobody", |_| "somebody") }))
        .route("/claims", get(|Claims(mine): Claims<Mine>| async move { mine.tenant.to_string() }))
        .route("/any-claims", get(|mine: Option<Claims<Mine>>| async move { mine.map_or(0, |mine| mine.tenant).to_string() }))
}

#[tokio::test]
async fn axum_extractors() {
    let token = Forger::good().claim("tenant", 7).sign();
    let bare = Forger::good().sign();
    for (name, path, token, status, body) in [
        ("principal", "/who", Some(&token), 200, "alice"),
        ("no principal", "/who", None, 401, ""),
        ("optional principal", "/anyone", Some(&token), 200, "somebody"),
        ("no optional principal", "/anyone", None, 200, "nobody"),
        ("claims", "/claims", Some(&token), 200, "7"),
        ("no claims", "/claims", None, 401, ""),
        ("claims of another type", "/claims", Some(&bare), 401, ""),
        ("optional claims", "/any-claims", Some(&token), 200, "7"),
        ("no optional claims", "/any-claims", None, 200, "0"),
        ("optional claims of another type", "/any-claims", Some(&bare), 401, ""),
    ] {
        let app = app().layer(layer().allow_anonymous());
        let request = token.map_or_else(|| crate::support::get("/"), |token| bearing(token)).uri(path);
        let response = app.oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
        let (parts, bytes) = whole(response).await;
        assert_eq!(parts.status, status, "{name}");
        match (status, token) {
            (200, _) => assert_eq!(bytes, body, "{name}"),
            (_, None) => assert_eq!(challenge(&parts.headers), "Bearer", "{name}"),
            (_, Some(_)) => assert_eq!(challenge(&parts.headers), super::INVALID_TOKEN, "{name}"),
        }
    }
}

#[tokio::test]
async fn a_principal_without_claims_has_none_to_extract() {
    let app = app().layer(TokenAuthLayer::new(Gullible));
    let response = app.oneshot(bearing("x").uri("/claims").body(axum::body::Body::empty()).unwrap()).await.unwrap();
    let rejection = response.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejection.kind(), RejectionKind::InvalidToken(TokenErrorKind::ClaimsMalformed));
}
