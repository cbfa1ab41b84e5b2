//! Going down in order.

use std::time::Duration;

use donjon::ws_upgrade::{CloseCode, CloseFrame, Drain, WsErrorKind, WsSocket, WsUpgradeLayer, testing::TestSocket};
use tokio::time::Instant;

use super::{app, echo, handshake};

fn drained() -> (Drain, WsUpgradeLayer) {
    let drain = Drain::new();
    let layer = WsUpgradeLayer::builder().drain(&drain).build().unwrap();
    (drain, layer)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_sockets_are_told_within_the_spread_and_then_it_is_finished() {
    let (drain, layer) = drained();
    let mut clients = Vec::new();
    for _ in 0..1000 {
        let mut socket = TestSocket::connect(app(&layer, echo), handshake()).await.unwrap();
        clients.push(tokio::spawn(async move { (socket.closed().await, Instant::now()) }));
    }
    assert_eq!(drain.sockets(), 1000);
    let start = Instant::now();
    drain.start(CloseFrame::new(CloseCode::RESTART, "deploy"), Duration::from_secs(4));
    assert_eq!(TestSocket::connect(app(&layer, echo), handshake()).await.unwrap_err().status(), 503);
    drain.finished().await;
    assert_eq!(drain.sockets(), 0);
    let mut in_the_first_half = 0;
    for client in clients {
        let (frame, at) = client.await.unwrap();
        let frame = frame.expect("everybody is told");
        assert_eq!((frame.code(), frame.reason()), (CloseCode::RESTART, "deploy"));
        assert!(at - start < Duration::from_millis(4_250), "{:?}", at - start);
        in_the_first_half += usize::from(at - start < Duration::from_secs(2));
    }
    assert!((350..650).contains(&in_the_first_half), "{in_the_first_half} of 1000");
    assert_eq!(layer.counters().ended(WsErrorKind::Draining), 1000);
}

#[tokio::test(start_paused = true)]
async fn handlers_are_waited_for_until_the_deadline() {
    let (drain, layer) = drained();
    let tidies_up = |mut socket: WsSocket| async move {
        let mut kinds = Vec::new();
        while let Some(received) = socket.recv().await {
            kinds.push(received.map_err(|error| error.kind()));
        }
        assert_eq!(kinds, [Err(WsErrorKind::Draining)]);
        tokio::time::sleep(Duration::from_secs(7)).await;
    };
    let mut socket = TestSocket::connect(app(&layer, tidies_up), handshake()).await.unwrap();
    let start = Instant::now();
    drain.start(CloseCode::GOING_AWAY, Duration::ZERO);
    assert_eq!(socket.closed().await.unwrap().code(), CloseCode::GOING_AWAY);
    assert!(tokio::time::timeout(Duration::from_secs(3), drain.finished()).await.is_err(), "a deadline of the app's own");
    assert_eq!(drain.sockets(), 1);
    drain.finished().await;
    assert_eq!(start.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_holds_it_up_no_longer_than_the_close_timeout() {
    let (drain, layer) = drained();
    let _silent = super::open_raw(super::serve(app(&layer, echo))).await;
    let start = Instant::now();
    drain.start(CloseCode::GOING_AWAY, Duration::ZERO);
    drain.finished().await;
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn what_was_queued_is_sent_before_the_goodbye() {
    let (drain, layer) = drained();
    let queues = move |socket: WsSocket| async move {
        for number in 0..10 {
            socket.handle().send(number.to_string()).await.unwrap();
        }
        drain.start(CloseCode::GOING_AWAY, Duration::ZERO);
        socket.handle().closed().await;
    };
    let mut socket = TestSocket::connect(app(&layer, queues), handshake()).await.unwrap();
    for number in 0..10 {
        assert_eq!(socket.recv().await, Some(number.to_string().into()));
    }
    assert_eq!(socket.recv().await, None);
}

/// axum stops accepting and comes back while sockets are open; the drain then ends them.
#[cfg(feature = "axum")]
#[tokio::test]
async fn it_composes_with_axums_graceful_shutdown() {
    use axum::{Router, routing::any};
    use donjon::ws_upgrade::WsHandshake;

    let (drain, layer) = drained();
    let app = Router::new().route("/ws", any(|handshake: WsHandshake| async { handshake.accept(echo) })).layer(layer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = {
        let drain = drain.clone();
        tokio::spawn(async move {
            let stopped = async move {
                let _ = stopped.await;
                drain.start(CloseCode::RESTART, Duration::ZERO);
            };
            axum::serve(listener, app).with_graceful_shutdown(stopped).await
        })
    };
    let (mut client, _) = tokio_tungstenite::connect_async(format!("ws://{address}/ws")).await.unwrap();
    stop.send(()).unwrap();
    assert_eq!(super::close_code(&mut client).await, Some(1012));
    server.await.unwrap().unwrap();
    drain.finished().await;
    assert!(tokio_tungstenite::connect_async(format!("ws://{address}/ws")).await.is_err());
}
