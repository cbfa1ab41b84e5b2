//! The echo servers, each as its own documentation writes it, all on one thread and with Nagle's algorithm off.

use std::{
    convert::Infallible,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Mutex,
};

pub const NAMES: [&str; 7] = ["donjon", "donjon-axum", "axum", "fastwebsockets", "tokio-websockets", "yawc", "sockudo-ws"];

/// Those that send a message of one to everybody; the last is no WebSocket server and does nothing but write.
pub const ROOMS: [&str; 4] = ["donjon-rooms", "axum-broadcast", "axum-loop", "bare-writes"];

/// How long whoever spoke was held until it could go on, in nanoseconds, of all that was said.
static HELD: AtomicU64 = AtomicU64::new(0);

async fn held<T>(speaking: impl Future<Output = T>) -> T {
    let since = Instant::now();
    let said = speaking.await;
    HELD.fetch_add(since.elapsed().as_nanos() as u64, Ordering::Relaxed);
    said
}

/// Tells it to whoever asks by a line.
fn tell_how_long() {
    for _ in std::io::stdin().lines() {
        println!("{}", HELD.load(Ordering::Relaxed));
    }
}

pub fn serve(name: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        if ROOMS.contains(&name) {
            std::thread::spawn(tell_how_long);
        }
        match name {
            "donjon" => donjon(listener).await,
            "donjon-axum" => donjon_axum(listener).await,
            "axum" => axum_ws(listener).await,
            "donjon-rooms" => donjon_rooms(listener).await,
            "axum-broadcast" => axum_broadcast(listener).await,
            "axum-loop" => axum_loop(listener).await,
            "bare-writes" => bare_writes(listener).await,
            "fastwebsockets" => on_hyper(listener, fastwebsockets).await,
            "yawc" => on_hyper(listener, yawc).await,
            "sockudo-ws" => on_hyper(listener, sockudo).await,
            "tokio-websockets" => tokio_websockets(listener).await,
            _ => panic!("no server {name}"),
        }
    });
}

async fn donjon(listener: TcpListener) {
    use donjon::ws_upgrade::{WsHandshake, WsUpgradeLayer};
    use tower::{ServiceBuilder, service_fn};

    let echo = service_fn(|mut request: Request<Incoming>| async move {
        let handshake = WsHandshake::from_request(&mut request).expect("a handshake");
        Ok::<_, Infallible>(handshake.accept(donjon_echo).into_http_response::<Empty<Bytes>>())
    });
    let service = TowerToHyperService::new(ServiceBuilder::new().layer(WsUpgradeLayer::new()).service(echo));
    loop {
        let (connection, _) = listener.accept().await.expect("a connection");
        connection.set_nodelay(true).expect("a socket option");
        let served = http1::Builder::new().serve_connection(TokioIo::new(connection), service.clone()).with_upgrades();
        tokio::spawn(served);
    }
}

async fn donjon_echo(mut socket: donjon::ws_upgrade::WsSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn donjon_axum(listener: TcpListener) {
    use axum::{Router, routing::any, serve::ListenerExt as _};
    use donjon::ws_upgrade::{WsHandshake, WsUpgradeLayer};

    let app = Router::new()
        .route("/", any(|handshake: WsHandshake| async { handshake.accept(donjon_echo) }))
        .layer(WsUpgradeLayer::new());
    let listener = listener.tap_io(|io| io.set_nodelay(true).expect("a socket option"));
    axum::serve(listener, app).await.expect("served");
}

async fn axum_ws(listener: TcpListener) {
    use axum::{Router, extract::ws::WebSocketUpgrade, routing::any, serve::ListenerExt as _};

    let app = Router::new().route(
        "/",
        any(|upgrade: WebSocketUpgrade| async {
            upgrade.on_upgrade(|mut socket| async move {
                while let Some(Ok(message)) = socket.recv().await {
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
            })
        }),
    );
    let listener = listener.tap_io(|io| io.set_nodelay(true).expect("a socket option"));
    axum::serve(listener, app).await.expect("served");
}

async fn donjon_rooms(listener: TcpListener) {
    use axum::{Router, routing::any, serve::ListenerExt as _};
    use donjon::ws_upgrade::{Message, Rooms, WsHandshake, WsUpgradeLayer};

    let rooms = Rooms::new();
    let enter = move |handshake: WsHandshake| async move {
        handshake.accept(async move |mut socket| {
            let room = rooms.join("everybody", &socket.handle());
            while let Some(Ok(message)) = socket.recv().await {
                if let Message::Text(_) | Message::Binary(_) = message {
                    held(rooms.broadcast(room.room(), message)).await;
                }
            }
        })
    };
    let app = Router::new().route("/", any(enter)).layer(WsUpgradeLayer::new());
    let listener = listener.tap_io(|io| io.set_nodelay(true).expect("a socket option"));
    axum::serve(listener, app).await.expect("served");
}

/// As axum's own example of a chat does it: a channel to which every socket has a receiver and a task that writes.
async fn axum_broadcast(listener: TcpListener) {
    use axum::{Router, extract::ws::WebSocketUpgrade, routing::any, serve::ListenerExt as _};

    let (everybody, _) = tokio::sync::broadcast::channel(100);
    let enter = move |upgrade: WebSocketUpgrade| async move {
        upgrade.on_upgrade(async move |socket| {
            let (mut sender, mut receiver) = socket.split();
            let mut messages = everybody.subscribe();
            let writing = tokio::spawn(async move {
                while let Ok(message) = messages.recv().await {
                    if sender.send(message).await.is_err() {
                        break;
                    }
                }
            });
            while let Some(Ok(message)) = receiver.next().await {
                let _ = held(async { everybody.send(message) }).await;
            }
            writing.abort();
        })
    };
    let listener = listener.tap_io(|io| io.set_nodelay(true).expect("a socket option"));
    axum::serve(listener, Router::new().route("/", any(enter))).await.expect("served");
}

/// As it is written first: everybody's writing half in a list, and one after the other is sent the message.
async fn axum_loop(listener: TcpListener) {
    use axum::{
        Router,
        extract::ws::{Message, WebSocket, WebSocketUpgrade},
        routing::any,
        serve::ListenerExt as _,
    };
    use futures_util::stream::SplitSink;

    let everybody: Arc<Mutex<Vec<SplitSink<WebSocket, Message>>>> = Arc::default();
    let enter = move |upgrade: WebSocketUpgrade| async move {
        upgrade.on_upgrade(async move |socket| {
            let (sender, mut receiver) = socket.split();
            everybody.lock().await.push(sender);
            while let Some(Ok(message)) = receiver.next().await {
                held(async {
                    for sender in everybody.lock().await.iter_mut() {
                        let _ = sender.send(message.clone()).await;
                    }
                })
                .await;
            }
        })
    };
    let listener = listener.tap_io(|io| io.set_nodelay(true).expect("a socket option"));
    axum::serve(listener, Router::new().route("/", any(enter))).await.expect("served");
}

/// What the kernel takes for itself: whatever anybody sends, one frame of 256 bytes is written to everybody.
async fn bare_writes(listener: TcpListener) {
    let everybody: Arc<Mutex<Vec<Arc<TcpStream>>>> = Arc::default();
    let mut frame = vec![0x82, 126, 1, 0];
    frame.resize(4 + 256, b'x');
    loop {
        let (connection, _) = listener.accept().await.expect("a connection");
        connection.set_nodelay(true).expect("a socket option");
        let (connection, everybody, frame) = (Arc::new(connection), Arc::clone(&everybody), frame.clone());
        tokio::spawn(async move {
            let (mut read, mut greeted) = ([0; 4096], false);
            while connection.readable().await.is_ok() {
                match connection.try_read(&mut read) {
                    Ok(1..) if greeted => {
                        let writing = async {
                            for other in everybody.lock().await.iter() {
                                let _ = other.try_write(&frame);
                            }
                        };
                        held(writing).await;
                    }
                    // The request, which is small and comes at once.
                    Ok(1..) => {
                        connection.try_write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").expect("answered");
                        everybody.lock().await.push(Arc::clone(&connection));
                        greeted = true;
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    _ => return,
                }
            }
        });
    }
}

/// Serves what upgrades a request of hyper's.
async fn on_hyper<F, Fut>(listener: TcpListener, upgrade: F)
where
    F: Fn(Request<Incoming>) -> Fut + Copy + Send + 'static,
    Fut: Future<Output = Response<Empty<Bytes>>> + Send + 'static,
{
    loop {
        let (connection, _) = listener.accept().await.expect("a connection");
        connection.set_nodelay(true).expect("a socket option");
        let service = service_fn(move |request| async move { Ok::<_, Infallible>(upgrade(request).await) });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), service).with_upgrades());
    }
}

async fn fastwebsockets(mut request: Request<Incoming>) -> Response<Empty<Bytes>> {
    use fastwebsockets::{FragmentCollector, OpCode, upgrade::upgrade};

    let (response, upgraded) = upgrade(&mut request).expect("a handshake");
    tokio::spawn(async move {
        let mut socket = FragmentCollector::new(upgraded.await.expect("upgraded"));
        while let Ok(frame) = socket.read_frame().await {
            let echoed = matches!(frame.opcode, OpCode::Text | OpCode::Binary);
            if frame.opcode == OpCode::Close || (echoed && socket.write_frame(frame).await.is_err()) {
                break;
            }
        }
    });
    response
}

async fn yawc(request: Request<Incoming>) -> Response<Empty<Bytes>> {
    use yawc::{OpCode, WebSocket};

    let (response, upgraded) = WebSocket::upgrade(request).expect("a handshake");
    tokio::spawn(async move {
        let mut socket = upgraded.await.expect("upgraded");
        while let Some(frame) = socket.next().await {
            if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) && socket.send(frame).await.is_err() {
                break;
            }
        }
    });
    response
}

async fn sockudo(request: Request<Incoming>) -> Response<Empty<Bytes>> {
    use sockudo_ws::{Config, Message, WebSocketStream, handshake::generate_accept_key};

    let key = request.headers()[header::SEC_WEBSOCKET_KEY].to_str().expect("a key");
    let accept = generate_accept_key(key);
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(request).await.expect("upgraded");
        let mut socket = WebSocketStream::server(TokioIo::new(upgraded), Config::default());
        while let Some(Ok(message)) = socket.next().await {
            if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
                break;
            }
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::UPGRADE, "websocket")
        .header(header::CONNECTION, "Upgrade")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(Empty::new())
        .expect("a response")
}

async fn tokio_websockets(listener: TcpListener) {
    use tokio_websockets::ServerBuilder;

    loop {
        let (connection, _) = listener.accept().await.expect("a connection");
        connection.set_nodelay(true).expect("a socket option");
        tokio::spawn(async move {
            let (_request, mut socket) = ServerBuilder::new().accept(connection).await.expect("a handshake");
            while let Some(Ok(message)) = socket.next().await {
                if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                    break;
                }
            }
        });
    }
}
