//! Panics of what is dropped, and of what is shown: neither ends a task or changes an answer.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use donjon::{
    Problem,
    error_mapping::{Cause, ErrorMappingLayer},
};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full, StreamBody};
use tower::{BoxError, Layer as _, Service, ServiceExt as _, service_fn};

use super::{Asked, answer, failing};
use crate::support::{empty, get};

/// Panics when it is dropped, and counts that it was.
#[derive(Clone, Debug)]
struct Bomb(Arc<AtomicUsize>);

impl Bomb {
    fn new() -> (Self, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        (Self(count.clone()), count)
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("canary in a drop");
    }
}

/// A body that has said one thing and waits.
struct Waiting {
    begun: bool,
    _bomb: Bomb,
}

impl Body for Waiting {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if std::mem::replace(&mut self.begun, true) { Poll::Pending } else { Poll::Ready(Some(Ok(Frame::data("begun".into())))) }
    }
}

#[tokio::test]
async fn a_future_that_panics_when_it_is_dropped_from_outside() {
    let (bomb, dropped) = Bomb::new();
    let mut bomb = Some(bomb);
    let mut service = ErrorMappingLayer::new().layer(service_fn(move |_: Asked| {
        let bomb = bomb.take();
        async move {
            std::future::pending::<()>().await;
            drop(bomb);
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    }));
    let mut future = Box::pin(service.call(empty(get("/"))));
    assert!(futures_util::poll!(&mut future).is_pending());
    drop(future);
    assert_eq!(dropped.load(Ordering::SeqCst), 1, "dropped, and nothing was thrown");
}

#[tokio::test]
async fn a_future_that_is_done_and_panics_when_it_is_dropped() {
    struct Done(Option<Response<Full<Bytes>>>, #[expect(dead_code, reason = "for its drop")] Bomb);
    impl Future for Done {
        type Output = Result<Response<Full<Bytes>>, Infallible>;
        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            Poll::Ready(Ok(self.0.take().unwrap()))
        }
    }
    let (bomb, dropped) = Bomb::new();
    let mut bomb = Some(bomb);
    let service = service_fn(move |_: Asked| Done(Some(Response::default()), bomb.take().unwrap()));
    let answer = answer(&ErrorMappingLayer::new(), service, empty(get("/"))).await;
    assert_eq!((answer.status.as_u16(), dropped.load(Ordering::SeqCst)), (200, 1));
}

/// What the work held (a permit, a connection) is free when its response is there, and not when somebody drops its future.
#[tokio::test]
async fn what_is_done_is_let_go_at_once_and_does_not_begin_again() {
    let held = Arc::new(());
    let permit = held.clone();
    let mut service = ErrorMappingLayer::new().layer(service_fn(move |_: Asked| {
        let permit = permit.clone();
        std::future::poll_fn(move |_| {
            let _held = &permit;
            Poll::Ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
        })
    }));
    let mut future = Box::pin(service.call(empty(get("/"))));
    drop(service);
    assert_eq!(Arc::strong_count(&held), 2, "by the future alone");
    assert!(futures_util::poll!(&mut future).is_ready());
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(futures_util::poll!(&mut future).is_pending(), "and no panic");
}

#[tokio::test]
async fn a_body_that_panics_when_it_is_dropped_from_outside() {
    let (bomb, dropped) = Bomb::new();
    let mut bomb = Some(bomb);
    let waiting = service_fn(move |_: Asked| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Waiting { begun: false, _bomb: bomb.take().unwrap() })))
    });
    let mut body = ErrorMappingLayer::new().layer(waiting).oneshot(empty(get("/"))).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "begun");
    drop(body);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_body_whose_place_a_problem_takes() {
    let (bomb, dropped) = Bomb::new();
    let mut bomb = Some(bomb);
    let refusing = service_fn(move |_: Asked| {
        let mut response = Response::new(Waiting { begun: false, _bomb: bomb.take().unwrap() });
        *response.status_mut() = StatusCode::CONFLICT;
        response.extensions_mut().insert(Problem::new(StatusCode::CONFLICT));
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let answer = answer(&ErrorMappingLayer::new(), refusing, empty(get("/"))).await;
    assert_eq!((answer.status.as_u16(), dropped.load(Ordering::SeqCst)), (409, 1));
    assert!(!answer.body.contains("canary"), "{}", answer.body);
}

/// An error that panics in all that can be asked of it, apart from what the layer needs.
#[derive(Clone)]
struct Touchy(#[expect(dead_code, reason = "for its drop")] Bomb);

impl fmt::Debug for Touchy {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("canary in a debug")
    }
}

impl fmt::Display for Touchy {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("canary in a display")
    }
}

impl std::error::Error for Touchy {}

#[tokio::test]
async fn an_error_that_panics_when_it_is_told_and_when_it_is_dropped() {
    for exposed in [false, true] {
        let (bomb, dropped) = Bomb::new();
        let mut layer = ErrorMappingLayer::new().on_error(|report| drop(report.error().map(|error| format!("{error:?}"))));
        if exposed {
            layer = layer.dangerous_expose_causes(|_| Some([127, 0, 0, 1].into()));
        }
        let work = async { answer(&layer, failing(Touchy(bomb)), empty(get("/"))).await };
        #[cfg(feature = "tracing")]
        let answer = {
            let mut answered = None;
            let log = super::secrets::logged::log_of(async { answered = Some(work.await) }).await;
            assert!(log.contains("canary in a display"), "that it panicked is told: {log}");
            answered.unwrap()
        };
        #[cfg(not(feature = "tracing"))]
        let answer = work.await;
        assert_eq!((answer.status.as_u16(), answer.cause), (500, Some(Cause::Internal)));
        assert!(!answer.body.contains("canary"), "{}", answer.body);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }
}

/// Is never ready, for a reason that panics when it is dropped.
struct Unready(Option<Bomb>);

impl Service<Asked> for Unready {
    type Response = Response<Full<Bytes>>;
    type Error = Touchy;
    type Future = std::future::Pending<Result<Self::Response, Touchy>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Touchy>> {
        Poll::Ready(Err(Touchy(self.0.take().unwrap())))
    }

    fn call(&mut self, _: Asked) -> Self::Future {
        unreachable!("it is never ready")
    }
}

#[tokio::test]
async fn a_failure_that_nobody_waits_for() {
    let (bomb, dropped) = Bomb::new();
    let mut service = ErrorMappingLayer::new().layer(Unready(Some(bomb)));
    let future = service.ready().await.unwrap().call(empty(get("/")));
    drop(future);
    assert_eq!(dropped.load(Ordering::SeqCst), 1, "dropped, and nothing was thrown");
}

#[tokio::test]
async fn a_service_that_fails_to_become_ready_and_is_never_called() {
    let (bomb, dropped) = Bomb::new();
    let mut service = ErrorMappingLayer::new().layer(Unready(Some(bomb)));
    service.ready().await.unwrap();
    drop(service);
    assert_eq!(dropped.load(Ordering::SeqCst), 1, "dropped, and nothing was thrown");
}

#[tokio::test]
async fn a_request_that_no_service_is_ready_for() {
    struct Unwilling;
    impl Service<Request<Bomb>> for Unwilling {
        type Response = Response<Full<Bytes>>;
        type Error = BoxError;
        type Future = std::future::Pending<Result<Self::Response, BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Err("canary".into()))
        }

        fn call(&mut self, _: Request<Bomb>) -> Self::Future {
            unreachable!("it is never ready")
        }
    }
    let (bomb, dropped) = Bomb::new();
    let response = ErrorMappingLayer::new().layer(Unwilling).oneshot(Request::new(bomb)).await.unwrap();
    assert_eq!((response.status().as_u16(), dropped.load(Ordering::SeqCst)), (500, 1));
}

#[tokio::test]
async fn an_error_of_a_body_that_panics_when_it_is_dropped() {
    let (bomb, dropped) = Bomb::new();
    let mut error = Some(Touchy(bomb));
    let cut = service_fn(move |_: Asked| {
        let frames = futures_util::stream::iter(error.take().map(Err::<Frame<Bytes>, _>));
        std::future::ready(Ok::<_, Infallible>(Response::new(StreamBody::new(frames))))
    });
    let mut body = ErrorMappingLayer::new().layer(cut).oneshot(empty(get("/"))).await.unwrap().into_body();
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(dropped.load(Ordering::SeqCst), 0, "the server has it");
    drop(error);
    assert_eq!(dropped.load(Ordering::SeqCst), 1, "dropped, and nothing was thrown");
}

/// The client leaves in the middle; the server's task ends in peace and the next client is served.
#[tokio::test]
async fn over_a_real_connection_the_server_goes_on() {
    use hyper_util::{rt::TokioIo, service::TowerToHyperService};

    let (bomb, dropped) = Bomb::new();
    let bomb = Arc::new(std::sync::Mutex::new(Some(bomb)));
    let inner = service_fn(move |_: http::Request<hyper::body::Incoming>| {
        let body = match bomb.lock().unwrap().take() {
            Some(bomb) => Waiting { begun: false, _bomb: bomb }.boxed_unsync(),
            None => Full::<Bytes>::from("fine").boxed_unsync(),
        };
        std::future::ready(Ok::<_, Infallible>(Response::new(body)))
    });
    let service = ErrorMappingLayer::new().layer(inner);
    let connect = || {
        let (client, server) = tokio::io::duplex(4096);
        let service = TowerToHyperService::new(service.clone());
        let served = tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service));
        (client, served)
    };
    let (client, served) = connect();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(client)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut response = sender.send_request(empty(get("/"))).await.unwrap();
    response.body_mut().frame().await.unwrap().unwrap();
    connection.abort();
    drop((response, sender));
    assert!(served.await.is_ok(), "the task did not panic");
    assert_eq!(dropped.load(Ordering::SeqCst), 1);

    let (client, _served) = connect();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(client)).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(empty(get("/"))).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "fine");
}
