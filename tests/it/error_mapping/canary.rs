//! Ten thousand answers to what was said nowhere but inside.

use std::{convert::Infallible, io};

use bytes::Bytes;
use donjon::{
    LayerBody, Problem,
    error_mapping::{
        Correlated, Correlation, EmptyErrors, ErrorMappingLayer, ErrorPage, ProxyStatus, Role, UpstreamError, escape_html,
    },
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use tower::{BoxError, Layer as _, ServiceExt as _, load_shed::error::Overloaded, service_fn, timeout::error::Elapsed};

use super::{
    Asked, read,
    secrets::{CANARY, Telling, assert_silent, over},
};
use crate::support::empty;

const ANSWERS: usize = 10_000;

type Inner = Response<LayerBody<Full<Bytes>>>;

/// Fails in one of these ways, with the canary wherever a text can be.
fn fail(way: usize) -> Result<Inner, BoxError> {
    let upstream = |kind| UpstreamError::new(over(io::Error::new(kind, CANARY)));
    Err(match way % 13 {
        0 => CANARY.into(),
        1 => over(Telling(CANARY, None)),
        2 => over(io::Error::other(CANARY)),
        3 => over(Elapsed::new()),
        4 => over(Overloaded::new()),
        5 => upstream(io::ErrorKind::ConnectionRefused).into(),
        6 => upstream(io::ErrorKind::ConnectionReset).into(),
        7 => upstream(io::ErrorKind::TimedOut).into(),
        8 => over(upstream(io::ErrorKind::NotFound)),
        9 => panic!("{CANARY}"),
        10 => std::panic::panic_any(CANARY),
        // What stands in place of another's answer: its content, and what speaks of it.
        11 => {
            let mut response = Response::new(LayerBody::full(CANARY));
            *response.status_mut() = StatusCode::FORBIDDEN;
            response.headers_mut().insert("etag", http::HeaderValue::from_static("\"c4n4ry\""));
            response.extensions_mut().insert(Problem::new(StatusCode::FORBIDDEN));
            return Ok(response);
        }
        // An outer hand has hidden what was refused.
        _ => {
            let mut response: Inner = Problem::new(StatusCode::FORBIDDEN).with_detail(CANARY).into_http_response();
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
    })
}

fn layers() -> Vec<ErrorMappingLayer> {
    let mut layers = Vec::new();
    for role in [Role::Origin, Role::Gateway] {
        let plain = ErrorMappingLayer::new().role(role).proxy_status(ProxyStatus::new("gw").unwrap());
        let named = plain.clone().correlation(Correlation::new().correlated(Correlated::Every));
        let own = |problem: &Problem| ErrorPage::new(escape_html(problem.title()).to_string());
        layers.push(plain.clone().correlation(Correlation::new()).empty_errors(EmptyErrors::Fill));
        layers.push(named.html_page(own).dangerous_expose_causes(|_| Some([192, 0, 2, 1].into())));
        layers.push(plain.map::<Telling>(|_| panic!("{CANARY}")));
    }
    layers
}

fn asked(number: usize) -> Asked {
    const ACCEPT: [&str; 6] =
        ["*/*", "text/html", "text/plain", "application/problem+json", CANARY, "text/html;q=0.1, text/plain;c4n4ry"];
    const TYPE: [&str; 4] = ["application/json", "application/grpc", CANARY, "application/grpc-web+c4n4ry"];
    let pick = |list: &[&'static str], by: usize| list[number / by % list.len()];
    let method = [Method::GET, Method::POST, Method::HEAD, Method::PUT][number % 4].clone();
    let mut request = Request::builder().method(method).uri("http://c4n4ry.example/c4n4ry?c4n4ry=c4n4ry");
    for (name, value) in [("accept", pick(&ACCEPT, 1)), ("content-type", pick(&TYPE, 7))] {
        request = request.header(name, value);
    }
    for name in [
        "x-request-id",
        "traceparent",
        "tracestate",
        "cookie",
        "authorization",
        "host",
        "referer",
        "user-agent",
        "via",
        "x-c4n4ry",
    ] {
        request = request.header(name, CANARY);
    }
    empty(request)
}

#[tokio::test]
async fn in_ten_thousand_answers_it_is_nowhere() {
    let layers = layers();
    let (mut answers, mut forms) = (0, std::collections::BTreeMap::<String, usize>::new());
    for number in 0..ANSWERS {
        let inner = service_fn(move |_: Request<Empty<Bytes>>| async move { fail(number / 5) });
        let layer = &layers[number % layers.len()];
        let answer =
            read(layer.layer(inner).oneshot(asked(number)).await.unwrap_or_else(|never: Infallible| match never {})).await;
        assert!(answer.problem.is_some(), "{number}: every one was generated");
        assert_silent(&format!("answer {number}"), &answer);
        *forms.entry(answer.header("content-type").unwrap().to_owned()).or_default() += 1;
        answers += 1;
    }
    assert_eq!(answers, ANSWERS);
    assert_eq!(forms.len(), 5, "JSON, HTML, text and two of gRPC: {forms:?}");
    assert!(forms.values().all(|count| *count > 300), "each of them often: {forms:?}");
}
