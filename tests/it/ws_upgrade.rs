//! WsUpgrade: handshakes by raw bytes and by a foreign client, on axum and on bare hyper, over TCP and in memory.

#[cfg(feature = "axum")]
mod handshake;
#[cfg(all(feature = "axum", feature = "ws-upgrade-http2"))]
mod http2;
mod life;
mod socket;
mod tower_contract;

#[cfg(feature = "ws-upgrade-testing")]
mod admission;
#[cfg(feature = "ws-upgrade-testing")]
mod deflate;
#[cfg(feature = "ws-upgrade-testing")]
mod drain;
#[cfg(feature = "ws-upgrade-testing")]
mod handle;
#[cfg(feature = "ws-upgrade-testing")]
mod peers;
#[cfg(feature = "ws-upgrade-testing")]
mod rooms;
#[cfg(all(unix, feature = "ws-upgrade-testing"))]
mod stopped;
#[cfg(feature = "ws-upgrade-testing")]
mod timeouts;
#[cfg(all(feature = "ws-upgrade-testing", feature = "ws-upgrade-json"))]
mod typed;
#[cfg(feature = "ws-upgrade-testing")]
mod wakeups;

use std::{convert::Infallible, future::Future};

use bytes::Bytes;
use donjon::{
    LayerBody,
    ws_upgrade::{Message, WsHandshake, WsSocket, WsUpgradeLayer},
};
use futures_util::StreamExt as _;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio_tungstenite::{WebSocketStream, tungstenite};
use tower::{Service, ServiceBuilder, service_fn};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Serves one connection in memory by bare hyper.
fn serve<S, B>(service: S) -> DuplexStream
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: http_body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let (client, server) = tokio::io::duplex(64 * 1024);
    serve_over(server, service);
    client
}

fn serve_over<S, B>(server: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: http_body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    tokio::spawn(async move {
        let service = TowerToHyperService::new(service);
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service).with_upgrades().await
    });
}

/// A service that accepts every handshake with `handler` and leaves the rest to the rejection of a missing one.
fn accepting<H, Fut>(
    layer: WsUpgradeLayer,
    handler: H,
) -> impl Service<Request<Incoming>, Response = Response<LayerBody<LayerBody<Empty<Bytes>>>>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static
where
    H: FnOnce(WsSocket) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    ServiceBuilder::new().layer(layer).service(service_fn(move |mut request: Request<Incoming>| {
        let handler = handler.clone();
        async move {
            Ok(match WsHandshake::from_request(&mut request) {
                Ok(handshake) => handshake.accept(handler).into_http_response(),
                Err(rejection) => rejection.into_http_response(),
            })
        }
    }))
}

async fn echo(mut socket: WsSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if let Message::Text(_) | Message::Binary(_) = message
            && socket.send(message).await.is_err()
        {
            return;
        }
    }
}

async fn connect<T: AsyncRead + AsyncWrite + Unpin>(io: T) -> WebSocketStream<T> {
    tokio_tungstenite::client_async("ws://example.com/ws", io).await.expect("the handshake is good").0
}

/// A client's request, to be refined.
#[cfg(feature = "ws-upgrade-testing")]
fn handshake() -> Request<()> {
    Request::get("/ws").body(()).expect("the request of a test is valid")
}

/// A service that accepts every handshake with a handler, beneath the layer.
#[cfg(feature = "ws-upgrade-testing")]
fn app<H, Fut>(layer: &WsUpgradeLayer, handler: H) -> donjon::ws_upgrade::WsUpgrade<donjon::ws_upgrade::WsService<H>>
where
    H: FnOnce(WsSocket) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    tower::Layer::layer(layer, donjon::ws_upgrade::WsService::new(handler))
}

/// The Close frame with which the peer ends, whatever comes before.
async fn close_frame<T: AsyncRead + AsyncWrite + Unpin>(client: &mut WebSocketStream<T>) -> Option<(u16, String)> {
    loop {
        match client.next().await? {
            Ok(tungstenite::Message::Close(frame)) => return frame.map(|frame| (frame.code.into(), frame.reason.to_string())),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

async fn close_code<T: AsyncRead + AsyncWrite + Unpin>(client: &mut WebSocketStream<T>) -> Option<u16> {
    close_frame(client).await.map(|(code, _)| code)
}

/// Sends a request's bytes and reads the head of the response.
async fn exchange(io: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> String {
    io.write_all(request.as_bytes()).await.expect("the server reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.expect("the server answers with a whole head"));
    }
    String::from_utf8(head).expect("a head is text").to_ascii_lowercase()
}

/// A client's frame, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

/// Opens a socket by hand, to send what no client would.
async fn open_raw(io: DuplexStream) -> DuplexStream {
    open_with(io, "").await
}

/// The same, with more lines in the head.
async fn open_with(mut io: DuplexStream, lines: &str) -> DuplexStream {
    let head = exchange(
        &mut io,
        &format!(
            "GET /ws HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
        ),
    )
    .await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    io
}

/// Everything until the end of the connection.
async fn rest(mut io: DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    io.read_to_end(&mut bytes).await.expect("the server ends the connection in order");
    bytes
}
