//! Panics end here.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use donjon::{
    Problem, Retryability,
    error_mapping::{BodyError, Cause, ErrorMappingLayer},
};
use http::Response;
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use tower::{BoxError, Layer as _, Service, ServiceExt as _, service_fn};

use super::{Answer, Asked, answer, failing};
use crate::support::{empty, get};

type Ok200 = Result<Response<Full<Bytes>>, Infallible>;

/// Panics when polled and once more when dropped.
struct Bomb;

impl Future for Bomb {
    type Output = Ok200;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Ok200> {
        panic!("canary in a future");
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("canary in a drop");
    }
}

/// Panics where `at` says.
struct Panicky {
    at: &'static str,
}

impl Service<Asked> for Panicky {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Ok200>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        assert_ne!(self.at, "poll_ready", "canary");
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Asked) -> Self::Future {
        assert_ne!(self.at, "call", "canary");
        std::future::ready(Ok(Response::default()))
    }
}

#[track_caller]
fn assert_static_500(name: &str, answer: &Answer) {
    assert_eq!(answer.status, 500, "{name}");
    assert_eq!(answer.cause, Some(Cause::Panic), "{name}");
    assert_eq!(answer.retryability, Some(Retryability::Never), "{name}");
    assert!(!answer.body.contains("canary"), "{name}: {}", answer.body);
}

#[tokio::test]
async fn wherever_the_service_panics_the_answer_is_a_500() {
    let layer = ErrorMappingLayer::new();
    for at in ["poll_ready", "call"] {
        assert_static_500(at, &answer(&layer, Panicky { at }, empty(get("/"))).await);
    }
    let bomb = service_fn(|_: Asked| Bomb);
    assert_static_500("future and drop", &answer(&layer, bomb, empty(get("/"))).await);
}

#[tokio::test]
async fn a_service_goes_on_after_a_panic() {
    let mut service = ErrorMappingLayer::new().layer(Panicky { at: "call" });
    assert_eq!(service.ready().await.unwrap().call(empty(get("/"))).await.unwrap().status(), 500);
    let mut calls = 0;
    let mut service = ErrorMappingLayer::new().layer(service_fn(move |_: Asked| {
        calls += 1;
        assert_ne!(calls, 1, "canary");
        std::future::ready(Ok200::Ok(Response::default()))
    }));
    for status in [500, 200] {
        assert_eq!(service.ready().await.unwrap().call(empty(get("/"))).await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn a_mapping_that_panics_is_a_500() {
    let layer = ErrorMappingLayer::new().map::<std::fmt::Error>(|_| -> Problem { panic!("canary in a mapping") });
    assert_static_500("mapping", &answer(&layer, failing(std::fmt::Error), empty(get("/"))).await);
}

#[tokio::test]
async fn a_fallback_that_panics_is_a_500() {
    let layer = ErrorMappingLayer::new().fallback(|_| -> Problem { panic!("canary in a fallback") });
    assert_static_500("fallback", &answer(&layer, failing("x"), empty(get("/"))).await);
}

#[tokio::test]
async fn an_error_that_panics_when_it_is_looked_at_is_a_500() {
    #[derive(Debug)]
    struct Mine;
    impl fmt::Display for Mine {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("canary in a display")
        }
    }
    impl std::error::Error for Mine {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            panic!("canary in a source")
        }
    }
    assert_static_500("source", &answer(&ErrorMappingLayer::new(), failing(Mine), empty(get("/"))).await);
}

/// An error whose conversion panics.
#[derive(Debug)]
struct Unspeakable;

impl From<Unspeakable> for BoxError {
    fn from(_: Unspeakable) -> Self {
        panic!("canary in a conversion")
    }
}

/// Says it of the response, or of readiness.
struct Failing {
    unready: bool,
}

impl Service<Asked> for Failing {
    type Response = Response<Full<Bytes>>;
    type Error = Unspeakable;
    type Future = std::future::Ready<Result<Self::Response, Unspeakable>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unspeakable>> {
        Poll::Ready(if self.unready { Err(Unspeakable) } else { Ok(()) })
    }

    fn call(&mut self, _: Asked) -> Self::Future {
        std::future::ready(Err(Unspeakable))
    }
}

#[tokio::test]
async fn an_error_that_panics_when_it_is_converted_is_a_500() {
    for unready in [true, false] {
        let answer = answer(&ErrorMappingLayer::new(), Failing { unready }, empty(get("/"))).await;
        assert_static_500(if unready { "poll_ready" } else { "future" }, &answer);
    }
}

/// A body that panics when it is asked how long it is, and fails in a way that cannot be told.
struct Silent;

impl Body for Silent {
    type Data = Bytes;
    type Error = Unspeakable;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Unspeakable>>> {
        Poll::Ready(Some(Err(Unspeakable)))
    }

    fn is_end_stream(&self) -> bool {
        panic!("canary in an end")
    }

    fn size_hint(&self) -> http_body::SizeHint {
        panic!("canary in a hint")
    }
}

#[tokio::test]
async fn a_body_that_panics_when_it_is_asked_says_that_nothing_is_known() {
    let silent = service_fn(|_: Asked| std::future::ready(Ok::<_, Infallible>(Response::new(Silent))));
    let mut body = ErrorMappingLayer::new().layer(silent).oneshot(empty(get("/"))).await.unwrap().into_body();
    assert!(!body.is_end_stream(), "what may be incomplete must not look whole");
    assert_eq!((body.size_hint().lower(), body.size_hint().upper()), (0, None));
    assert!(body.frame().await.unwrap().unwrap_err().is_panic());
}

/// One frame, a pause, then a panic or an error.
#[derive(Debug)]
struct Breaking {
    polls: u8,
    panics: bool,
}

impl Body for Breaking {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.polls += 1;
        match (self.polls, self.panics) {
            (1, _) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"begun"))))),
            // Time for a server to send what it has.
            (2, _) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            (_, true) => panic!("canary in a body"),
            (_, false) => Poll::Ready(Some(Err("canary in an error".into()))),
        }
    }
}

async fn broken_body(layers: usize, panics: bool) -> (BodyError, bool) {
    let breaking = service_fn(move |_: Asked| async move { Ok::<_, Infallible>(Response::new(Breaking { polls: 0, panics })) });
    let layer = ErrorMappingLayer::new();
    let mut body = match layers {
        1 => layer.layer(breaking).oneshot(empty(get("/"))).await.unwrap().into_body().boxed_unsync(),
        _ => layer.layer(layer.layer(breaking)).oneshot(empty(get("/"))).await.unwrap().into_body().boxed_unsync(),
    };
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "begun");
    let error = body.frame().await.expect("not a clean end").unwrap_err();
    (error, body.is_end_stream())
}

#[tokio::test]
async fn a_body_that_panics_ends_with_an_error() {
    for layers in [1, 2] {
        let (error, ended) = broken_body(layers, true).await;
        assert!(error.is_panic() && std::error::Error::source(&error).is_none(), "{layers}");
        assert!(ended, "{layers}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{layers}");
    }
}

#[tokio::test]
async fn an_error_of_the_body_passes_with_its_source() {
    for layers in [1, 2] {
        let (error, _) = broken_body(layers, false).await;
        assert!(!error.is_panic(), "{layers}");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "canary in an error", "{layers}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{layers}");
    }
}

/// The server's connection survives the panic as a cut message: the client cannot take it for whole.
#[tokio::test]
async fn over_a_real_connection_the_message_is_cut() {
    use hyper_util::{rt::TokioIo, service::TowerToHyperService};

    for panics in [true, false] {
        let inner = service_fn(move |_: http::Request<hyper::body::Incoming>| async move {
            Ok::<_, Infallible>(Response::new(Breaking { polls: 0, panics }))
        });
        let service = TowerToHyperService::new(ErrorMappingLayer::new().layer(inner));
        let (client, server) = tokio::io::duplex(4096);
        let served = tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service));
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(client)).await.unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(empty(get("/"))).await.unwrap();
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.unwrap_err();
        let server_error = served.await.expect("the task did not panic").unwrap_err();
        assert!(server_error.is_user(), "{server_error:?}");
    }
}
