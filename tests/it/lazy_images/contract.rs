//! The tower contract.

use std::{convert::Infallible, time::Duration};

use axum::{Router, response::Html, routing::get as route};
use bytes::Bytes;
use donjon::lazy_images::{LazyImages, LazyImagesLayer, ResponseFuture};
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tower::{
    Layer as _, Service as _, ServiceBuilder, ServiceExt as _, buffer::BufferLayer, limit::ConcurrencyLimitLayer,
    util::BoxCloneSyncService,
};
use tower_test::{assert_request_eq, mock};

use super::{answering, page};
use crate::support::{empty, get, whole};

const HTML: &str = "<img src=a width=9 height=9>";
const SENT: &str = "<img loading=lazy decoding=async src=a width=9 height=9>";

fn layer() -> LazyImagesLayer {
    LazyImagesLayer::new().eager(0)
}

#[test]
fn the_types_are_what_the_contract_says() {
    fn layers<T: Clone + std::fmt::Debug + Send + Sync + 'static>() {}
    fn sendable<T: Send>() {}
    layers::<LazyImagesLayer>();
    layers::<LazyImages<()>>();
    sendable::<ResponseFuture<std::future::Ready<Result<Response<Full<Bytes>>, Infallible>>>>();
    sendable::<donjon::lazy_images::ResponseBody<Full<Bytes>>>();
}

#[tokio::test]
async fn readiness_is_the_inner_services() {
    let (mut service, mut handle) = mock::spawn_layer::<Request<&'static str>, Response<Full<Bytes>>, _>(layer());
    handle.allow(0);
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(service.poll_ready().is_ready());
    let answer = service.call(Request::new("asked"));
    let (request, send) = handle.next_request().await.unwrap();
    assert_eq!(request.into_body(), "asked");
    send.send_response(page(HTML));
    assert_eq!(whole(answer.await.unwrap()).await.1, SENT);
}

#[tokio::test]
async fn the_inner_error_is_the_error() {
    let (mut service, mut handle) =
        mock::spawn_layer::<&'static str, Response<Full<Bytes>>, _>(tower::layer::layer_fn(|inner| {
            layer().layer(tower::util::MapRequest::new(inner, |request: Request<&'static str>| request.into_body()))
        }));
    let _ = &mut service;
    handle.allow(1);
    let mut inner = service;
    assert!(inner.poll_ready().is_ready());
    let answer = inner.call(Request::new("asked"));
    assert_request_eq!(handle, "asked").send_error("down");
    assert_eq!(answer.await.unwrap_err().to_string(), "down");
}

#[tokio::test]
async fn it_stands_over_a_concurrency_limit_and_a_buffer() {
    let service = ServiceBuilder::new()
        .layer(layer())
        .layer(BufferLayer::new(4))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(answering(page(HTML)));
    for _ in 0..3 {
        let response = service.clone().oneshot(empty(get("/"))).await.unwrap();
        assert_eq!(whole(response).await.1, SENT);
    }
    let mut service = ServiceBuilder::new().layer(layer()).layer(ConcurrencyLimitLayer::new(1)).service(answering(page(HTML)));
    let mut other = service.clone();
    service.ready().await.unwrap();
    let waiting = tokio::time::timeout(Duration::ZERO, other.ready()).await;
    assert!(waiting.is_err(), "the one permit is with the service that was polled ready");
    assert_eq!(whole(service.call(empty(get("/"))).await.unwrap()).await.1, SENT);
}

#[tokio::test]
async fn it_fits_into_a_router_and_into_a_box() {
    let router: Router = Router::new().route("/", route(|| async { Html(HTML) })).layer(layer());
    let response = router.oneshot(get("/").body(axum::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(whole(response).await.1, SENT);
    let boxed: BoxCloneSyncService<Request<Empty<Bytes>>, Response<_>, Infallible> =
        BoxCloneSyncService::new(layer().layer(answering(page(HTML))));
    assert_eq!(whole(boxed.oneshot(empty(get("/"))).await.unwrap()).await.1, SENT);
}

#[tokio::test]
async fn it_serves_on_bare_hyper() {
    let service = layer().layer(tower::service_fn(|_: Request<hyper::body::Incoming>| async {
        let mut response = page(HTML);
        response.headers_mut().insert(header::CONTENT_LENGTH, HTML.len().into());
        Ok::<_, Infallible>(response)
    }));
    let (client, server) = tokio::io::duplex(4096);
    let serving =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), TowerToHyperService::new(service));
    tokio::spawn(serving);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(client)).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(empty(get("/").header(header::HOST, "localhost"))).await.unwrap();
    assert_eq!(response.headers()[header::TRANSFER_ENCODING], "chunked");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), SENT);
    let head = sender.send_request(empty(Request::head("/").header(header::HOST, "localhost"))).await.unwrap();
    assert!(!head.headers().contains_key(header::CONTENT_LENGTH), "the head of GET has none either");
}
