//! The tower contract: readiness, frameworks, allocations.

use std::convert::Infallible;

use axum::{Router, routing};
use bytes::Bytes;
use donjon::conditional_cache::{ConditionalCacheLayer, EntityTag};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::{
    Layer as _, Service as _, ServiceBuilder, ServiceExt as _, buffer::BufferLayer, limit::ConcurrencyLimitLayer, service_fn,
    util::BoxCloneSyncService,
};

use super::{request, response};
use crate::support::{allocations, now, whole};

type Asked = Request<Empty<Bytes>>;
type Answered = Response<Full<Bytes>>;

async fn hello(_: Asked) -> Result<Answered, Infallible> {
    Ok(Response::new(Full::from("hello")))
}

#[tokio::test]
async fn readiness_is_the_inner_services_and_the_ready_one_is_called() {
    let (mut service, mut inner) = tower_test::mock::spawn_layer::<Asked, Answered, _>(ConditionalCacheLayer::new());
    inner.allow(0);
    assert!(service.poll_ready().is_pending());
    inner.allow(1);
    assert!(service.poll_ready().is_ready());
    let answer = service.call(request("GET", "/", &[]));
    let (_, send) = inner.next_request().await.expect("the request arrives");
    send.send_response(Response::new(Full::from("hello")));
    assert!(answer.await.unwrap().headers().contains_key("etag"));
}

#[tokio::test]
async fn an_error_of_the_inner_service_is_passed_on() {
    let (mut service, mut inner) = tower_test::mock::spawn_layer::<Asked, Answered, _>(ConditionalCacheLayer::new());
    inner.allow(1);
    assert!(service.poll_ready().is_ready());
    let answer = service.call(request("GET", "/", &[]));
    inner.next_request().await.expect("the request arrives").1.send_error("down");
    assert_eq!(answer.await.unwrap_err().to_string(), "down");
}

#[tokio::test]
async fn over_a_concurrency_limit_and_a_buffer() {
    let limited =
        ServiceBuilder::new().layer(ConditionalCacheLayer::new()).layer(ConcurrencyLimitLayer::new(1)).service_fn(hello);
    let buffered = ServiceBuilder::new().layer(ConditionalCacheLayer::new()).layer(BufferLayer::new(1)).service_fn(hello);
    for _ in 0..3 {
        assert!(limited.clone().oneshot(request("GET", "/", &[])).await.unwrap().headers().contains_key("etag"));
        assert!(buffered.clone().oneshot(request("GET", "/", &[])).await.unwrap().headers().contains_key("etag"));
    }
}

#[tokio::test]
async fn it_fits_into_a_boxed_service() {
    let boxed = BoxCloneSyncService::new(ConditionalCacheLayer::new().layer(service_fn(hello)));
    assert_eq!(boxed.oneshot(request("GET", "/", &[("if-none-match", "*")])).await.unwrap().status(), StatusCode::NOT_MODIFIED);
}

#[test]
fn layer_service_and_future_may_cross_threads() {
    fn crosses<T: Send + Sync + Clone + std::fmt::Debug>(value: T) -> T {
        value
    }
    fn sends<T: Send>(_: T) {}
    let layer = crosses(ConditionalCacheLayer::new());
    sends(crosses(layer.layer(Plain)).call(request("GET", "/", &[])));
}

#[derive(Clone, Debug)]
struct Plain;

impl tower::Service<Asked> for Plain {
    type Response = Answered;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Answered, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Asked) -> Self::Future {
        std::future::ready(Ok(Response::new(Full::from("hello"))))
    }
}

#[tokio::test]
async fn in_an_axum_router_get_and_head_have_the_same_tag() {
    let router = Router::new().route("/", routing::get(async || "hello")).layer(ConditionalCacheLayer::new());
    let ask = async |method, tag: Option<&str>| {
        let mut request = Request::builder().method(method).uri("/");
        if let Some(tag) = tag {
            request = request.header("if-none-match", tag);
        }
        whole(router.clone().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap()).await
    };
    let tag = EntityTag::of("hello").to_string();
    let (get, content) = ask(Method::GET, None).await;
    assert_eq!((get.headers["etag"].to_str().unwrap(), &content[..]), (tag.as_str(), &b"hello"[..]));
    let (head, content) = ask(Method::HEAD, None).await;
    assert_eq!((&head.headers["etag"], &head.headers["content-length"]), (&get.headers["etag"], &get.headers["content-length"]));
    assert!(content.is_empty());
    let (known, content) = ask(Method::GET, Some(&tag)).await;
    assert_eq!((known.status, content.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(ask(Method::HEAD, Some(&tag)).await.0.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn on_bare_hyper_a_304_has_no_length_and_leaves_the_connection_in_order() {
    let (mut client, server) = tokio::io::duplex(4096);
    let service = ServiceBuilder::new()
        .layer(ConditionalCacheLayer::new())
        .service_fn(async |_: Request<hyper::body::Incoming>| Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello"))));
    let service = hyper_util::service::TowerToHyperService::new(service);
    let server =
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(server), service));
    client
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nif-none-match: *\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    server.await.unwrap().unwrap();
    let (first, second) = text.split_once("\r\n\r\n").unwrap();
    assert!(first.starts_with("HTTP/1.1 304"), "{text}");
    assert!(!first.contains("content-length") && !first.contains("transfer-encoding"), "{text}");
    assert!(second.starts_with("HTTP/1.1 200") && second.contains("content-length: 5") && second.ends_with("hello"), "{text}");
}

#[test]
fn a_request_without_work_allocates_nothing() {
    let layer = ConditionalCacheLayer::new();
    for (name, method, status, fields) in [
        ("another method", "POST", 200, &[][..]),
        ("no content", "GET", 204, &[]),
        ("a redirect", "GET", 302, &[("location", "/")]),
        ("the handler said all", "GET", 200, &[("cache-control", "max-age=1"), ("etag", "\"a\"")]),
        ("not to be stored", "GET", 200, &[("cache-control", "no-store, private"), ("content-type", "text/html")]),
        ("an event stream", "GET", 200, &[("content-type", "text/event-stream"), ("cache-control", "no-store")]),
    ] {
        let request = request(method, "/assets/a.js", &[("accept", "*/*"), ("accept-encoding", "gzip, br"), ("cookie", "a=b")]);
        let mut inner = Some(response(status, fields, Full::<Bytes>::from("x")));
        let mut service = layer.layer(service_fn(|_: Asked| std::future::ready(Ok::<_, Infallible>(inner.take().unwrap()))));
        let (count, answer) = allocations(|| now(service.call(request)));
        assert_eq!((count, answer.status().as_u16()), (0, status), "{name}");
    }
}
