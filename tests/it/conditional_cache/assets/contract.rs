//! The tower contract: readiness, frameworks, allocations.

use axum::Router;
use bytes::Bytes;
use donjon::conditional_cache::{Assets, ConditionalCacheLayer};
use http::{Request, StatusCode};
use http_body_util::Empty;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::{Service as _, ServiceBuilder, ServiceExt as _, util::BoxCloneSyncService};
use tower_http::compression::CompressionLayer;

use super::{Folder, digits, request};
use crate::support::{allocations, now, whole};

fn assets() -> Assets {
    Assets::builder().embedded([("app.js", "one")]).build().unwrap()
}

#[test]
fn handle_service_and_future_may_cross_threads() {
    fn crosses<T: Send + Sync + Clone + std::fmt::Debug + 'static>(value: T) -> T {
        value
    }
    fn sends<T: Send + std::fmt::Debug>(_: T) {}
    let mut service = crosses(crosses(assets()).service());
    sends(service.call(request("GET", "/app.js", &[])));
}

#[tokio::test]
async fn it_fits_into_a_boxed_service() {
    let boxed = BoxCloneSyncService::new(assets().service());
    assert_eq!(boxed.oneshot(request("GET", "/app.js", &[])).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn in_an_axum_router_nested_or_as_a_fallback() {
    let folder = Folder::of(&[("app.js", "one")]);
    for max_in_memory in [0, 1024] {
        let assets = Assets::builder().directory(folder.path()).max_in_memory(max_in_memory).build().unwrap();
        let nested = Router::new().nest_service("/assets", assets.service());
        let fallback = Router::new().fallback_service(assets.service_at_mount());
        for router in [nested, fallback] {
            let router = router.layer(ConditionalCacheLayer::new());
            let ask = async |path: &str| {
                let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
                whole(router.clone().oneshot(request).await.unwrap()).await
            };
            assert_eq!(ask(&assets.url("app.js").unwrap()).await.1, "one");
            assert_eq!(ask("/assets/app.js").await.1, "one");
            assert_eq!(ask("/assets/other.js").await.0.status, StatusCode::NOT_FOUND);
        }
    }
}

#[tokio::test]
async fn on_bare_hyper() {
    let (mut client, server) = tokio::io::duplex(4096);
    let service = hyper_util::service::TowerToHyperService::new(assets().service_at_mount());
    let server =
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(server), service));
    client
        .write_all(
            b"HEAD /assets/app.js HTTP/1.1\r\nhost: x\r\n\r\nGET /assets/app.js HTTP/1.1\r\nhost: x\r\nif-none-match: *\r\n\r\n\
              GET /assets/app.js HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        )
        .await
        .unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    server.await.unwrap().unwrap();
    let answers: Vec<_> = text.split("HTTP/1.1 ").skip(1).collect();
    assert!(
        answers[0].starts_with("200") && answers[0].contains("content-length: 3") && answers[0].ends_with("\r\n\r\n"),
        "{text}"
    );
    assert!(answers[1].starts_with("304") && !answers[1].contains("content-length"), "{text}");
    assert!(answers[2].starts_with("200") && answers[2].ends_with("\r\n\r\none"), "{text}");
}

#[tokio::test]
async fn beside_a_compressing_layer_no_two_codings_are_strongly_equal() {
    let text = "a text that is long enough to be worth compressing, ".repeat(20);
    let assets = Assets::builder().embedded([("app.js", text.clone())]).build().unwrap();
    let service = ServiceBuilder::new().layer(CompressionLayer::new()).service(assets.service_at_mount());
    let ask = async |coding: &str| {
        let answer = service.clone().oneshot(request("GET", "/assets/app.js", &[("accept-encoding", coding)])).await.unwrap();
        (answer.headers().get("content-encoding").cloned(), answer.headers()["etag"].to_str().unwrap().to_owned())
    };
    let strong = format!("\"{}\"", digits(&text, 32));
    assert_eq!(ask("identity").await, (None, strong.clone()));
    assert_eq!(ask("gzip").await, (Some("gzip".parse().unwrap()), format!("W/{strong}")));
}

#[test]
fn what_an_answer_allocates() {
    let assets = assets();
    let tag = format!("\"{}\"", digits("one", 32));
    let hashed = assets.url("app.js").unwrap();
    for (name, path, fields, status, expected) in [
        ("a 304", &*hashed, &[("if-none-match", &*tag)][..], 304, FOR_A_304),
        (
            "a 304 as a browser asks",
            &hashed,
            &[("accept-encoding", "gzip, deflate, br"), ("if-none-match", &tag)],
            304,
            FOR_A_304,
        ),
        ("a 200", &hashed, &[], 200, FOR_A_200),
    ] {
        let mut service = assets.service_at_mount();
        // What is shared by all answers is made shareable by the first.
        let _ = now(service.call(request("GET", path, fields)));
        let request: Request<Empty<Bytes>> = request("GET", path, fields);
        let (count, answer) = allocations(|| now(service.call(request)));
        assert_eq!(answer.status().as_u16(), status, "{name}");
        assert_eq!(count, expected, "{name}");
    }
}

/// The table of fields takes two, and keeping the condition one where the request's fields do not share their bytes, as here.
const FOR_A_304: u64 = 3;
/// The table, and the content.
const FOR_A_200: u64 = 3;
