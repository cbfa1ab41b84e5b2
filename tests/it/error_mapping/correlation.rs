//! The answer, the log and the services within call one request by one name.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use donjon::{
    LayerBody, Problem,
    error_mapping::{Correlated, Correlation, ErrorMappingLayer},
};
use http::{HeaderName, Response, StatusCode};
use http_body_util::Full;
use tower::{BoxError, Layer as _, ServiceExt as _, service_fn};

use super::{Answer, Asked, answer, failing, read};
use crate::support::{allocations, empty, get, now};

pub(super) const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
pub(super) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

pub(super) fn failures() -> ErrorMappingLayer {
    ErrorMappingLayer::new().correlation(Correlation::new())
}

pub(super) fn every() -> ErrorMappingLayer {
    ErrorMappingLayer::new().correlation(Correlation::new().correlated(Correlated::Every))
}

fn member<'a>(answer: &'a Answer, name: &str) -> Option<std::borrow::Cow<'a, str>> {
    let problem = answer.problem.as_ref()?;
    let (_, value) = problem.members().find(|member| member.0 == name)?;
    let donjon::Value::String(text) = value else { panic!("{value:?} is no text") };
    Some(text.clone())
}

fn is_generated(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[tokio::test]
async fn nothing_is_read_or_said_unless_it_was_asked_for() {
    let request = empty(get("/").header("x-request-id", "abc").header("traceparent", TRACEPARENT));
    let answer = answer(&ErrorMappingLayer::new(), failing("x"), request).await;
    assert_eq!(answer.header("x-request-id"), None);
    assert!(!answer.body.contains("abc") && !answer.body.contains(TRACE));
}

#[tokio::test]
async fn the_clients_id_comes_back_in_every_form() {
    for layer in [failures(), every()] {
        for accept in ["*/*", "text/html", "text/plain"] {
            let request = get("/").header("accept", accept).header("x-request-id", "abc-1").header("traceparent", TRACEPARENT);
            let answer = answer(&layer, failing("x"), empty(request)).await;
            assert_eq!(answer.header("x-request-id"), Some("abc-1"), "{accept}");
            assert_eq!(member(&answer, "request_id").as_deref(), Some("abc-1"), "{accept}");
            assert_eq!(member(&answer, "trace_id").as_deref(), Some(TRACE), "{accept}");
            let shown = if accept == "*/*" { "\"request_id\":\"abc-1\"" } else { "Reference: abc-1" };
            assert!(answer.body.contains(shown), "{accept}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn what_is_no_id_is_replaced_and_not_repeated() {
    for bad in ["<script>alert(1)</script>", "https://evil.example/", "a b", "", &"x".repeat(129)] {
        for layer in [failures(), every()] {
            let request = empty(get("/").header("accept", "text/html").header("x-request-id", bad).header("traceparent", bad));
            let answer = answer(&layer, failing("x"), request).await;
            let id = answer.header("x-request-id").unwrap();
            assert!(is_generated(id), "{bad}: {id}");
            assert_eq!(member(&answer, "request_id").as_deref(), Some(id), "{bad}");
            assert_eq!(member(&answer, "trace_id"), None, "{bad}");
            assert!(bad.is_empty() || !answer.body.contains(bad), "{bad}");
        }
    }
}

#[tokio::test]
async fn the_field_can_have_another_name() {
    let layer = ErrorMappingLayer::new().correlation(Correlation::new().field(HeaderName::from_static("x-correlation-id")));
    let request = empty(get("/").header("x-correlation-id", "abc").header("x-request-id", "def"));
    let answer = answer(&layer, failing("x"), request).await;
    assert_eq!((answer.header("x-correlation-id"), answer.header("x-request-id")), (Some("abc"), None));
}

#[tokio::test]
async fn a_refusal_from_within_is_named_too() {
    let refusing = service_fn(|_: Asked| async {
        Ok::<Response<LayerBody<Full<Bytes>>>, Infallible>(Problem::new(StatusCode::FORBIDDEN).into_http_response())
    });
    let answer = answer(&failures(), refusing, empty(get("/").header("x-request-id", "abc"))).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-request-id")), (403, Some("abc")));
    assert!(answer.body.contains("\"request_id\":\"abc\""), "{}", answer.body);
}

/// Answers with the id that it sees.
async fn seeing(request: Asked) -> Result<Response<Full<Bytes>>, BoxError> {
    let mut ids = request.headers().get_all("x-request-id").iter();
    let seen = ids.next().map_or(Bytes::new(), |id| Bytes::copy_from_slice(id.as_bytes()));
    assert!(ids.next().is_none(), "one id and no more");
    if request.uri().path() == "/fail" {
        Err(String::from_utf8(seen.to_vec()).unwrap().into())
    } else {
        Ok(Response::new(Full::new(seen)))
    }
}

#[tokio::test]
async fn with_every_request_named_within_and_without_see_one_id() {
    for (name, ids, brought) in
        [("none", &[][..], None), ("one", &["abc"], Some("abc")), ("a bad one", &["<b>"], None), ("two", &["abc", "def"], None)]
    {
        let request = ids.iter().fold(get("/"), |request, id| request.header("x-request-id", *id));
        let answer = answer(&every(), service_fn(seeing), empty(request)).await;
        assert_eq!(answer.status, 200, "{name}");
        let id = answer.header("x-request-id").unwrap();
        assert_eq!(id, answer.body, "{name}: what stands within has the same");
        assert!(brought.map_or_else(|| is_generated(id), |brought| brought == id), "{name}: {id}");
    }
}

/// And what fails there fails by the name that the answer has.
#[tokio::test]
async fn what_fails_within_sees_the_id_of_the_answer() {
    let seen = Arc::new(Mutex::new(None));
    let sink = seen.clone();
    let layer = every().on_error(move |report| *sink.lock().unwrap() = report.error().map(ToString::to_string));
    let answer = answer(&layer, service_fn(seeing), empty(get("/fail"))).await;
    assert_eq!(answer.status, 500);
    assert_eq!(seen.lock().unwrap().as_deref(), answer.header("x-request-id"));
}

#[tokio::test]
async fn with_failures_named_a_success_is_not_touched() {
    let answer = answer(&failures(), service_fn(seeing), empty(get("/").header("x-request-id", "abc"))).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-request-id"), &*answer.body), (200, None, "abc"));
}

#[test]
fn a_success_that_brings_no_name_allocates_nothing() {
    let mut service = failures().layer(service_fn(|_: Asked| {
        std::future::ready(Ok::<_, Infallible>(Response::new(http_body_util::Empty::<Bytes>::new())))
    }));
    let request = empty(get("/").header("accept", "text/html"));
    let (count, response) = allocations(|| now(tower::Service::call(&mut service, request)));
    assert_eq!((count, response.status().as_u16()), (0, 200));
}

#[tokio::test]
async fn two_layers_give_one_name() {
    for (inner, outer) in [(failures(), failures()), (every(), failures()), (failures(), every()), (every(), every())] {
        let response = outer.layer(inner.layer(failing("x"))).oneshot(empty(get("/"))).await.unwrap();
        let answer = read(response).await;
        assert_eq!(answer.headers.get_all("x-request-id").iter().count(), 1);
        let id = answer.header("x-request-id").unwrap();
        assert!(is_generated(id), "{id}");
        assert_eq!(member(&answer, "request_id").as_deref(), Some(id));
    }
}

#[tokio::test]
async fn a_report_has_the_names() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let layer = failures().on_error(move |report| {
        sink.lock().unwrap().push((report.request_id().map(str::to_owned), report.trace_id().map(str::to_owned)));
    });
    answer(&layer, failing("x"), empty(get("/").header("x-request-id", "abc").header("traceparent", TRACEPARENT))).await;
    let answer = answer(&layer, failing("x"), empty(get("/"))).await;
    let generated = answer.header("x-request-id").map(str::to_owned);
    assert_eq!(*seen.lock().unwrap(), [(Some("abc".to_owned()), Some(TRACE.to_owned())), (generated, None)]);
}
