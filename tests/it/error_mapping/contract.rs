//! The tower contract, and the services that stand beneath without an adapter.

use std::{convert::Infallible, future::pending, task::Poll, time::Duration};

use axum::{Router, body::Body, routing};
use bytes::Bytes;
use donjon::error_mapping::{Cause, ErrorMappingLayer, UpstreamError};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use tower::{
    BoxError, Layer as _, Service, ServiceBuilder, ServiceExt as _,
    buffer::{Buffer, BufferLayer},
    limit::{ConcurrencyLimit, ConcurrencyLimitLayer, GlobalConcurrencyLimitLayer},
    load_shed::LoadShedLayer,
    service_fn,
    timeout::TimeoutLayer,
    util::BoxCloneSyncService,
};
use tower_http::limit::RequestBodyLimitLayer;
use tower_test::mock;

use super::{Asked, read};
use crate::support::{allocations, empty, get, now};

fn ok(_: Asked) -> std::future::Ready<Result<Response<Full<Bytes>>, BoxError>> {
    std::future::ready(Ok(Response::default()))
}

#[test]
fn the_layer_and_the_service_can_be_shared() {
    fn shared<T: Clone + std::fmt::Debug + Send + Sync + 'static>(_: T) {}
    shared(ErrorMappingLayer::new());
    shared(ErrorMappingLayer::new().layer(()));
}

#[tokio::test]
async fn a_service_that_cannot_become_ready_fails_the_call_and_is_not_called() {
    let (inner, mut handle) = mock::pair::<(), Response<String>>();
    let inner = inner.map_request(|_: Asked| ());
    let mut service = mock::Spawn::new(ErrorMappingLayer::new().layer(inner));
    handle.send_error(UpstreamError::new("gone"));
    for _ in 0..3 {
        assert!(service.poll_ready().is_ready(), "asking again loses nothing");
    }
    let answer = read(service.call(empty(get("/"))).await.unwrap()).await;
    assert_eq!(answer.cause, Some(Cause::UpstreamFailed));
    assert!(matches!(handle.poll_request(), Poll::Pending | Poll::Ready(None)));
}

#[tokio::test]
async fn a_clone_does_not_take_the_failure_with_it() {
    let mut service = ErrorMappingLayer::new().layer(FlakyReadiness { inner: service_fn(ok), fail: true });
    service.ready().await.unwrap();
    let mut clone = service.clone();
    assert_eq!(service.call(empty(get("/"))).await.unwrap().status(), 500);
    assert_eq!(clone.ready().await.unwrap().call(empty(get("/"))).await.unwrap().status(), 200);
    assert_eq!(service.ready().await.unwrap().call(empty(get("/"))).await.unwrap().status(), 200, "it is asked anew");
}

/// Fails to become ready once.
#[derive(Clone)]
struct FlakyReadiness<S> {
    inner: S,
    fail: bool,
}

impl<S: Service<Asked, Error = BoxError>> Service<Asked> for FlakyReadiness<S> {
    type Response = S::Response;
    type Error = BoxError;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), BoxError>> {
        if std::mem::take(&mut self.fail) { Poll::Ready(Err("not now".into())) } else { self.inner.poll_ready(cx) }
    }

    fn call(&mut self, request: Asked) -> Self::Future {
        self.inner.call(request)
    }
}

#[tokio::test]
async fn the_service_that_was_ready_is_the_one_called() {
    let over_limit = ErrorMappingLayer::new().layer(ConcurrencyLimit::new(service_fn(ok), 1));
    let over_buffer = ErrorMappingLayer::new().layer(Buffer::<Asked, _>::new(service_fn(ok), 1));
    let mut over_both = BoxCloneSyncService::new(ErrorMappingLayer::new().layer(ConcurrencyLimit::new(over_buffer, 1)));
    for _ in 0..3 {
        assert_eq!(over_limit.clone().oneshot(empty(get("/"))).await.unwrap().status(), 200);
        assert_eq!(over_both.ready().await.unwrap().call(empty(get("/"))).await.unwrap().status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_router_tower_needs_no_adapter() {
    let app = Router::new()
        .route("/ok", routing::get(|| async { "ok" }))
        .route("/slow", routing::get(pending::<()>))
        .layer(ServiceBuilder::new().layer(ErrorMappingLayer::new()).layer(TimeoutLayer::new(Duration::from_secs(10))));
    let ask = |path: &str| app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap());
    assert_eq!(ask("/ok").await.unwrap().status(), 200);
    let late = ask("/slow").await.unwrap();
    assert_eq!(late.status(), 503);
    assert_eq!(late.headers()["retry-after"], "1");
    assert_eq!(late.extensions().get(), Some(&Cause::TimedOut));
    assert_eq!(ask("/nowhere").await.unwrap().headers().get("content-type"), None, "a plain 404 is left alone");
}

#[tokio::test(start_paused = true)]
async fn in_a_router_over_everything_at_once() {
    let app = Router::new().route("/slow", routing::get(pending::<()>)).layer(
        ServiceBuilder::new()
            .layer(ErrorMappingLayer::new())
            .layer(LoadShedLayer::new())
            .layer(BufferLayer::<Request<Body>>::new(8))
            .layer(ConcurrencyLimitLayer::new(1))
            .layer(TimeoutLayer::new(Duration::from_secs(10))),
    );
    let mut route = app.into_service::<Body>();
    let request = || Request::get("/slow").body(Body::empty()).unwrap();
    let (first, second) =
        tokio::join!(route.ready().await.unwrap().call(request()), route.ready().await.unwrap().call(request()));
    for response in [first.unwrap(), second.unwrap()] {
        assert_eq!(response.extensions().get(), Some(&Cause::TimedOut));
    }
}

/// What the guide for axum says of a limit: a router is given its state once for each connection.
#[tokio::test]
async fn in_a_router_a_limit_is_shared_if_it_brings_its_count_along() {
    let app = || Router::new().route("/held", routing::get(pending::<()>)).route("/free", routing::get(|| async {}));
    let outer = || ServiceBuilder::new().layer(ErrorMappingLayer::new()).layer(LoadShedLayer::new());
    for (name, app, sheds) in [
        ("global", app().layer(outer().layer(GlobalConcurrencyLimitLayer::new(1))), true),
        ("each its own", app().layer(outer().layer(ConcurrencyLimitLayer::new(1))), false),
    ] {
        let [first, second] = [(); 2].map(|()| app.clone().with_state::<()>(()));
        let ask = |connection: &Router, path: &str| connection.clone().oneshot(Request::get(path).body(Body::empty()).unwrap());
        let mut held = Box::pin(ask(&first, "/held"));
        assert!((&mut held).now_or_never().is_none(), "{name}");
        for (place, connection, path) in [("another route", &first, "/free"), ("another connection", &second, "/held")] {
            let status = ask(connection, path).now_or_never().map(|answer| answer.unwrap().status().as_u16());
            assert_eq!(status == Some(503), sheds, "{name}, {place}: {status:?}");
        }
        drop(held);
        assert_eq!(ask(&second, "/free").await.unwrap().status(), 200, "{name}: there is room again");
    }
}

/// A limit of the request's content changes the type of the request's body and of the response's.
#[tokio::test]
async fn in_a_router_over_a_limit_of_the_content() {
    let app = Router::new().route("/", routing::post(|body: String| async { body })).layer(
        ServiceBuilder::new()
            .layer(ErrorMappingLayer::new())
            .layer(LoadShedLayer::new())
            .layer(ConcurrencyLimitLayer::new(8))
            .layer(TimeoutLayer::new(Duration::from_secs(10)))
            .layer(RequestBodyLimitLayer::new(4)),
    );
    let chunked = |chunks: &[&'static str]| {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok::<_, Infallible>(Bytes::from_static(chunk.as_bytes()))).collect();
        Body::from_stream(futures_util::stream::iter(chunks))
    };
    for (name, body, status) in [
        ("within", Body::from("1234"), 200),
        ("told to be longer", Body::from("12345"), 413),
        ("not told", chunked(&["12", "34"]), 200),
        ("not told and longer", chunked(&["123", "45"]), 413),
    ] {
        let request = Request::post("/").body(body).unwrap();
        let length = request.body().size_hint().exact();
        let (mut parts, body) = request.into_parts();
        parts.headers.extend(length.map(|length| (http::header::CONTENT_LENGTH, HeaderValue::from(length))));
        assert_eq!(app.clone().oneshot(Request::from_parts(parts, body)).await.unwrap().status(), status, "{name}");
    }
}

#[tokio::test]
async fn an_overload_is_a_503_that_says_when_to_come_back() {
    let limit = ServiceBuilder::new()
        .layer(ErrorMappingLayer::new())
        .layer(LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(1))
        .service(service_fn(|_: Asked| pending::<Result<Response<Full<Bytes>>, Infallible>>()));
    let mut held = limit.clone();
    let _held = held.ready().await.unwrap().call(empty(get("/")));
    let answer = read(limit.oneshot(empty(get("/"))).await.unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("1")));
}

#[tokio::test]
async fn the_request_body_passes_as_it_is() {
    struct Mine(u8);
    let inner = service_fn(|request: Request<Mine>| async move {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(vec![request.into_body().0]))))
    });
    let response = ErrorMappingLayer::new().layer(inner).oneshot(Request::new(Mine(7))).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes()[..], [7]);
}

#[tokio::test]
async fn hints_and_trailers_of_the_body_pass() {
    let hinted = service_fn(|_: Asked| async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"four")))) });
    let body = ErrorMappingLayer::new().layer(hinted).oneshot(empty(get("/"))).await.unwrap().into_body();
    assert_eq!(body.size_hint().exact(), Some(4));
    assert!(!body.is_end_stream());

    let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("x-end"), HeaderValue::from_static("1"))]);
    let sent = trailers.clone();
    let trailing = service_fn(move |_: Asked| {
        let frames = [Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x"))), Ok(Frame::trailers(sent.clone()))];
        std::future::ready(Ok::<_, Infallible>(Response::new(StreamBody::new(futures_util::stream::iter(frames)))))
    });
    let body = ErrorMappingLayer::new().layer(trailing).oneshot(empty(get("/"))).await.unwrap().into_body();
    assert_eq!(body.collect().await.unwrap().trailers(), Some(&trailers));
}

#[test]
fn a_success_allocates_nothing() {
    let mut service = ErrorMappingLayer::new().layer(service_fn(|_: Request<Empty<Bytes>>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    }));
    for (name, accept) in [
        ("no accept", None),
        ("curl", Some("*/*")),
        ("a browser", Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")),
        ("unknown", Some("text/html;charset=\"utf-8\";q=0.9, application/json;q=0.8, text/*;q=0.1, a/b;c=\"\\\"\"")),
    ] {
        let mut request = get("/").header("user-agent", "test");
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        let request = empty(request);
        let (count, response) = allocations(|| {
            now(std::future::poll_fn(|cx| service.poll_ready(cx)));
            now(service.call(request))
        });
        assert_eq!(count, 0, "{name}");
        assert_eq!(response.status(), 200, "{name}");
    }
}
