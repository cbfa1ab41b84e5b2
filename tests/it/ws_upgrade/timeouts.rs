//! How long a socket may do nothing. Time stands still but for timers.

use std::time::Duration;

use donjon::ws_upgrade::{CloseCode, Message, Timeouts, WsErrorKind, WsSocket, WsUpgradeLayer, testing::TestSocket};
use tokio::{io::AsyncReadExt as _, sync::mpsc, time::Instant};

use super::{app, echo, frame, handshake, open_raw, rest, serve};

const SECOND: Duration = Duration::from_secs(1);

fn layer(timeouts: Timeouts) -> WsUpgradeLayer {
    WsUpgradeLayer::builder().timeouts(timeouts).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_stopped_peer_is_gone_within_heartbeat_and_timeout() {
    let layer = layer(Timeouts::default().heartbeat(10 * SECOND, 3 * SECOND));
    let start = Instant::now();
    let silent = open_raw(serve(app(&layer, echo))).await;
    let bytes = rest(silent).await;
    assert_eq!(&bytes[..2], [0x89, 0], "a ping");
    assert_eq!(bytes[2..], *b"\x88\x11\x03\xe9no sign of life");
    assert_eq!(start.elapsed().as_secs(), 13);
    assert_eq!(layer.counters().ended(WsErrorKind::Unresponsive), 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_stays_for_ever_and_sees_a_ping_every_time() {
    let layer = layer(Timeouts::default().heartbeat(10 * SECOND, 3 * SECOND));
    let mut socket = TestSocket::connect(app(&layer, echo), handshake()).await.unwrap();
    assert!(tokio::time::timeout(3600 * SECOND, socket.closed()).await.is_err());
    assert_eq!(layer.counters().open(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_lives_though_its_handler_never_receives() {
    let layer = layer(Timeouts::default().heartbeat(10 * SECOND, 3 * SECOND).write(2 * SECOND));
    let (report, mut reports) = mpsc::channel(8);
    let asleep = move |mut socket: WsSocket| async move {
        tokio::time::sleep(1000 * SECOND).await;
        while let Some(Ok(message)) = socket.recv().await {
            if !matches!(message, Message::Ping(_) | Message::Pong(_)) {
                report.send(message).await.unwrap();
            }
        }
    };
    let mut socket = TestSocket::connect(app(&layer, asleep), handshake()).await.unwrap();
    assert!(tokio::time::timeout(100 * SECOND, socket.closed()).await.is_err(), "pongs are seen");
    for text in ["one", "two"] {
        socket.send(text).await;
    }
    assert!(tokio::time::timeout(1000 * SECOND, socket.closed()).await.is_err(), "and not what is behind a message");
    // Nothing is lost or out of order.
    assert_eq!((reports.recv().await.unwrap(), reports.recv().await.unwrap()), ("one".into(), "two".into()));
}

#[tokio::test(start_paused = true)]
async fn who_receives_is_woken_after_the_heartbeat_has_looked() {
    let layer = layer(Timeouts::default().heartbeat(10 * SECOND, 3 * SECOND));
    let mut io = open_raw(serve(app(&layer, echo))).await;
    for _ in 0..5 {
        let mut ping = [0; 2];
        io.read_exact(&mut ping).await.unwrap();
        assert_eq!(ping, [0x89, 0]);
        // After the last look, a message and no pong.
        tokio::time::sleep(2 * SECOND).await;
        tokio::io::AsyncWriteExt::write_all(&mut io, &frame(0x81, b"x")).await.unwrap();
        let mut echoed = [0; 3];
        io.read_exact(&mut echoed).await.unwrap();
        assert_eq!(&echoed, &[0x81, 1, b'x']);
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_socket_is_closed_and_pings_keep_none_open() {
    let layer = layer(Timeouts::default().heartbeat(SECOND, SECOND).idle(30 * SECOND));
    let mut socket = TestSocket::connect(app(&layer, echo), handshake()).await.unwrap();
    let start = Instant::now();
    for _ in 0..3 {
        assert!(tokio::time::timeout(20 * SECOND, socket.closed()).await.is_err());
        socket.send("still here").await;
        assert!(socket.recv().await.is_some());
    }
    let frame = socket.closed().await.unwrap();
    assert_eq!((frame.code(), frame.reason()), (CloseCode::GOING_AWAY, "idle"));
    assert_eq!(start.elapsed().as_secs(), 90);
    assert_eq!(layer.counters().ended(WsErrorKind::Idle), 1);
}

#[tokio::test(start_paused = true)]
async fn who_only_sends_is_not_idle_and_who_only_is_sent_to_is_not_either() {
    let layer = layer(Timeouts::default().without_heartbeat().idle(30 * SECOND));
    let ticks = |mut socket: WsSocket| async move {
        for _ in 0..10 {
            tokio::time::sleep(20 * SECOND).await;
            socket.send("tick").await.unwrap();
        }
    };
    let mut socket = TestSocket::connect(app(&layer, ticks), handshake()).await.unwrap();
    assert_eq!(socket.closed().await.unwrap().code(), CloseCode::NORMAL);
    let asleep = |socket: WsSocket| async move {
        tokio::time::sleep(200 * SECOND).await;
        drop(socket);
    };
    let mut socket = TestSocket::connect(app(&layer, asleep), handshake()).await.unwrap();
    for _ in 0..9 {
        tokio::time::sleep(20 * SECOND).await;
        socket.send("x").await;
    }
    assert_eq!(socket.closed().await.unwrap().code(), CloseCode::NORMAL, "messages that wait unread are messages");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_dropped_by_the_write_timeout() {
    let layer = layer(Timeouts::default().without_heartbeat().write(10 * SECOND));
    let (report, mut reports) = mpsc::channel(1);
    let floods = move |mut socket: WsSocket| async move {
        loop {
            if let Err(error) = socket.send("x".repeat(1000)).await {
                return report.send(error.kind()).await.unwrap();
            }
        }
    };
    let start = Instant::now();
    let _unread = open_raw(serve(app(&layer, floods))).await;
    assert_eq!(reports.recv().await, Some(WsErrorKind::WriteTimeout));
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_that_reads_is_not_dropped() {
    let layer = layer(Timeouts::default().without_heartbeat().write(10 * SECOND));
    let sends = |mut socket: WsSocket| async move {
        for _ in 0..20 {
            socket.send("x".repeat(60_000)).await.unwrap();
        }
    };
    let mut io = open_raw(serve(app(&layer, sends))).await;
    let mut total = 0;
    let mut buffer = vec![0; 30_000];
    while total < 1_200_000 {
        tokio::time::sleep(2 * SECOND).await;
        total += io.read(&mut buffer).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_lifetime_ends() {
    let layer = layer(Timeouts::default().lifetime(3600 * SECOND));
    let mut socket = TestSocket::connect(app(&layer, echo), handshake()).await.unwrap();
    let start = Instant::now();
    let frame = socket.closed().await.unwrap();
    assert_eq!((frame.code(), frame.reason()), (CloseCode::GOING_AWAY, "maximum lifetime"));
    assert_eq!(start.elapsed().as_secs(), 3600);
}

#[tokio::test(start_paused = true)]
async fn the_close_timeout_is_a_setting() {
    let layer = layer(Timeouts::default().close(2 * SECOND));
    let io = open_raw(serve(app(&layer, |socket: WsSocket| async move { drop(socket) }))).await;
    let start = Instant::now();
    assert_eq!(rest(io).await, [0x88, 2, 3, 232]);
    assert_eq!(start.elapsed().as_secs(), 2);
}

#[test]
fn a_timeout_of_nothing_is_a_mistake() {
    for timeouts in [
        Timeouts::default().heartbeat(Duration::ZERO, SECOND),
        Timeouts::default().idle(Duration::ZERO),
        Timeouts::default().close(Duration::ZERO),
    ] {
        assert!(WsUpgradeLayer::builder().timeouts(timeouts).build().is_err());
    }
}
