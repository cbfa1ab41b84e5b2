//! What handlers of axum fail with.

use std::{
    error::Error,
    fmt, io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body, middleware::map_response, response::Response, routing::any};
use donjon::{
    Problem, Retryability,
    error_mapping::{AsError as _, Cause, ErrorCounts, ErrorMappingLayer, HandlerError, Role, ToProblem, UpstreamError},
};
use http::{Request, StatusCode};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{BoxError, ServiceExt as _, load_shed::error::Overloaded, timeout::error::Elapsed};

use super::{Answer, read};
use crate::support::{ClosedPort, whole};

/// An error of one's own, beneath which another lies.
#[derive(Debug)]
struct OutOfCredit(io::Error);

impl fmt::Display for OutOfCredit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("canary of the account")
    }
}

impl Error for OutOfCredit {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

impl ToProblem for OutOfCredit {
    fn to_problem(&self) -> Problem {
        Problem::new(StatusCode::PAYMENT_REQUIRED).with_detail("Top up.")
    }
}

fn out_of_credit() -> OutOfCredit {
    OutOfCredit(io::Error::other("canary of the ledger"))
}

fn io_error() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, "canary of the database")
}

/// A router whose only handler fails with this.
fn router<E: Into<HandlerError>>(make: impl Fn() -> E + Clone + Send + Sync + 'static) -> Router {
    Router::new().route(
        "/",
        any(move || {
            let error = make().into();
            async move { Err::<(), HandlerError>(error) }
        }),
    )
}

async fn ask(router: Router, accept: &str) -> Answer {
    let request = Request::get("/").header("accept", accept).body(Body::empty()).unwrap();
    read(router.oneshot(request).await.unwrap()).await
}

async fn mapped<E: Into<HandlerError>>(
    layer: &ErrorMappingLayer,
    make: impl Fn() -> E + Clone + Send + Sync + 'static,
) -> Answer {
    ask(router(make).layer(layer.clone()), "*/*").await
}

#[tokio::test]
async fn what_a_handler_fails_with_is_answered_as_a_services_error_is() {
    let layer = ErrorMappingLayer::new().map_own::<OutOfCredit>();
    let own = |status| (status, None);
    let known = |status, cause| (status, Some(cause));
    for (name, answer, expected) in [
        ("a disk", mapped(&layer, io_error).await, known(500, Cause::Internal)),
        ("a text", mapped(&layer, || "canary").await, known(500, Cause::Internal)),
        ("an upstream", mapped(&layer, || UpstreamError::new(io_error())).await, known(502, Cause::ConnectionRefused)),
        ("an upstream in time", mapped(&layer, || UpstreamError::new(Elapsed::new())).await, known(504, Cause::ResponseTimedOut)),
        ("a timeout", mapped(&layer, Elapsed::new).await, known(503, Cause::TimedOut)),
        ("a problem", mapped(&layer, || Problem::new(StatusCode::CONFLICT)).await, own(409)),
        ("a box", mapped(&layer, || BoxError::from(out_of_credit())).await, own(402)),
        ("an error of one's own", mapped(&layer, out_of_credit).await, own(402)),
        ("one with a context", mapped(&layer, || anyhow::Error::from(out_of_credit()).context("canary")).await, own(402)),
        (
            "a problem that calls itself a success",
            mapped(&layer, || Problem::new(StatusCode::OK)).await,
            known(500, Cause::Internal),
        ),
    ] {
        assert_eq!((answer.status.as_u16(), answer.cause), expected, "{name}");
        assert_eq!(answer.problem.as_ref().unwrap().to_json(), answer.body, "{name}");
        assert!(!answer.body.contains("canary"), "{name}: {}", answer.body);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
    }
}

#[tokio::test]
async fn the_error_of_a_client_needs_no_marker() {
    async fn ask_nobody() -> Result<Response, HandlerError> {
        let closed = ClosedPort::reserve();
        let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
        let request = Request::get(format!("http://{}/", closed.address)).body(Body::empty())?;
        Ok(client.request(request).await?.map(Body::new))
    }
    let router = Router::new().route("/", any(ask_nobody)).layer(ErrorMappingLayer::new());
    let answer = ask(router, "text/html").await;
    assert_eq!((answer.status.as_u16(), answer.cause), (502, Some(Cause::ConnectionRefused)));
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
}

/// The handler had begun when it met the limit, whereas a limit above it keeps a request from beginning.
#[tokio::test]
async fn a_limit_within_a_handler_may_have_let_half_of_the_work_through() {
    let answer = mapped(&ErrorMappingLayer::new(), Overloaded::new).await;
    assert_eq!(
        (answer.status.as_u16(), answer.cause, answer.retryability),
        (503, Some(Cause::Unavailable), Some(Retryability::IdempotentOnly))
    );
    let answer = mapped(&ErrorMappingLayer::new().role(Role::Gateway), Overloaded::new).await;
    assert_eq!((answer.cause, answer.retryability), (Some(Cause::Overloaded), Some(Retryability::Safe)));
}

#[tokio::test]
async fn without_the_layer_it_says_nothing() {
    let answer = ask(router(out_of_credit), "text/html").await;
    assert_eq!((answer.status.as_u16(), &answer.problem), (500, &Some(Problem::new(StatusCode::INTERNAL_SERVER_ERROR))));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert!(!answer.body.contains("canary"), "{}", answer.body);
    let answer = ask(router(|| io::Error::other(Problem::new(StatusCode::GONE))), "*/*").await;
    assert_eq!(answer.status, 410, "but for a problem in it");
}

/// What a hook is told: the status, the error and whether it has the type that the handler failed with.
#[derive(Debug, PartialEq)]
struct Told(u16, String, bool);

fn listening() -> (ErrorMappingLayer, Arc<Mutex<Vec<Told>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = heard.clone();
    let layer = ErrorMappingLayer::new().on_error(move |report| {
        let error = report.error().unwrap();
        let status = report.problem().unwrap().status().as_u16();
        sink.lock().unwrap().push(Told(status, error.to_string(), error.is::<OutOfCredit>()));
    });
    (layer, heard)
}

#[tokio::test]
async fn of_stacked_layers_one_answers_and_one_tells() {
    let (layer, heard) = listening();
    let layer = layer.map_own::<OutOfCredit>();
    let counts = ErrorCounts::new();
    let outer = ErrorMappingLayer::new().count_in(&counts);
    let answer = ask(router(out_of_credit).layer(layer).layer(outer), "*/*").await;
    assert_eq!(answer.status, 402);
    assert_eq!(*heard.lock().unwrap(), [Told(402, "canary of the account".to_owned(), true)]);
    assert_eq!(counts.read().len(), 0, "the inner one has told");
}

#[tokio::test]
async fn what_layers_between_say_is_kept() {
    async fn between(mut response: Response) -> Response {
        response.headers_mut().insert("set-cookie", "a=b".parse().unwrap());
        response
    }
    let waiting = || Problem::new(StatusCode::SERVICE_UNAVAILABLE).with_retry_after(std::time::Duration::from_secs(7));
    for (name, layer, wait) in [
        ("its own problem", ErrorMappingLayer::new(), Some("7")),
        ("mapped to another", ErrorMappingLayer::new().map::<Problem>(|_| Problem::new(StatusCode::GONE)), None),
    ] {
        let answer = ask(router(waiting).layer(map_response(between)).layer(layer), "*/*").await;
        assert_eq!((answer.header("set-cookie"), answer.header("retry-after")), (Some("a=b"), wait), "{name}");
    }
}

/// Who changes the status has the word, and the error is told all the same.
#[tokio::test]
async fn a_status_that_was_changed_on_the_way_stays() {
    async fn hide(mut response: Response) -> Response {
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    }
    let (layer, heard) = listening();
    let layer = layer.map_own::<OutOfCredit>();
    let answer = ask(router(out_of_credit).layer(map_response(hide)).layer(layer), "text/plain").await;
    assert_eq!((answer.status.as_u16(), answer.cause), (404, None));
    assert!(!answer.body.contains("Top up") && !answer.body.contains("canary"), "{}", answer.body);
    assert_eq!(*heard.lock().unwrap(), [Told(404, "canary of the account".to_owned(), true)]);
}

/// Panics when it is looked at, and when it is dropped.
#[derive(Debug)]
struct Bomb(Arc<AtomicUsize>);

impl fmt::Display for Bomb {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("canary of a text")
    }
}

impl Error for Bomb {}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("canary of a drop")
    }
}

#[tokio::test]
async fn an_error_that_panics_ends_nobodys_task() {
    let drops = Arc::new(AtomicUsize::new(0));
    let make = {
        let drops = drops.clone();
        move || Bomb(drops.clone())
    };
    for layered in [true, false] {
        let router = router(make.clone());
        let router = if layered { router.layer(ErrorMappingLayer::new()) } else { router };
        assert_eq!(ask(router, "*/*").await.status, 500, "{layered}");
    }
    assert_eq!(drops.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_call_of_grpc_gets_its_status() {
    let request = Request::post("/").header("content-type", "application/grpc").body(Body::empty()).unwrap();
    let router = router(|| UpstreamError::new(io_error())).layer(ErrorMappingLayer::new());
    let (parts, body) = whole(router.oneshot(request).await.unwrap()).await;
    assert_eq!((parts.status.as_u16(), body.len()), (200, 0));
    assert_eq!(parts.headers["grpc-status"], "14");
}

#[test]
fn its_debug_shows_nothing_and_the_error_can_be_looked_at() {
    let error = HandlerError::from(out_of_credit());
    assert!(!format!("{error:?}").contains("canary"));
    assert!(error.as_error().is::<OutOfCredit>());
}

/// On bare hyper a handler that cannot fail does it by hand.
#[tokio::test]
async fn a_handler_without_axum_makes_the_response_itself() {
    let service = tower::service_fn(|_: super::Asked| async {
        Ok::<_, std::convert::Infallible>(
            HandlerError::from(out_of_credit()).into_http_response::<http_body_util::Full<bytes::Bytes>>(),
        )
    });
    let layer = ErrorMappingLayer::new().map_own::<OutOfCredit>();
    assert_eq!(super::answer(&layer, service, super::accepting("*/*")).await.status, 402);
}
