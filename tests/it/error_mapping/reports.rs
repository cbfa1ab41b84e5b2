//! Who is told of an error, and what.

use std::{
    convert::Infallible,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use donjon::{
    LayerBody, Problem,
    error_mapping::{Cause, ErrorCounts, ErrorMappingLayer, ErrorStage},
};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use tower::{BoxError, Layer as _, ServiceExt as _, service_fn};

use super::{Answer, Asked, answer, failing, read};
use crate::support::{empty, get};

type Told = (ErrorStage, Option<u16>, Option<Cause>, Option<String>);

fn recording() -> (ErrorMappingLayer, Arc<Mutex<Vec<Told>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let layer = ErrorMappingLayer::new().on_error(move |report| {
        let status = report.problem().map(|problem| problem.status().as_u16());
        sink.lock().unwrap().push((report.stage(), status, report.cause(), report.error().map(ToString::to_string)));
    });
    (layer, seen)
}

async fn refusing(_: Asked) -> Result<Response<LayerBody<Full<Bytes>>>, Infallible> {
    Ok(Problem::new(StatusCode::FORBIDDEN).with_type("https://a.example/no").into_http_response())
}

async fn panicking(_: Asked) -> Result<Response<Full<Bytes>>, BoxError> {
    panic!("canary")
}

async fn fine(_: Asked) -> Result<Response<Full<Bytes>>, BoxError> {
    Ok(Response::default())
}

#[tokio::test]
async fn each_error_is_reported_once() {
    let (layer, seen) = recording();
    answer(&layer, failing(io::Error::other("disk")), empty(get("/"))).await;
    answer(&layer, service_fn(panicking), empty(get("/"))).await;
    answer(&layer, service_fn(refusing), empty(get("/"))).await;
    answer(&layer, service_fn(fine), empty(get("/"))).await;
    assert_eq!(
        *seen.lock().unwrap(),
        [
            (ErrorStage::Head, Some(500), Some(Cause::Internal), Some("disk".to_owned())),
            (ErrorStage::Head, Some(500), Some(Cause::Panic), None),
            (ErrorStage::Head, Some(403), None, None),
        ]
    );
}

#[tokio::test]
async fn of_stacked_layers_one_reports() {
    let (outer, outside) = recording();
    let (inner, inside) = recording();
    read(outer.layer(inner.layer(failing("x"))).oneshot(empty(get("/"))).await.unwrap()).await;
    assert_eq!((inside.lock().unwrap().len(), outside.lock().unwrap().len()), (1, 0));
    read(outer.layer(ErrorMappingLayer::new().layer(failing("x"))).oneshot(empty(get("/"))).await.unwrap()).await;
    assert_eq!(outside.lock().unwrap().len(), 1, "where nobody within has somebody to tell");
}

#[tokio::test]
async fn a_body_that_fails_is_reported() {
    for panics in [false, true] {
        let (layer, seen) = recording();
        let cut = service_fn(move |_: Asked| async move {
            let frames = futures_util::stream::once(async move {
                assert!(!panics, "canary");
                Err::<http_body::Frame<Bytes>, BoxError>("cut".into())
            });
            Ok::<_, Infallible>(Response::new(StreamBody::new(Box::pin(frames))))
        });
        let response = layer.layer(layer.layer(cut)).oneshot(empty(get("/"))).await.unwrap();
        assert!(seen.lock().unwrap().is_empty(), "the head was fine");
        response.into_body().collect().await.unwrap_err();
        let expected = if panics { (Cause::Panic, None) } else { (Cause::Internal, Some("cut".to_owned())) };
        assert_eq!(*seen.lock().unwrap(), [(ErrorStage::Body, None, Some(expected.0), expected.1)], "{panics}");
    }
}

/// Fails whenever it is asked.
async fn cut(
    _: Asked,
) -> Result<Response<StreamBody<impl futures_util::Stream<Item = Result<Frame<Bytes>, BoxError>> + Unpin>>, BoxError> {
    Ok(Response::new(StreamBody::new(futures_util::stream::repeat_with(|| Err("cut".into())))))
}

#[tokio::test]
async fn a_body_that_fails_is_reported_where_nobody_within_has_somebody_to_tell() {
    let expected = [(ErrorStage::Body, None, Some(Cause::Internal), Some("cut".to_owned()))];
    let silent = ErrorMappingLayer::new();
    let (outer, seen) = recording();
    let response = outer.layer(silent.layer(service_fn(cut))).oneshot(empty(get("/"))).await.unwrap();
    response.into_body().collect().await.unwrap_err();
    assert_eq!(*seen.lock().unwrap(), expected);

    let (outer, seen) = recording();
    let (inner, within) = recording();
    let wrapped = |inner: ErrorMappingLayer| {
        let wrapping = inner.layer(service_fn(cut));
        wrapping.map_response(|response| response.map(|body| body.map_err(axum::Error::new)))
    };
    for (inner, outside) in [(silent, 1), (inner, 0)] {
        seen.lock().unwrap().clear();
        let response = outer.layer(wrapped(inner)).oneshot(empty(get("/"))).await.unwrap();
        response.into_body().collect().await.unwrap_err();
        assert_eq!(seen.lock().unwrap().len(), outside, "within something else");
    }
    assert_eq!(*within.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_body_that_is_asked_again_is_not_reported_again() {
    let (layer, seen) = recording();
    let mut body = layer.layer(service_fn(cut)).oneshot(empty(get("/"))).await.unwrap().into_body();
    assert!(body.frame().await.unwrap().is_err());
    assert!(body.frame().await.is_none() && http_body::Body::is_end_stream(&body));
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn one_who_panics_when_told_changes_nothing() {
    let (layer, seen) = recording();
    let sink = seen.clone();
    let layer = layer.on_error(|_| panic!("canary")).on_error(move |report| {
        sink.lock().unwrap().push((report.stage(), None, None, None));
    });
    let answer = answer(&layer, failing("x"), empty(get("/"))).await;
    assert_eq!(answer.status, 500);
    assert!(!answer.body.contains("canary"));
    assert_eq!(seen.lock().unwrap().len(), 2, "the one before and the one after were told");
}

#[tokio::test]
async fn errors_are_counted_by_type() {
    let counts = ErrorCounts::new();
    let layer = ErrorMappingLayer::new().count_in(&counts);
    for _ in 0..3 {
        answer(&layer, service_fn(refusing), empty(get("/"))).await;
    }
    answer(&layer, failing("x"), empty(get("/"))).await;
    answer(&layer, service_fn(fine), empty(get("/"))).await;
    let read: Vec<_> =
        counts.read().into_iter().map(|kind| (kind.type_uri.into_owned(), kind.status, kind.cause, kind.count)).collect();
    assert_eq!(read, [("about:blank".to_owned(), 500, "internal", 1), ("https://a.example/no".to_owned(), 403, "", 3)]);
}

#[tokio::test]
async fn a_report_shows_no_error_by_itself() {
    let shown = Arc::new(Mutex::new(String::new()));
    let sink = shown.clone();
    let layer = ErrorMappingLayer::new().on_error(move |report| *sink.lock().unwrap() = format!("{report:?}"));
    answer(&layer, failing("canary"), empty(get("/"))).await;
    let shown = shown.lock().unwrap();
    assert!(shown.starts_with("ErrorReport") && !shown.contains("canary"), "{shown}");
}

fn exposing() -> ErrorMappingLayer {
    ErrorMappingLayer::new().dangerous_expose_causes(|extensions| extensions.get::<IpAddr>().copied())
}

async fn from(layer: &ErrorMappingLayer, peer: Option<&str>, accept: &str, field: Option<&str>) -> Answer {
    let mut request = get("/").header("accept", accept);
    if let Some(field) = field {
        request = request.header(field, "192.0.2.1");
    }
    if let Some(peer) = peer {
        request = request.extension(peer.parse::<IpAddr>().unwrap());
    }
    let error = io::Error::other(io::Error::other("the <disk> at /srv?key=hunter2 is gone"));
    answer(layer, failing(error), empty(request)).await
}

#[tokio::test]
async fn causes_are_shown_on_the_machine_itself_in_every_form() {
    for (accept, shown) in [
        ("*/*", r#""causes":["the \u003cdisk\u003e at /srv?…"#),
        ("text/html", "<h2>Causes</h2>\n<ol>\n<li>the &lt;disk&gt; at /srv?…"),
        ("text/plain", "Cause: the <disk> at /srv?…"),
    ] {
        for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let answer = from(&exposing(), Some(peer), accept, None).await;
            assert!(answer.body.contains(shown), "{accept}: {}", answer.body);
            assert!(!answer.body.contains("hunter2"), "{accept}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn causes_are_shown_to_nobody_else() {
    for accept in ["*/*", "text/html", "text/plain"] {
        for (name, layer, peer, field) in [
            ("not asked for", ErrorMappingLayer::new(), Some("127.0.0.1"), None),
            ("another machine", exposing(), Some("192.0.2.7"), None),
            ("a private network", exposing(), Some("10.0.0.1"), None),
            ("nobody knows", exposing(), None, None),
            ("by a proxy", exposing(), Some("127.0.0.1"), Some("x-forwarded-for")),
            ("by a standard proxy", exposing(), Some("127.0.0.1"), Some("forwarded")),
            ("by a gateway", exposing(), Some("127.0.0.1"), Some("via")),
        ] {
            let answer = from(&layer, peer, accept, field).await;
            assert!(!answer.body.contains("disk"), "{name}, {accept}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_panic_is_shown_like_an_error() {
    let request = empty(get("/").extension(IpAddr::from([127, 0, 0, 1])));
    let answer = answer(&exposing(), service_fn(panicking), request).await;
    assert!(answer.body.contains(r#""causes":["canary"]"#), "{}", answer.body);
}

/// axum puts the error of a body into one of its own; whoever told it first has still told it.
#[tokio::test]
async fn a_body_that_fails_beneath_a_wrapper_is_reported_once() {
    for panics in [false, true] {
        let counts = ErrorCounts::new();
        let cut = service_fn(move |_: Asked| async move {
            let frames = [true, false].into_iter().map(move |begins| match begins {
                true => Ok(Frame::data(Bytes::from_static(b"begun"))),
                false if panics => panic!("canary"),
                false => Err(io::Error::other("cut")),
            });
            Ok::<_, BoxError>(Response::new(StreamBody::new(futures_util::stream::iter(frames))))
        });
        let layer = ErrorMappingLayer::new().count_in(&counts);
        let within = layer.layer(cut).map_response(|response| response.map(axum::body::Body::new));
        let response = layer.layer(within).oneshot(empty(get("/"))).await.unwrap();
        let error = response.into_body().collect().await.unwrap_err();
        assert_eq!(error.cause(), if panics { Cause::Panic } else { Cause::Internal });
        assert_eq!(counts.read().iter().map(|kind| kind.count).sum::<u64>(), 1, "{:?}", counts.read());
    }
}
