//! Which handshakes are answered how, as bytes on the wire.

use axum::{Router, routing::any};
use donjon::{
    Problem,
    ws_upgrade::{
        ConfigErrorKind, Limits, OriginPolicy, SubprotocolPreference, WsAccept, WsHandshake, WsRejection, WsRejectionKind,
        WsUpgradeLayer,
    },
};
use http::{Request, StatusCode};
use http_body_util::Empty;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

use super::{KEY, accepting, connect, echo, exchange, rest, serve};
use crate::support::whole;

async fn axum_echo(handshake: WsHandshake) -> WsAccept {
    handshake.accept(echo)
}

/// Serves a router on a port of its own.
async fn listen(app: Router) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// A good handshake in which the lines of one field are replaced.
fn request(method: &str, version: &str, field: &str, lines: &[&str]) -> String {
    let good = [
        ("Host", "example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
    ];
    let mut head = format!("{method} /ws HTTP/{version}\r\n");
    for (name, value) in good.into_iter().filter(|(name, _)| *name != field) {
        head += &format!("{name}: {value}\r\n");
    }
    for value in lines {
        head += &format!("{field}: {value}\r\n");
    }
    head + "\r\n"
}

#[tokio::test]
async fn every_probe_gets_the_same_answer_on_axum_and_on_bare_hyper() {
    let address = listen(Router::new().route("/ws", any(axum_echo)).layer(WsUpgradeLayer::new())).await;
    for (row, method, version, field, lines, expected) in [
        ("as it should be", "GET", "1.1", "X", &[][..], 101),
        ("a short key", "GET", "1.1", "Sec-WebSocket-Key", &["x"], 400),
        ("no key", "GET", "1.1", "Sec-WebSocket-Key", &[], 400),
        ("two keys", "GET", "1.1", "Sec-WebSocket-Key", &[KEY, KEY], 400),
        ("connection: not-upgrade", "GET", "1.1", "Connection", &["not-upgrade"], 400),
        ("connection: keep-alive", "GET", "1.1", "Connection", &["keep-alive"], 400),
        ("two connection lines", "GET", "1.1", "Connection", &["keep-alive", "Upgrade"], 101),
        ("a connection list", "GET", "1.1", "Connection", &["keep-alive, upgrade"], 101),
        ("two upgrade lines", "GET", "1.1", "Upgrade", &["h2c", "WebSocket"], 101),
        ("another upgrade reaches the handler", "GET", "1.1", "Upgrade", &["h2c"], 426),
        ("no upgrade reaches the handler", "GET", "1.1", "Upgrade", &[], 426),
        ("wrong version", "GET", "1.1", "Sec-WebSocket-Version", &["8"], 426),
        ("no version", "GET", "1.1", "Sec-WebSocket-Version", &[], 426),
        ("no host", "GET", "1.1", "Host", &[], 400),
        ("two hosts", "GET", "1.1", "Host", &["example.com", "evil.example"], 400),
        ("post", "POST", "1.1", "X", &[], 405),
        ("an upgrade over http/1.0 is ignored", "GET", "1.0", "X", &[], 426),
        ("no origin", "GET", "1.1", "Origin", &[], 101),
        ("the same origin", "GET", "1.1", "Origin", &["https://example.com"], 101),
        ("an evil origin", "GET", "1.1", "Origin", &["https://evil.example"], 403),
        ("origin null", "GET", "1.1", "Origin", &["null"], 403),
        ("two origins", "GET", "1.1", "Origin", &["https://example.com", "https://evil.example"], 403),
        ("a subprotocol nobody speaks", "GET", "1.1", "Sec-WebSocket-Protocol", &["soap"], 101),
        ("a malformed subprotocol", "GET", "1.1", "Sec-WebSocket-Protocol", &["a b"], 400),
    ] {
        let request = request(method, version, field, lines);
        let on_axum = exchange(&mut TcpStream::connect(address).await.unwrap(), &request).await;
        let on_hyper = exchange(&mut serve(accepting(WsUpgradeLayer::new(), echo)), &request).await;
        for head in [on_axum, on_hyper] {
            assert!(head.contains(&format!(" {expected} ")), "{row}: {head}");
            let has = |line: &str| head.contains(&format!("\r\n{line}\r\n"));
            assert_eq!(has("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), expected == 101, "{row}: {head}");
            assert_eq!(has("upgrade: websocket"), matches!(expected, 101 | 426), "{row}: {head}");
            assert_eq!(has("connection: upgrade"), matches!(expected, 101 | 426), "{row}: {head}");
            assert_eq!(has("sec-websocket-version: 13"), expected == 426, "{row}: {head}");
            assert_eq!(has("allow: get"), expected == 405, "{row}: {head}");
            assert_eq!(has("content-type: application/problem+json"), expected != 101, "{row}: {head}");
            assert!(!head.contains("sec-websocket-protocol"), "{row}: {head}");
        }
    }
}

#[tokio::test]
async fn a_refused_connection_goes_on_with_http() {
    let mut io = serve(accepting(WsUpgradeLayer::new(), echo));
    for _ in 0..2 {
        let head = exchange(&mut io, &request("GET", "1.1", "Origin", &["https://evil.example"])).await;
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok()).unwrap();
        let mut body = vec![0; length];
        tokio::io::AsyncReadExt::read_exact(&mut io, &mut body).await.unwrap();
        assert!(!String::from_utf8(body).unwrap().contains("evil"));
    }
    connect(io).await;
}

#[tokio::test]
async fn the_subprotocol_is_the_servers_own_word_and_a_token_is_never_echoed() {
    let spoken = |preference| {
        WsUpgradeLayer::builder().subprotocols(["chat.v2", "chat.v1"]).subprotocol_preference(preference).build().unwrap()
    };
    for (row, preference, lines, expected) in [
        ("the server's choice", SubprotocolPreference::Server, &["chat.v1, chat.v2"][..], Some("chat.v2")),
        ("the client's choice", SubprotocolPreference::Client, &["chat.v1, chat.v2"], Some("chat.v1")),
        ("over two lines, with a token", SubprotocolPreference::Server, &["bearer.s3cr3t", "chat.v1"], Some("chat.v1")),
        ("a token alone", SubprotocolPreference::Client, &["bearer.s3cr3t"], None),
    ] {
        let tell = |mut socket: donjon::ws_upgrade::WsSocket| async move {
            let subprotocol = socket.subprotocol().unwrap_or("none").to_owned();
            let _ = socket.send(subprotocol).await;
        };
        let mut io = serve(accepting(spoken(preference), tell));
        let head = exchange(&mut io, &request("GET", "1.1", "Sec-WebSocket-Protocol", lines)).await;
        let line = head.split("\r\n").find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
        assert_eq!(line, expected, "{row}");
        assert!(head.starts_with("http/1.1 101 ") && !head.contains("s3cr3t"), "{row}: {head}");
        let mut told = vec![0; 2 + expected.unwrap_or("none").len()];
        tokio::io::AsyncReadExt::read_exact(&mut io, &mut told).await.unwrap();
        assert_eq!(&told[2..], expected.unwrap_or("none").as_bytes(), "{row}");
    }
}

#[tokio::test]
async fn a_refusal_of_the_handler_passes_and_upgrades_nothing() {
    let app = Router::new()
        .route("/ws", any(|_: WsHandshake| async { Problem::new(StatusCode::TOO_MANY_REQUESTS).with_detail("later") }))
        .layer(WsUpgradeLayer::new());
    let head = exchange(&mut TcpStream::connect(listen(app).await).await.unwrap(), &request("GET", "1.1", "X", &[])).await;
    assert!(head.starts_with("http/1.1 429 ") && !head.contains("upgrade"), "{head}");
}

#[tokio::test]
async fn an_acceptance_that_is_overruled_on_its_way_upgrades_nothing() {
    let (alive, mut dropped) = tokio::sync::mpsc::channel::<()>(1);
    let app = Router::new()
        .route("/ws", any(move |handshake: WsHandshake| async move { handshake.accept(|_| async move { drop(alive) }) }))
        .layer(tower::util::MapResponseLayer::new(|mut response: axum::response::Response| {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
        }))
        .layer(WsUpgradeLayer::new());
    let app = app.into_service::<axum::body::Body>();
    let mut io =
        serve(tower::ServiceBuilder::new().map_request(|request: Request<_>| request.map(axum::body::Body::new)).service(app));
    let head = exchange(&mut io, &request("GET", "1.1", "X", &[])).await;
    assert!(head.starts_with("http/1.1 503 ") && !head.contains("sec-websocket"), "{head}");
    drop(io);
    assert_eq!(dropped.recv().await, None, "the handler was dropped without being called");
}

#[tokio::test]
async fn an_accept_response_keeps_the_headers_that_were_added_and_none_of_a_body() {
    let app = Router::new()
        .route(
            "/ws",
            any(|handshake: WsHandshake| async {
                let headers = [
                    ("set-cookie", "seen=1"),
                    ("content-length", "5"),
                    ("content-type", "text/plain"),
                    ("sec-websocket-protocol", "forged"),
                    ("sec-websocket-extensions", "permessage-deflate"),
                ];
                (headers, handshake.accept(echo))
            }),
        )
        .layer(WsUpgradeLayer::new());
    let head = exchange(&mut TcpStream::connect(listen(app).await).await.unwrap(), &request("GET", "1.1", "X", &[])).await;
    assert!(head.starts_with("http/1.1 101 ") && head.contains("set-cookie: seen=1"), "{head}");
    assert!(!head.contains("content-") && !head.contains("forged") && !head.contains("deflate"), "{head}");
}

#[tokio::test]
async fn a_connection_that_cannot_be_upgraded_is_answered_501_and_typed() {
    let request = Request::get("/ws")
        .header("host", "example.com")
        .header("upgrade", "websocket")
        .header("connection", "upgrade")
        .header("sec-websocket-key", KEY)
        .header("sec-websocket-version", "13")
        .body(axum::body::Body::empty())
        .unwrap();
    let app = Router::new().route("/ws", any(axum_echo)).layer(WsUpgradeLayer::new());
    let (parts, body) = whole(app.oneshot(request).await.unwrap()).await;
    assert_eq!(parts.status, 501);
    assert_eq!(parts.extensions.get::<WsRejection>().map(WsRejection::kind), Some(WsRejectionKind::NoUpgrade));
    assert!(parts.extensions.get::<Problem>().is_some());
    assert!(String::from_utf8_lossy(&body).contains("\"status\":501"));
}

#[tokio::test]
async fn a_handler_for_both_sees_whether_there_is_a_handshake() {
    async fn either(handshake: Option<WsHandshake>) -> axum::response::Response {
        use axum::response::IntoResponse;
        handshake.map_or_else(|| "page".into_response(), |handshake| handshake.accept(echo).into_response())
    }
    let app = Router::new().route("/ws", any(either)).layer(WsUpgradeLayer::new());
    let page = app.clone().oneshot(Request::get("/ws").body(axum::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(whole(page).await.1, "page");
    let head = exchange(&mut TcpStream::connect(listen(app).await).await.unwrap(), &request("GET", "1.1", "X", &[])).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
}

#[tokio::test]
async fn an_own_upgrade_of_the_handler_works_beneath_the_layer() {
    let app = Router::new()
        .route("/ws", any(|upgrade: axum::extract::ws::WebSocketUpgrade| async { upgrade.on_upgrade(|_| async {}) }))
        .layer(WsUpgradeLayer::new());
    let io = TcpStream::connect(listen(app).await).await.unwrap();
    connect(io).await;
}

#[tokio::test]
async fn a_connection_served_without_upgrades_ends_and_the_handler_never_starts() {
    let (started, mut starts) = tokio::sync::mpsc::channel::<()>(1);
    let service = accepting(WsUpgradeLayer::new(), move |_| async move { started.send(()).await.unwrap() });
    let (mut client, server) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        let service = hyper_util::service::TowerToHyperService::new(service);
        hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(server), service).await
    });
    exchange(&mut client, &request("GET", "1.1", "X", &[])).await;
    assert_eq!(rest(client).await, b"");
    assert_eq!(starts.recv().await, None);
}

#[test]
fn what_is_wrong_with_a_configuration_is_said_when_it_is_built() {
    let builder = WsUpgradeLayer::builder;
    for (row, builder, expected) in [
        ("a wildcard", builder().origins(OriginPolicy::only(["*"])), ConfigErrorKind::Origin),
        ("an origin with a path", builder().origins(OriginPolicy::same_host().allow("https://a.b/")), ConfigErrorKind::Origin),
        ("a subprotocol with a space", builder().subprotocols(["a b"]), ConfigErrorKind::Subprotocol),
        ("no room", builder().limits(Limits::default().max_message_size(0)), ConfigErrorKind::Limit),
    ] {
        assert_eq!(builder.build().unwrap_err().kind(), expected, "{row}");
    }
}

#[tokio::test]
async fn nothing_of_a_plain_request_is_touched() {
    let echo_head = tower::service_fn(|request: Request<Empty<bytes::Bytes>>| async move {
        assert!(request.extensions().get::<WsHandshake>().is_none());
        Ok::<_, std::convert::Infallible>(http::Response::new(format!("{:?}", request.headers())))
    });
    let service = tower::ServiceBuilder::new().layer(WsUpgradeLayer::new()).service(echo_head);
    let request = Request::get("/").header("origin", "https://evil.example").header("sec-websocket-key", "x");
    let (parts, body) = whole(service.oneshot(crate::support::empty(request)).await.unwrap()).await;
    assert_eq!(parts.status, 200);
    assert_eq!(body, r#"{"origin": "https://evil.example", "sec-websocket-key": "x"}"#);
}
