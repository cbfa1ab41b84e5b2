//! Responses that are not like the others: calls of gRPC, streams of events, what has no content, pages of one's own.

use std::{convert::Infallible, time::Duration};

use axum::{Router, body::Body, routing};
use bytes::Bytes;
use donjon::{
    LayerBody, Problem, Retryability,
    error_mapping::{
        Cause, EmptyErrors, ErrorMappingLayer, ErrorPage, ProxyStatus, Role, UpstreamError, UpstreamProxyStatus, escape_html,
    },
};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, ServiceExt as _, load_shed::error::Overloaded, service_fn};

use super::{Asked, accepting, answer, failing, read};
use crate::support::{empty, get};

type Inner = Response<LayerBody<Full<Bytes>>>;

fn call(content_type: &str) -> Asked {
    empty(Request::post("/pkg.Service/Method").header("content-type", content_type).header("te", "trailers"))
}

#[tokio::test]
async fn a_call_of_grpc_is_answered_by_trailers_alone() {
    for (asked, told) in [
        ("application/grpc", "application/grpc"),
        ("application/grpc+proto", "application/grpc"),
        ("application/grpc-web+proto", "application/grpc-web"),
        ("application/grpc-web-text", "application/grpc-web-text"),
    ] {
        let response = ErrorMappingLayer::new().layer(failing(Overloaded::new())).oneshot(call(asked)).await.unwrap();
        assert!(response.body().is_end_stream(), "{asked}: the head is all");
        let answer = read(response).await;
        assert_eq!(answer.status, 200, "{asked}");
        assert_eq!(answer.header("content-type"), Some(told), "{asked}");
        assert_eq!(answer.header("grpc-status"), Some("14"), "{asked}");
        assert!(answer.header("grpc-message").unwrap().starts_with("The server has too much to do"), "{asked}");
        assert_eq!(answer.header("content-length"), None, "{asked}");
        assert_eq!(answer.header("retry-after"), Some("1"), "{asked}");
        assert_eq!(answer.cause, Some(Cause::Overloaded), "{asked}");
        assert_eq!(answer.retryability, Some(Retryability::Safe), "{asked}");
        assert_eq!(answer.problem.unwrap().status(), 503, "{asked}");
        assert_eq!(answer.body, "", "{asked}");
    }
}

#[tokio::test]
async fn a_refusal_of_a_call_keeps_its_challenge() {
    let refusing = || {
        service_fn(|_: Asked| async {
            let mut refusal: Inner = Problem::new(StatusCode::UNAUTHORIZED).with_detail("Log in: 100 %\r\n").into_http_response();
            refusal.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            Ok::<_, Infallible>(refusal)
        })
    };
    let one = answer(&ErrorMappingLayer::new(), refusing(), call("application/grpc")).await;
    assert_eq!(
        (one.status.as_u16(), one.header("grpc-status"), one.header("www-authenticate")),
        (200, Some("16"), Some("Bearer"))
    );
    assert_eq!(one.header("grpc-message"), Some("Log in: 100 %25%0D%0A"));
    let layer = ErrorMappingLayer::new();
    let two = read(layer.layer(layer.layer(refusing())).oneshot(call("application/grpc")).await.unwrap()).await;
    assert_eq!((two.status, two.headers), (one.status, one.headers), "a second layer changes nothing");
}

#[tokio::test]
async fn a_post_of_anything_else_is_no_call() {
    for content_type in ["application/grpcx", "application/json", "text/plain"] {
        let answer = answer(&ErrorMappingLayer::new(), failing("x"), call(content_type)).await;
        assert_eq!((answer.status.as_u16(), answer.header("grpc-status")), (500, None), "{content_type}");
    }
}

/// Over HTTP/2, as a client of gRPC sees it: one HEADERS frame that ends the stream.
#[tokio::test]
async fn over_http_2_a_call_ends_with_its_head() {
    use hyper_util::{
        rt::{TokioExecutor, TokioIo},
        service::TowerToHyperService,
    };

    let failing =
        service_fn(|_: Request<hyper::body::Incoming>| async { Err::<Response<Full<Bytes>>, _>(UpstreamError::new("x")) });
    let service = TowerToHyperService::new(ErrorMappingLayer::new().role(Role::Gateway).layer(failing));
    let (client, server) = tokio::io::duplex(65_536);
    tokio::spawn(hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(server), service));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client)).await.unwrap();
    tokio::spawn(connection);
    let mut request = call("application/grpc");
    *request.uri_mut() = "http://a.example/pkg.Service/Method".parse().unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["grpc-status"]), (200, &HeaderValue::from_static("14")));
    assert!(response.body().is_end_stream());
}

#[tokio::test]
async fn a_stream_of_events_is_left_alone() {
    let streaming = service_fn(|_: Asked| async {
        let mut response = Response::new(Full::new(Bytes::from_static(b"data: 1\n\n")));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        Ok::<_, Infallible>(response)
    });
    let layer = ErrorMappingLayer::new().empty_errors(EmptyErrors::Fill);
    let answer = answer(&layer, streaming, accepting("text/event-stream")).await;
    assert_eq!((answer.status.as_u16(), &*answer.body, answer.headers.len()), (503, "data: 1\n\n", 1));
}

fn router(empty_errors: EmptyErrors) -> Router {
    let mapped = ErrorMappingLayer::new().empty_errors(empty_errors);
    Router::new().route("/", routing::get(|| async { "hello" })).layer(mapped.clone()).fallback_service(mapped.layer(service_fn(
        |_: Request<Body>| async {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok::<_, Infallible>(response)
        },
    )))
}

async fn ask(router: Router, method: Method, path: &str, accept: &str) -> (Response<()>, String) {
    let request = Request::builder().method(method).uri(path).header("accept", accept).body(Body::empty()).unwrap();
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(parts, ()), String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn the_empty_errors_of_a_router_pass_or_are_filled() {
    for (method, path, status) in [(Method::GET, "/nowhere", 404), (Method::POST, "/", 405)] {
        let (bare, body) = ask(router(EmptyErrors::Pass), method.clone(), path, "*/*").await;
        assert_eq!((bare.status().as_u16(), &*body), (status, ""), "{path}");
        for (accept, shown) in [("*/*", "\"status\":40"), ("text/html", "<h1>"), ("text/plain", "40")] {
            let (filled, body) = ask(router(EmptyErrors::Fill), method.clone(), path, accept).await;
            assert_eq!(filled.status().as_u16(), status, "{path}, {accept}");
            assert!(body.contains(shown), "{path}, {accept}: {body}");
            assert_eq!(filled.headers().get("allow"), bare.headers().get("allow"), "{path}, {accept}");
            assert_eq!(filled.headers()["content-length"], body.len().to_string(), "{path}, {accept}");
            assert_eq!(filled.headers()["cache-control"], "no-store", "{path}, {accept}");
        }
    }
    let (filled, _) = ask(router(EmptyErrors::Fill), Method::POST, "/", "*/*").await;
    assert_eq!(filled.headers()["allow"], "GET,HEAD");
}

#[tokio::test]
async fn advice_that_came_with_an_empty_error_stays() {
    for (advice, expected) in [
        (None, Retryability::IdempotentOnly),
        (Some(Retryability::Safe), Retryability::Safe),
        (Some(Retryability::Never), Retryability::Never),
    ] {
        let bare = service_fn(move |_: Asked| async move {
            let mut response = Response::new(Full::<Bytes>::default());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("7"));
            if let Some(advice) = advice {
                response.extensions_mut().insert::<Retryability>(advice);
            }
            Ok::<_, Infallible>(response)
        });
        let answer = answer(&ErrorMappingLayer::new().empty_errors(EmptyErrors::Fill), bare, empty(get("/"))).await;
        assert_eq!((answer.retryability, answer.header("retry-after")), (Some(expected), Some("7")));
    }
}

#[tokio::test]
async fn what_a_head_left_out_is_not_empty() {
    let page = service_fn(|_: Asked| async {
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = StatusCode::NOT_FOUND;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("300"));
        Ok::<_, Infallible>(response)
    });
    let layer = ErrorMappingLayer::new().empty_errors(EmptyErrors::Fill);
    let answer = answer(&layer, page, empty(Request::head("/"))).await;
    assert_eq!((answer.header("content-type"), answer.header("content-length")), (Some("text/html"), Some("300")));
}

fn own_page() -> ErrorMappingLayer {
    ErrorMappingLayer::new().html_page(|problem| {
        assert_ne!(problem.status(), 409, "canary in a template");
        ErrorPage::new(format!("<!DOCTYPE html><title>{}</title>", escape_html(problem.title())))
    })
}

#[tokio::test]
async fn a_page_of_ones_own_with_its_policy() {
    let page = answer(&own_page(), failing(Overloaded::new()), accepting("text/html")).await;
    assert_eq!(page.body, "<!DOCTYPE html><title>Service Unavailable</title>");
    assert_eq!(page.header("content-length"), Some(page.body.len().to_string().as_str()));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self';") && !policy.contains("unsafe"), "{policy}");
    let layer = ErrorMappingLayer::new()
        .html_page(|_| ErrorPage::new("<!DOCTYPE html>").content_security_policy(HeaderValue::from_static("default-src 'self'")));
    let page = answer(&layer, failing("x"), accepting("text/html")).await;
    assert_eq!(page.header("content-security-policy"), Some("default-src 'self'"));
    let json = answer(&own_page(), failing("x"), accepting("application/json")).await;
    assert_eq!((json.header("content-type"), json.header("content-security-policy")), (Some("application/problem+json"), None));
}

#[tokio::test]
async fn a_page_that_panics_is_the_built_in_one() {
    let conflict = || failing(Problem::new(StatusCode::CONFLICT).with_retry_after(Duration::from_secs(3)));
    let own = answer(&own_page(), conflict(), accepting("text/html")).await;
    let built_in = answer(&ErrorMappingLayer::new(), conflict(), accepting("text/html")).await;
    assert_eq!((own.status, own.headers, own.body), (built_in.status, built_in.headers, built_in.body));
}

/// RFC 9209 §2.1.4: `received-status` is what the next hop has answered; a problem of this process was received from nobody.
#[tokio::test]
async fn a_problem_of_this_process_is_not_called_received() {
    for (policy, kept) in [(UpstreamProxyStatus::Extend, Some("up; error=dns_error")), (UpstreamProxyStatus::Strip, None)] {
        let told = ProxyStatus::new("edge").unwrap().upstream(policy);
        let gateway = ErrorMappingLayer::new().role(Role::Gateway).proxy_status(told);
        for upstreams in [None, Some("up; error=dns_error")] {
            let ours = service_fn(|_: Asked| async move {
                let mut response = Problem::new(StatusCode::SERVICE_UNAVAILABLE).into_http_response::<Full<Bytes>>();
                response
                    .headers_mut()
                    .extend(upstreams.map(|told| (HeaderName::from_static("proxy-status"), HeaderValue::from_static(told))));
                Ok::<_, Infallible>(response)
            });
            let answer = answer(&gateway, ours, empty(get("/"))).await;
            assert_eq!(answer.header("proxy-status"), upstreams.and(kept), "{policy:?} {upstreams:?}");
        }
    }
}

/// It proves nothing of what was done: some servers answer 503 after they have sent a request on, some timeouts after half of the work.
#[tokio::test]
async fn an_empty_503_is_not_called_safe() {
    for role in [Role::Gateway, Role::Origin] {
        let layer = ErrorMappingLayer::new().role(role).empty_errors(EmptyErrors::Fill);
        let empty_503 = service_fn(|_: Asked| async {
            let mut response = Response::new(Full::<Bytes>::default());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            Ok::<_, Infallible>(response)
        });
        let response = layer.layer(empty_503).oneshot(empty(get("/"))).await.unwrap();
        assert_eq!(response.extensions().get(), Some(&Retryability::IdempotentOnly), "{role:?}");
    }
}

/// What hides a failure behind another status does not undo what the failure has done.
#[tokio::test]
async fn another_status_does_not_loosen_the_advice() {
    use Retryability::{IdempotentOnly, Never, Safe};
    for (problem, status, expected) in [(500, 503, Never), (502, 429, IdempotentOnly), (503, 500, Never), (429, 503, Safe)] {
        let renaming = service_fn(move |_: Asked| async move {
            let mut response: Inner = Problem::new(StatusCode::from_u16(problem).unwrap()).into_http_response();
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            Ok::<_, Infallible>(response)
        });
        let answer = answer(&ErrorMappingLayer::new(), renaming, empty(get("/"))).await;
        assert_eq!((answer.status.as_u16(), answer.retryability), (status, Some(expected)), "{problem} as {status}");
        assert!(answer.body.contains(&format!("\"retry\":\"{expected}\"")), "{problem} as {status}: {}", answer.body);
    }
}
