//! The form follows the client, and everything else of a response stays.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use donjon::{
    LayerBody, Problem, Retryability,
    error_mapping::{EmptyErrors, ErrorMappingLayer},
};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use super::{Asked, accepting, answer, failing, read};
use crate::support::{empty, get};

type Inner = Response<LayerBody<Full<Bytes>>>;

/// A service that always answers with what `make` makes.
fn answering(make: impl Fn() -> Inner) -> impl Service<Asked, Response = Inner, Error = Infallible> {
    service_fn(move |_: Asked| std::future::ready(Ok(make())))
}

fn refusal() -> Inner {
    let mut response = Problem::new(StatusCode::UNAUTHORIZED).with_detail("Log in <first>.").into_http_response();
    let headers = response.headers_mut();
    headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"a\""));
    headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"b\""));
    headers.append(header::SET_COOKIE, HeaderValue::from_static("a=1"));
    headers.append(header::SET_COOKIE, HeaderValue::from_static("b=2"));
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.insert(header::ETAG, HeaderValue::from_static("\"x\""));
    headers.insert("digest", HeaderValue::from_static("md5=x"));
    headers.insert("content-md5", HeaderValue::from_static("x"));
    headers.insert(header::CONTENT_RANGE, HeaderValue::from_static("bytes */10"));
    headers.insert("cdn-cache-control", HeaderValue::from_static("max-age=600"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=600"));
    response
}

const JSON: &str = "application/problem+json";
const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

#[tokio::test]
async fn the_form_follows_accept_for_errors_and_for_problems_from_within() {
    let layer = ErrorMappingLayer::new();
    for (name, accept, form) in [
        ("anything", "*/*", JSON),
        ("json", "application/json", JSON),
        ("a browser", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML),
        ("text", "text/plain", TEXT),
        ("nothing of ours", "image/png", JSON),
    ] {
        let own = answer(&layer, failing("x"), accepting(accept)).await;
        let within = answer(&layer, answering(refusal), accepting(accept)).await;
        for (origin, answer) in [("own", own), ("within", within)] {
            assert_eq!(answer.header("content-type"), Some(form), "{name}, {origin}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{name}, {origin}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}, {origin}");
            assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()), "{name}, {origin}");
            assert_eq!(answer.headers.contains_key("content-security-policy"), form == HTML, "{name}, {origin}");
            assert_eq!(answer.body.starts_with("<!DOCTYPE html>"), form == HTML, "{name}, {origin}");
        }
    }
}

#[tokio::test]
async fn without_accept_it_is_json() {
    let answer = answer(&ErrorMappingLayer::new(), failing("x"), empty(get("/"))).await;
    assert_eq!(answer.header("content-type"), Some(JSON));
    assert_eq!(answer.header("vary"), Some("accept"));
}

#[tokio::test]
async fn a_problem_from_within_keeps_its_status_and_its_headers() {
    let answer = answer(&ErrorMappingLayer::new(), answering(refusal), accepting("text/html")).await;
    assert_eq!(answer.status, 401);
    let all = |name: &str| answer.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(all("www-authenticate"), ["Bearer realm=\"a\"", "Basic realm=\"b\""]);
    assert_eq!(all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(all("vary"), ["Origin", "accept"]);
    for gone in ["content-encoding", "content-range", "content-md5", "etag", "digest", "cdn-cache-control"] {
        assert_eq!(answer.header(gone), None, "{gone} tells of content that is gone");
    }
    assert!(answer.body.contains("Log in &lt;first&gt;."), "{}", answer.body);
    assert_eq!(answer.retryability, Some(Retryability::Never));
    assert_eq!(answer.cause, None);
}

/// RFC 9110 §15.5.17: it is how a client learns the length that it has asked beyond.
#[tokio::test]
async fn a_416_keeps_its_length() {
    let unsatisfiable = |problem: bool| {
        move || {
            let made = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE);
            let mut response = if problem { made.into_http_response() } else { Response::new(LayerBody::full("")) };
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            response.headers_mut().insert(header::CONTENT_RANGE, HeaderValue::from_static("bytes */10"));
            response
        }
    };
    let layer = ErrorMappingLayer::new().empty_errors(EmptyErrors::Fill);
    for (name, problem) in [("a problem", true), ("an empty error", false)] {
        for accept in ["*/*", "text/html", "text/plain"] {
            let answer = answer(&layer, answering(unsatisfiable(problem)), accepting(accept)).await;
            assert_eq!((answer.status.as_u16(), answer.body.is_empty()), (416, false), "{name}, {accept}");
            assert_eq!(answer.header("content-range"), Some("bytes */10"), "{name}, {accept}");
        }
    }
}

#[tokio::test]
async fn a_problem_in_the_extensions_alone_is_enough() {
    let busy = || {
        let mut response = Response::new(LayerBody::full("busy"));
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        response.extensions_mut().insert(Problem::from(StatusCode::TOO_MANY_REQUESTS).with_retry_after(Duration::from_secs(9)));
        response
    };
    let answer = answer(&ErrorMappingLayer::new(), answering(busy), accepting("text/plain")).await;
    assert_eq!(answer.header("retry-after"), Some("9"));
    assert_eq!(answer.body, "429 Too Many Requests\n\nTrying again may work.\n\nPlease wait 9 seconds first.\n");
}

#[tokio::test]
async fn an_empty_error_tells_the_wait_that_its_field_says() {
    const ADVICE: &str = "503 Service Unavailable\n\nTrying again may work, if repeating the request does no harm.\n";
    for (field, wait) in [
        (Some("1"), "\nPlease wait 1 second first.\n"),
        (Some("90"), "\nPlease wait 90 seconds first.\n"),
        (Some("Wed, 21 Oct 2015 07:28:00 GMT"), ""),
        (Some("soon"), ""),
        (None, ""),
    ] {
        let busy = move || {
            let mut response = Response::new(LayerBody::full(""));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            if let Some(field) = field {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(field));
            }
            response
        };
        let layer = ErrorMappingLayer::new().empty_errors(EmptyErrors::Fill);
        let answer = answer(&layer, answering(busy), accepting("text/plain")).await;
        assert_eq!((answer.header("retry-after"), &*answer.body), (field, &*format!("{ADVICE}{wait}")));
    }
}

#[tokio::test]
async fn a_status_that_an_outer_hand_has_changed_hides_the_problem() {
    let hidden = || {
        let mut response = refusal();
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    };
    let answer = answer(&ErrorMappingLayer::new(), answering(hidden), accepting("text/plain")).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.problem, Some(Problem::new(StatusCode::NOT_FOUND)));
    assert!(!answer.body.contains("Log in"), "{}", answer.body);
}

/// The wait belongs to the problem that was hidden, or else to the hand that has put another in its place: never two of them.
#[tokio::test]
async fn the_wait_that_is_told_is_that_of_the_field() {
    for (name, status, field, told, said) in [
        ("as it was", 503, None, Some("5"), Some("Please wait 5 seconds first.")),
        ("renamed to what is not repeated", 500, None, None, None),
        ("renamed to what may be", 502, None, Some("5"), Some("Please wait 5 seconds first.")),
        ("another wait", 503, Some("120"), Some("120"), Some("Please wait 120 seconds first.")),
        ("a date", 503, Some("Sun, 06 Nov 1994 08:49:37 GMT"), Some("Sun, 06 Nov 1994 08:49:37 GMT"), None),
        ("nothing that is known", 503, Some("soon"), Some("soon"), None),
        ("more than can be counted", 503, Some("99999999999999999999"), Some("99999999999999999999"), None),
    ] {
        let waiting = move || {
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE).with_retry_after(Duration::from_secs(5));
            let mut response: Inner = problem.into_http_response();
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            if let Some(field) = field {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(field));
            }
            response
        };
        let answer = answer(&ErrorMappingLayer::new(), answering(waiting), accepting("text/plain")).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (status, told), "{name}");
        let wait = answer.body.lines().find(|line| line.starts_with("Please wait"));
        assert_eq!(wait, said, "{name}: {}", answer.body);
    }
}

#[tokio::test]
async fn what_is_no_error_or_has_no_problem_passes_untouched() {
    for (name, status, problem) in [
        ("a plain 404", 404, None),
        ("a plain 500", 500, None),
        ("a switch of protocols", 101, Some(Problem::new(StatusCode::BAD_REQUEST))),
        ("a success", 200, Some(Problem::new(StatusCode::BAD_REQUEST))),
        ("a success without content", 204, Some(Problem::new(StatusCode::BAD_REQUEST))),
        ("a revalidation", 304, Some(Problem::new(StatusCode::NOT_MODIFIED))),
    ] {
        let plain = || {
            let mut response = Response::new(LayerBody::full("mine"));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response.headers_mut().insert(header::ETAG, HeaderValue::from_static("\"x\""));
            if let Some(problem) = &problem {
                response.extensions_mut().insert(problem.clone());
            }
            response
        };
        for layer in [ErrorMappingLayer::new(), ErrorMappingLayer::new().empty_errors(EmptyErrors::Fill)] {
            let answer = answer(&layer, answering(plain), accepting("text/html")).await;
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (status, "mine"), "{name}");
            assert_eq!((answer.headers.len(), answer.header("etag")), (1, Some("\"x\"")), "{name}");
        }
    }
}

#[tokio::test]
async fn head_gets_the_same_headers_and_no_body() {
    let layer = ErrorMappingLayer::new();
    for accept in ["*/*", "text/html", "text/plain"] {
        let head = || empty(http::Request::head("/").header("accept", accept));
        for (origin, get, head) in [
            ("own", answer(&layer, failing("x"), accepting(accept)).await, answer(&layer, failing("x"), head()).await),
            (
                "within",
                answer(&layer, answering(refusal), accepting(accept)).await,
                answer(&layer, answering(refusal), head()).await,
            ),
        ] {
            assert_eq!(head.headers, get.headers, "{accept}, {origin}");
            assert_eq!(head.body, "", "{accept}, {origin}");
            assert_ne!(get.body, "", "{accept}, {origin}");
        }
    }
}

#[tokio::test]
async fn two_of_them_answer_as_one() {
    let layer = ErrorMappingLayer::new();
    for accept in ["*/*", "text/html", "text/plain"] {
        let one = answer(&layer, failing("x"), accepting(accept)).await;
        let two = read(layer.layer(layer.layer(failing("x"))).oneshot(accepting(accept)).await.unwrap()).await;
        assert_eq!(two.status, one.status, "{accept}");
        assert_eq!(two.headers, one.headers, "{accept}");
        assert_eq!(two.body, one.body, "{accept}");
        assert_eq!((two.cause, two.problem, two.retryability), (one.cause, one.problem, one.retryability), "{accept}");
    }
}

#[tokio::test]
async fn advice_is_given_once() {
    const ADVICE: &str = "Do not send the same data again.";
    for accept in ["*/*", "text/html", "text/plain"] {
        let answer = answer(&ErrorMappingLayer::new(), failing("x"), accepting(accept)).await;
        assert_eq!(answer.body.matches(ADVICE).count(), 1, "{accept}: {}", answer.body);
    }
    let document: serde_json::Value =
        serde_json::from_str(&answer(&ErrorMappingLayer::new(), failing("x"), accepting("*/*")).await.body).unwrap();
    assert!(document["detail"].as_str().unwrap().ends_with(ADVICE), "{document}");
}

#[tokio::test]
async fn the_page_is_self_contained() {
    let page = answer(&ErrorMappingLayer::new(), failing("x"), accepting("text/html")).await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    for present in
        ["<html lang=\"en\">", "name=\"viewport\"", "<main>", "<h1>Internal Server Error</h1>", "prefers-color-scheme:dark"]
    {
        assert!(page.body.contains(present), "{present}");
    }
    for absent in ["<script", "<link", "<img", "url(", "style=", "http:", "https:"] {
        assert!(!page.body.contains(absent), "{absent}");
    }
}
