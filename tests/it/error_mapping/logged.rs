//! Each error is one event, with its chain of causes and the names of its request.

use std::{
    convert::Infallible,
    error::Error,
    fmt, io,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use donjon::{
    LayerBody, Problem,
    error_mapping::{EmptyErrors, ErrorMappingLayer, ErrorPage, HandlerError, Role, UpstreamError},
};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use tower::{BoxError, Layer as _, Service, ServiceExt as _, service_fn};

use super::{
    Asked, answer,
    correlation::{TRACE, TRACEPARENT, every, failures},
    failing,
    secrets::logged::log_of,
};
use crate::support::{empty, get};

fn named() -> Asked {
    empty(get("/").header("x-request-id", "abc-1").header("traceparent", TRACEPARENT))
}

/// The one line of a log.
#[track_caller]
fn only(name: &str, log: &str) -> String {
    assert_eq!(log.lines().count(), 1, "{name}: {log}");
    log.to_owned()
}

#[derive(Debug)]
struct Lost(io::Error);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the order is lost")
    }
}

impl Error for Lost {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Two sources beneath an error.
fn lost() -> Lost {
    Lost(io::Error::other(UpstreamError::new("the shelf is empty")))
}

const CHAIN: &str = "error=the order is lost: an upstream failed: the shelf is empty";

/// A body of which nothing comes but this.
fn cut(
    fail: impl Fn() -> BoxError + Clone,
) -> impl Service<
    Asked,
    Response = Response<StreamBody<impl futures_util::Stream<Item = Result<Frame<Bytes>, BoxError>> + Unpin>>,
    Error = Infallible,
> {
    service_fn(move |_: Asked| {
        let fail = fail.clone();
        let frames = futures_util::stream::iter([()]);
        std::future::ready(Ok(Response::new(StreamBody::new(futures_util::StreamExt::map(frames, move |()| Err(fail()))))))
    })
}

#[tokio::test]
async fn an_event_has_the_whole_chain() {
    let log = log_of(async { drop(answer(&ErrorMappingLayer::new(), failing(lost()), named()).await) }).await;
    assert!(only("head", &log).contains(CHAIN) && log.contains("a request failed"), "{log}");
    let log = log_of(async {
        let response = ErrorMappingLayer::new().layer(cut(|| lost().into())).oneshot(named()).await.unwrap();
        response.into_body().collect().await.unwrap_err();
    });
    let log = log.await;
    assert!(only("body", &log).contains(CHAIN) && log.contains("the body of a response failed"), "{log}");
}

/// Also where the status was changed on its way.
#[tokio::test]
async fn so_has_that_of_what_a_handler_failed_with() {
    for (status, cause) in [(500, "cause=upstream_failed"), (418, "cause=own")] {
        let handler = service_fn(move |_: Asked| async move {
            let mut response = HandlerError::from(lost()).into_http_response::<Full<Bytes>>();
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            Ok::<_, Infallible>(response)
        });
        let stacked = ErrorMappingLayer::new().layer(failures().layer(handler));
        let log = log_of(async { drop(stacked.oneshot(named()).await) }).await;
        let line = only("handler", &log);
        assert!(line.contains(CHAIN) && line.contains(cause) && line.contains("abc-1"), "{log}");
    }
}

fn refusing(status: u16, empty: bool) -> impl Service<Asked, Response = Response<LayerBody<Full<Bytes>>>, Error = Infallible> {
    service_fn(move |_: Asked| {
        let status = StatusCode::from_u16(status).unwrap();
        let mut response = Response::new(LayerBody::full(""));
        if !empty {
            response = Problem::new(status).with_detail("See https://a.example/?key=hunter2").into_http_response();
        }
        *response.status_mut() = status;
        std::future::ready(Ok(response))
    })
}

#[tokio::test]
async fn a_problem_from_within_and_an_error_that_came_empty_are_told_too() {
    for (status, level, message) in [
        (403, "DEBUG", "a request was refused"),
        (500, "ERROR", "a request failed"),
        (502, "WARN", "a request failed"),
        (503, "WARN", "a request failed"),
    ] {
        for empty in [false, true] {
            let layer = failures().empty_errors(EmptyErrors::Fill);
            let log = log_of(async { drop(answer(&layer, refusing(status, empty), named()).await) }).await;
            let line = only("a problem", &log);
            let told = format!("error={} {}", status, StatusCode::from_u16(status).unwrap().canonical_reason().unwrap());
            for part in [level, message, &told, &format!("status={status}"), "request_id=abc-1", &format!("trace_id={TRACE}")] {
                assert!(line.contains(part), "{status} {empty}: {part}: {line}");
            }
            assert!(!line.contains("hunter2"), "{line}");
            assert_eq!(line.contains("See https://a.example/?…"), !empty, "{line}");
        }
    }
    let passing = log_of(async { drop(answer(&failures(), refusing(404, true), named()).await) }).await;
    assert_eq!(passing, "", "what passes as it is");
}

#[tokio::test]
async fn what_an_upstream_answered_is_no_failure_of_the_gateways() {
    for (status, level) in [(404, "DEBUG"), (500, "WARN"), (503, "WARN")] {
        let layer = failures().role(Role::Gateway).empty_errors(EmptyErrors::Fill);
        let log = log_of(async { drop(answer(&layer, refusing(status, true), named()).await) }).await;
        let line = only("an empty error", &log);
        for part in [level, "an upstream answered with an error", &format!("status={status}"), "request_id=abc-1"] {
            assert!(line.contains(part), "{status}: {part}: {line}");
        }
    }
}

#[tokio::test]
async fn of_stacked_layers_the_innermost_tells() {
    for (name, fail) in [("an error", true), ("a problem", false)] {
        let log = log_of(async {
            let layer = failures();
            let response = match fail {
                true => layer.layer(layer.layer(failing("x"))).oneshot(named()).await.unwrap().map(drop),
                false => layer.layer(layer.layer(refusing(403, false))).oneshot(named()).await.unwrap().map(drop),
            };
            assert!(response.status().is_client_error() || response.status().is_server_error());
        });
        only(name, &log.await);
    }
}

#[tokio::test]
async fn what_panics_on_the_way_to_an_answer_is_one_event_with_the_names_of_the_request() {
    let night = |at: &str| -> Problem { panic!("at {at}") };
    let peer = |_: &http::Extensions| -> Option<std::net::IpAddr> { panic!("at {}", "night") };
    for (name, layer) in [
        ("a mapping", failures().map::<Lost>(move |_| night("night"))),
        ("a fallback", failures().fallback(move |_| night("night"))),
    ] {
        let error: BoxError = if name == "a mapping" { lost().into() } else { "the order is lost".into() };
        let log = log_of(async { assert_eq!(answer(&layer, failing(error), named()).await.status, 500) }).await;
        let line = only(name, &log);
        for part in ["a panic was caught", "panic=at night", "error=the order is lost", "request_id=abc-1", "trace_id="] {
            assert!(line.contains(part), "{name}: {part}: {line}");
        }
    }
    let fine = || service_fn(|_: Asked| std::future::ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))));
    let exposing = failures().dangerous_expose_causes(peer);
    let log = log_of(async { assert_eq!(answer(&exposing, fine(), named()).await.status, 200) }).await;
    let line = only("who the peer is", &log);
    assert!(line.contains("panic=at night") && line.contains("request_id=abc-1"), "{line}");
    // Which is then the name of all that comes after it.
    let mut id = None;
    let log = log_of(async {
        id = answer(&exposing, failing("x"), empty(get("/"))).await.headers.remove("x-request-id");
    });
    let (log, id) = (log.await, id.unwrap());
    assert_eq!((log.lines().count(), log.matches(id.to_str().unwrap()).count()), (2, 2), "{log}");
}

/// These are failures of their own, beside that of the request.
#[tokio::test]
async fn a_page_and_a_hook_that_panic_are_told_by_the_id() {
    let page = |_: &Problem| -> ErrorPage { panic!("in a page") };
    for (name, layer) in [("in a page", failures().html_page(page)), ("in a hook", failures().on_error(|_| panic!("in a hook")))]
    {
        let request = empty(get("/").header("accept", "text/html").header("x-request-id", "abc-1"));
        let log = log_of(async { assert_eq!(answer(&layer, failing("x"), request).await.status, 500) }).await;
        assert_eq!((log.lines().count(), log.matches("request_id=abc-1").count()), (2, 2), "{name}: {log}");
        assert!(log.contains(&format!("panic={name}")), "{name}: {log}");
    }
}

/// One that panics when it is looked at, in a head and in a body.
#[derive(Debug)]
struct Untold(&'static str);

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert_ne!(self.0, "display", "at night");
        f.write_str(self.0)
    }
}

impl Error for Untold {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        assert_ne!(self.0, "source", "at night");
        None
    }
}

#[tokio::test]
async fn an_error_that_panics_when_it_is_looked_at_is_one_event_with_the_id() {
    for at in ["display", "source"] {
        let head = log_of(async { drop(answer(&failures(), failing(Untold(at)), named()).await) }).await;
        let body = log_of(async {
            let response = failures().layer(cut(move || Untold(at).into())).oneshot(named()).await.unwrap();
            response.into_body().collect().await.unwrap_err();
        });
        for (place, log) in [("head", head), ("body", body.await)] {
            let line = only(&format!("{at}, {place}"), &log);
            assert!(line.contains("a panic was caught") && line.contains("at night"), "{line}");
            assert!(line.contains("request_id=abc-1"), "{line}");
        }
    }
}

/// The client cannot be told any more; the log and the hook still speak of one request.
#[tokio::test]
async fn a_body_that_fails_without_an_id_is_given_one_that_the_log_knows() {
    for panics in [false, true] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        let hook = move |report: &donjon::error_mapping::ErrorReport<'_>| {
            sink.lock().unwrap().push(report.request_id().unwrap().to_owned());
        };
        for outer_alone in [false, true] {
            seen.lock().unwrap().clear();
            let outer = failures().on_error(hook.clone());
            let inner = if outer_alone { failures() } else { outer.clone() };
            let broken = cut(move || if panics { panic!("at night") } else { "cut".into() });
            let log = log_of(async {
                let response = outer.layer(inner.layer(broken)).oneshot(empty(get("/"))).await.unwrap();
                assert!(!response.headers().contains_key("x-request-id"), "the head was fine");
                response.into_body().collect().await.unwrap_err();
            })
            .await;
            let seen = seen.lock().unwrap();
            let [id] = seen.as_slice() else { panic!("{seen:?}: one report") };
            assert!(id.len() == 32 && only("body", &log).contains(&format!("request_id={id}")), "{id}: {log}");
        }
    }
}

#[tokio::test]
async fn each_error_is_one_event_with_its_names() {
    let panicking = || service_fn(|_: Asked| async { panic!("at night") as Result<Response<Full<Bytes>>, BoxError> });
    let request = || empty(get("/").header("x-request-id", "abc-1").header("traceparent", TRACEPARENT));
    let log = log_of(async {
        answer(&failures(), failing("x"), request()).await;
        answer(&failures(), panicking(), request()).await;
    })
    .await;
    for (message, count) in [("a request failed", 1), ("a panic was caught", 1), ("request_id=abc-1", 2)] {
        assert_eq!(log.matches(message).count(), count, "{message}: {log}");
    }
    assert_eq!(log.matches(&format!("trace_id={TRACE}")).count(), 2, "{log}");
    assert_eq!(log.lines().count(), 2, "{log}");
}

#[tokio::test]
async fn an_event_has_the_id_that_was_generated() {
    for layer in [failures(), every()] {
        let mut id = None;
        let log = log_of(async {
            let panicking = service_fn(|_: Asked| async { panic!("at night") as Result<Response<Full<Bytes>>, BoxError> });
            id = answer(&layer, panicking, empty(get("/"))).await.header("x-request-id").map(str::to_owned);
        })
        .await;
        assert!(log.contains(&format!("request_id={}", id.unwrap())), "{log}");
    }
}

#[tokio::test]
async fn without_names_no_field_is_empty() {
    let log = log_of(async { drop(answer(&ErrorMappingLayer::new(), failing("x"), empty(get("/"))).await) }).await;
    assert!(log.contains("a request failed") && !log.contains("request_id") && !log.contains("trace_id"), "{log}");
}

#[tokio::test]
async fn a_cut_body_is_told_by_the_id_of_its_head() {
    for panics in [true, false] {
        let cut = service_fn(move |_: Asked| async move {
            let frames = futures_util::stream::once(async move {
                assert!(!panics, "at night");
                Err::<http_body::Frame<Bytes>, BoxError>("cut".into())
            });
            Ok::<_, Infallible>(Response::new(StreamBody::new(Box::pin(frames))))
        });
        let mut id = None;
        let log = log_of(async {
            let response = every().layer(cut).oneshot(empty(get("/"))).await.unwrap();
            id = response.headers().get("x-request-id").map(|id| id.to_str().unwrap().to_owned());
            response.into_body().collect().await.unwrap_err();
        })
        .await;
        assert_eq!(log.matches(&format!("request_id={}", id.unwrap())).count(), 1, "{panics}: {log}");
        assert_eq!(log.lines().count(), 1, "{panics}: {log}");
    }
}
