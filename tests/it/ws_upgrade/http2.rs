//! Extended CONNECT, on axum and on bare hyper: the same answers as over HTTP/1.1, in the words of HTTP/2.

use axum::{
    Router,
    routing::{any, get},
};
use donjon::ws_upgrade::{SubprotocolPreference, WsAccept, WsHandshake, WsUpgradeLayer};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
    ext::Protocol,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{WebSocketStream, tungstenite, tungstenite::protocol::Role};

use super::{accepting, close_code, echo};

type Client = SendRequest<Empty<bytes::Bytes>>;

async fn client(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Client {
    let (client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Bare hyper that was told to speak it, which it does not by itself.
async fn on_hyper(layer: WsUpgradeLayer) -> Client {
    let (io, server) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let service = TowerToHyperService::new(accepting(layer, echo));
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder.enable_connect_protocol().serve_connection(TokioIo::new(server), service).await
    });
    client(io).await
}

async fn axum_echo(handshake: WsHandshake) -> WsAccept {
    handshake.accept(echo)
}

async fn on_axum(app: Router) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    client(TcpStream::connect(address).await.unwrap()).await
}

async fn both(layer: WsUpgradeLayer) -> [Client; 2] {
    let app = Router::new().route("/ws", any(axum_echo)).layer(layer.clone());
    [on_axum(app).await, on_hyper(layer).await]
}

/// An extended CONNECT in which one field is replaced.
fn connect(protocol: &'static str, field: &str, lines: &[&str]) -> Request<Empty<bytes::Bytes>> {
    let mut request = Request::connect("https://example.com/ws").extension(Protocol::from_static(protocol));
    if field != "sec-websocket-version" {
        request = request.header("sec-websocket-version", "13");
    }
    for line in lines {
        request = request.header(field, *line);
    }
    request.body(Empty::new()).unwrap()
}

async fn ask(client: &mut Client, request: Request<Empty<bytes::Bytes>>) -> Response<Incoming> {
    client.ready().await.unwrap();
    // A server announces the protocol with its settings; before those are here the request is refused on this side.
    client.send_request(request).await.unwrap()
}

async fn settled(client: &mut Client) {
    let plain = Request::get("https://example.com/none").body(Empty::new()).unwrap();
    ask(client, plain).await.into_body().collect().await.unwrap();
}

#[tokio::test]
async fn every_probe_gets_the_same_answer_on_axum_and_on_bare_hyper() {
    for mut client in both(WsUpgradeLayer::new()).await {
        settled(&mut client).await;
        for (row, field, lines, expected) in [
            ("as it should be", "x", &[][..], 200),
            ("wrong version", "sec-websocket-version", &["8"], 400),
            ("no version", "sec-websocket-version", &[], 400),
            ("a version list", "sec-websocket-version", &["13, 8"], 400),
            ("two versions", "sec-websocket-version", &["13", "13"], 400),
            ("a key is of no use", "sec-websocket-key", &["x"], 200),
            ("the same origin", "origin", &["https://example.com"], 200),
            ("an evil origin", "origin", &["https://evil.example"], 403),
            ("origin null", "origin", &["null"], 403),
            ("two origins", "origin", &["https://example.com", "https://evil.example"], 403),
            ("a subprotocol nobody speaks", "sec-websocket-protocol", &["soap"], 200),
            ("a malformed subprotocol", "sec-websocket-protocol", &["a b"], 400),
        ] {
            let (parts, _) = ask(&mut client, connect("websocket", field, lines)).await.into_parts();
            assert_eq!(parts.status, expected, "{row}");
            let has = |name: &str| parts.headers.contains_key(name);
            assert_eq!(has("sec-websocket-version"), field == "sec-websocket-version", "{row}");
            assert_eq!(has("content-type"), expected != 200, "{row}");
            for name in ["upgrade", "connection", "sec-websocket-accept", "sec-websocket-protocol"] {
                assert!(!has(name), "{row}: {name}");
            }
        }
    }
}

#[tokio::test]
async fn messages_and_the_end_travel_in_the_stream() {
    for mut client in both(WsUpgradeLayer::new()).await {
        settled(&mut client).await;
        let mut sockets = Vec::new();
        for _ in 0..3 {
            let response = ask(&mut client, connect("websocket", "x", &[])).await;
            let io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
            sockets.push(WebSocketStream::from_raw_socket(io, Role::Client, None).await);
        }
        for (number, socket) in sockets.iter_mut().enumerate() {
            for message in [tungstenite::Message::text(number.to_string()), tungstenite::Message::binary(vec![7; 200_000])] {
                let (mut sink, mut stream) = (&mut *socket).split();
                let (sent, back) = tokio::join!(sink.send(message.clone()), stream.next());
                sent.unwrap();
                assert_eq!(back.unwrap().unwrap(), message);
            }
        }
        for mut socket in sockets {
            let frame = tungstenite::protocol::CloseFrame { code: 4321.into(), reason: "done".into() };
            socket.close(Some(frame)).await.unwrap();
            assert_eq!(close_code(&mut socket).await, Some(4321));
        }
    }
}

#[tokio::test]
async fn the_subprotocol_is_agreed_on_as_ever() {
    let builder = WsUpgradeLayer::builder().subprotocols(["chat.v2", "chat.v1"]);
    let layer = builder.subprotocol_preference(SubprotocolPreference::Client).build().unwrap();
    for mut client in both(layer).await {
        settled(&mut client).await;
        let request = connect("websocket", "sec-websocket-protocol", &["bearer.s3cr3t, chat.v1", "chat.v2"]);
        let response = ask(&mut client, request).await;
        assert_eq!(
            (response.status(), &response.headers()["sec-websocket-protocol"]),
            (StatusCode::OK, &"chat.v1".parse().unwrap())
        );
        assert!(!format!("{response:?}").contains("s3cr3t"));
    }
}

#[tokio::test]
async fn what_asks_for_no_websocket_passes() {
    let tell = |handshake: Option<WsHandshake>| async move { if handshake.is_some() { "handshake" } else { "none" } };
    let mut client = on_axum(Router::new().route("/ws", any(tell)).layer(WsUpgradeLayer::new())).await;
    settled(&mut client).await;
    let get = Request::get("https://example.com/ws").header("upgrade-insecure-requests", "1").body(Empty::new()).unwrap();
    let other = connect("connect-udp", "x", &[]);
    for (row, request, expected) in [("a page", get, "none"), ("another protocol", other, "")] {
        let response = ask(&mut client, request).await;
        assert_eq!(response.status(), 200, "{row}");
        if !expected.is_empty() {
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), expected, "{row}");
        }
    }
}

#[tokio::test]
async fn a_handler_without_a_handshake_says_so_without_an_upgrade_field() {
    for mut client in both(WsUpgradeLayer::new()).await {
        settled(&mut client).await;
        let get = Request::get("https://example.com/ws").body(Empty::new()).unwrap();
        let response = ask(&mut client, get).await;
        assert_eq!(response.status(), 400, "426 would demand the field");
        assert_eq!(response.headers()["sec-websocket-version"], "13");
        assert!(!response.headers().contains_key("upgrade"));
    }
}

#[tokio::test]
async fn a_refusal_of_the_handler_passes() {
    let refuse = |_: WsHandshake| async { StatusCode::PAYMENT_REQUIRED };
    let app = Router::new().route("/ws", any(refuse)).route("/get", get(axum_echo)).layer(WsUpgradeLayer::new());
    let mut client = on_axum(app).await;
    settled(&mut client).await;
    assert_eq!(ask(&mut client, connect("websocket", "x", &[])).await.status(), StatusCode::PAYMENT_REQUIRED);
    let mut by_get = connect("websocket", "x", &[]);
    *by_get.uri_mut() = "https://example.com/get".parse().unwrap();
    assert_eq!(ask(&mut client, by_get).await.status(), StatusCode::METHOD_NOT_ALLOWED, "a CONNECT needs `any`");
}
