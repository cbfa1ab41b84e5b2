//! How many sockets there may be, and that every place is free again, however a socket ends or fails to begin.

use std::convert::Infallible;

use donjon::{
    LayerBody, Principal, Problem,
    ws_upgrade::{Admission, WsHandshake, WsRejection, WsRejectionKind, WsSocket, WsUpgradeLayer, testing::TestSocket},
};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tower::{ServiceBuilder, service_fn};

use super::{app, echo, handshake, open_raw, serve};

fn layer(admission: Admission) -> WsUpgradeLayer {
    WsUpgradeLayer::builder().admission(admission).build().unwrap()
}

fn one() -> WsUpgradeLayer {
    layer(Admission::unlimited().max_sockets(1))
}

/// Whether the only place is free, now or as soon as everything that is ready has run.
async fn is_free(layer: &WsUpgradeLayer) -> bool {
    for _ in 0..100 {
        if TestSocket::connect(app(layer, echo), handshake()).await.is_ok() {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn one_too_many_is_refused_before_the_upgrade_and_admitted_when_another_has_left() {
    let layer = layer(Admission::unlimited().max_sockets(2));
    let mut first = TestSocket::connect(app(&layer, echo), handshake()).await.unwrap();
    let _second = TestSocket::connect(app(&layer, echo), handshake()).await.unwrap();
    let refused = TestSocket::connect(app(&layer, echo), handshake()).await.unwrap_err();
    assert_eq!(
        (refused.status(), refused.headers()["content-type"].to_str().unwrap()),
        (StatusCode::SERVICE_UNAVAILABLE, "application/problem+json")
    );
    assert_eq!((layer.counters().open(), layer.counters().refused_handshakes()), (2, 1));
    first.send(donjon::ws_upgrade::Message::Close(None)).await;
    first.closed().await;
    assert!(is_free(&layer).await);
}

#[tokio::test]
async fn users_are_counted_by_their_principal_wherever_it_is_verified() {
    let layer = layer(Admission::unlimited().max_per_user(1));
    let around = |subject: &'static str, layer: &WsUpgradeLayer| {
        let insert = move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Principal::builder().subject(subject).build());
            request
        };
        ServiceBuilder::new().map_request(insert).service(app(layer, echo))
    };
    let beneath = |subject: &'static str, layer: &WsUpgradeLayer| {
        let inner = service_fn(move |mut request: Request<Incoming>| async move {
            let mut response: Response<LayerBody<String>> =
                WsHandshake::from_request(&mut request).unwrap().accept(echo).into_http_response();
            response.extensions_mut().insert(Principal::builder().subject(subject).build());
            Ok::<_, Infallible>(response)
        });
        ServiceBuilder::new().layer(layer).service(inner)
    };
    let _alice = TestSocket::connect(around("alice", &layer), handshake()).await.unwrap();
    let _bob = TestSocket::connect(beneath("bob", &layer), handshake()).await.unwrap();
    for status in [
        TestSocket::connect(around("alice", &layer), handshake()).await.unwrap_err().status(),
        TestSocket::connect(around("bob", &layer), handshake()).await.unwrap_err().status(),
        TestSocket::connect(beneath("alice", &layer), handshake()).await.unwrap_err().status(),
        TestSocket::connect(beneath("bob", &layer), handshake()).await.unwrap_err().status(),
    ] {
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(layer.counters().refused_handshakes(), 4);
    for _ in 0..3 {
        TestSocket::connect(app(&layer, echo), handshake()).await.expect("who is nobody is not counted");
    }
}

#[tokio::test]
async fn keys_are_counted_by_what_the_app_says() {
    let key = |headers: &http::HeaderMap, _: &http::Extensions| Some(headers.get("x-real-ip")?.to_str().ok()?.to_owned());
    let layer = layer(Admission::unlimited().max_per_key(1, key));
    let from = |address: &'static str| Request::get("/ws").header("x-real-ip", address).body(()).unwrap();
    let _one = TestSocket::connect(app(&layer, echo), from("192.0.2.1")).await.unwrap();
    assert_eq!(TestSocket::connect(app(&layer, echo), from("192.0.2.1")).await.unwrap_err().status(), 429);
    TestSocket::connect(app(&layer, echo), from("192.0.2.2")).await.unwrap();
}

#[tokio::test]
async fn a_refusal_and_an_error_of_the_inner_service_free_the_place() {
    let layer = one();
    for _ in 0..3 {
        let refuse = service_fn(|request: Request<Incoming>| async move {
            assert!(request.extensions().get::<WsHandshake>().is_some());
            Ok::<_, Infallible>(Problem::new(StatusCode::PAYMENT_REQUIRED).into_http_response::<String>())
        });
        let refused = TestSocket::connect(ServiceBuilder::new().layer(&layer).service(refuse), handshake()).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::PAYMENT_REQUIRED);
    }
    assert!(is_free(&layer).await);
}

#[tokio::test]
async fn a_panic_of_the_inner_service_frees_the_place() {
    let layer = one();
    let (client, server) = tokio::io::duplex(4096);
    let panics = service_fn(|_: Request<Incoming>| async {
        assert!(std::hint::black_box(false), "as the test asks for");
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let service = hyper_util::service::TowerToHyperService::new(ServiceBuilder::new().layer(&layer).service(panics));
    let served = tokio::spawn(
        hyper::server::conn::http1::Builder::new()
            .serve_connection(hyper_util::rt::TokioIo::new(server), service)
            .with_upgrades(),
    );
    assert!(tokio_tungstenite::client_async("ws://example.com/ws", client).await.is_err());
    assert!(served.await.unwrap_err().is_panic());
    assert!(is_free(&layer).await);
}

#[tokio::test]
async fn a_panic_of_the_handler_frees_the_place() {
    let layer = one();
    let panics = |socket: WsSocket| async move { assert!(socket.subprotocol().is_some(), "as the test asks for") };
    let mut socket = TestSocket::connect(app(&layer, panics), handshake()).await.unwrap();
    assert_eq!(socket.closed().await.unwrap().code().get(), 1011);
    assert!(is_free(&layer).await);
    assert_eq!(layer.counters().panicked_handlers(), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_frees_the_place() {
    let layer = one();
    drop(open_raw(serve(app(&layer, echo))).await);
    assert!(is_free(&layer).await);
}

#[tokio::test]
async fn an_upgrade_that_never_happens_frees_the_place() {
    let layer = one();
    let (mut client, server) = tokio::io::duplex(4096);
    let service = hyper_util::service::TowerToHyperService::new(app(&layer, echo));
    // Served without upgrades: the connection ends with the 101.
    let served = hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(server), service);
    tokio::spawn(served);
    let head = "GET /ws HTTP/1.1\r\nHost: a.b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    super::exchange(&mut client, head).await;
    assert!(is_free(&layer).await);
    assert_eq!(layer.counters().failed_upgrades(), 1);
}

/// hyper's `OnUpgrade` of a connection that stays and never becomes anything else.
#[tokio::test(start_paused = true)]
async fn an_upgrade_that_takes_too_long_frees_the_place() {
    let layer = one();
    let (client, server) = tokio::io::duplex(64);
    let service = hyper_util::service::TowerToHyperService::new(app(&layer, echo));
    let served = hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(server), service);
    tokio::spawn(served.with_upgrades());
    // The pipe holds less than the response, which nobody reads, so that hyper can never finish it.
    let (_unread, mut writer) = tokio::io::split(client);
    let head = "GET /ws HTTP/1.1\r\nHost: a.b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut writer, head.as_bytes()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(9)).await;
    assert_eq!(TestSocket::connect(app(&layer, echo), handshake()).await.unwrap_err().status(), 503, "still taken");
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(is_free(&layer).await);
}

#[tokio::test]
async fn a_malformed_handshake_takes_no_place() {
    let layer = one();
    let evil = || Request::get("/ws").header("origin", "https://evil.example").body(()).unwrap();
    for _ in 0..3 {
        assert_eq!(TestSocket::connect(app(&layer, echo), evil()).await.unwrap_err().status(), 403);
    }
    assert!(is_free(&layer).await);
}

#[test]
fn the_kinds_have_their_statuses() {
    for (kind, status) in [(WsRejectionKind::Full, 503), (WsRejectionKind::TooMany, 429), (WsRejectionKind::Draining, 503)] {
        assert_eq!(WsRejection::from(kind).status(), status);
    }
    for admission in [Admission::unlimited().max_sockets(0), Admission::unlimited().max_per_user(0)] {
        assert!(WsUpgradeLayer::builder().admission(admission).build().is_err());
    }
}
