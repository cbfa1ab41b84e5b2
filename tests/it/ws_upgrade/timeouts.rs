//! How long a socket may do nothing. Time stands still but for timers.

use std::time::Duration;

use donjon::ws_upgrade::{CloseCode, Limits, Message, Timeouts, WsErrorKind, WsSocket, WsUpgradeLayer, testing::TestSocket};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc,
    time::Instant,
};

use super::{app, echo, frame, handshake, open_raw, rest, serve, serve_over};
use crate::support::pipe::pipe;

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
        io.write_all(&frame(0x81, b"x")).await.unwrap();
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

/// One send that takes longer than the timeout, of which something leaves all the time.
#[tokio::test(start_paused = true)]
async fn nor_is_one_who_takes_long_over_one_message() {
    let layer = layer(Timeouts::default().without_heartbeat().write(10 * SECOND));
    let sends = |mut socket: WsSocket| async move { socket.send("x".repeat(1_000_000)).await.unwrap() };
    let mut io = open_raw(serve(app(&layer, sends))).await;
    let (mut total, mut buffer) = (0, vec![0; 30_000]);
    while total < 1_000_000 {
        tokio::time::sleep(2 * SECOND).await;
        let size = io.read(&mut buffer).await.unwrap();
        assert!(size > 0, "dropped after {total} bytes");
        total += size;
    }
    assert_eq!(layer.counters().ended(WsErrorKind::WriteTimeout), 0);
}

#[tokio::test(start_paused = true)]
async fn what_others_send_is_under_the_write_timeout_too() {
    let layer = layer(Timeouts::default().without_heartbeat().write(10 * SECOND));
    let (report, mut reports) = mpsc::channel(1);
    let stays = move |socket: WsSocket| async move {
        socket.handle().send("x".repeat(200_000)).await.unwrap();
        report.send(socket.handle().closed().await).await.unwrap();
    };
    let start = Instant::now();
    let _unread = open_raw(serve(app(&layer, stays))).await;
    let ended = tokio::time::timeout(3600 * SECOND, reports.recv()).await;
    assert_eq!((ended, start.elapsed().as_secs()), (Ok(Some(WsErrorKind::WriteTimeout)), 10));
}

#[tokio::test(start_paused = true)]
async fn so_are_the_answers_to_pings() {
    let layer = layer(Timeouts::default().without_heartbeat().write(10 * SECOND));
    let (near, far) = pipe(false);
    serve_over(near, app(&layer, echo));
    far.open("").await;
    far.limit(1);
    let start = Instant::now();
    far.write(frame(0x89, b"there?").into_iter());
    while layer.counters().ended(WsErrorKind::WriteTimeout) == 0 {
        tokio::time::sleep(SECOND).await;
        assert!(start.elapsed() < 15 * SECOND);
    }
}

/// Such as a handler that sends under a timeout of its own.
#[tokio::test(start_paused = true)]
async fn what_a_handler_no_longer_waits_for_leaves_all_the_same() {
    let layer = layer(Timeouts::default().without_heartbeat().write(10 * SECOND));
    for receives in [true, false] {
        let gives_up = move |mut socket: WsSocket| async move {
            let sent = tokio::time::timeout(SECOND, socket.send("x".repeat(1_000_000))).await;
            assert!(sent.is_err(), "the peer does not read yet");
            if receives {
                while let Some(Ok(_)) = socket.recv().await {}
            }
            socket.handle().closed().await;
        };
        let mut io = open_raw(serve(app(&layer, gives_up))).await;
        tokio::time::sleep(2 * SECOND).await;
        let mut total = 0;
        let mut buffer = vec![0; 30_000];
        while total < 1_000_010 {
            let size = tokio::time::timeout(11 * SECOND, io.read(&mut buffer)).await.expect("something comes").unwrap();
            assert!(size > 0, "dropped after {total} bytes, receiving: {receives}");
            total += size;
        }
        assert_eq!(layer.counters().ended(WsErrorKind::WriteTimeout), 0, "receiving: {receives}");
    }
}

/// In the middle of a frame there can be no pong.
#[tokio::test(start_paused = true)]
async fn who_takes_long_to_send_a_message_lives() {
    let layer = layer(Timeouts::default().heartbeat(10 * SECOND, 3 * SECOND));
    let mut io = open_raw(serve(app(&layer, echo))).await;
    io.write_all(&[0x82, 0xfe, 0x01, 0, 0, 0, 0, 0]).await.unwrap();
    for _ in 0..256 {
        tokio::time::sleep(SECOND).await;
        io.write_all(&[7]).await.unwrap();
    }
    let mut echoed = Vec::new();
    while !echoed.ends_with(&[7; 256]) {
        echoed.push(io.read_u8().await.unwrap());
    }
    assert_eq!(layer.counters().ended(WsErrorKind::Unresponsive), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_behind_a_pong_is_a_message() {
    let layer = layer(Timeouts::default().without_heartbeat().idle(30 * SECOND));
    let asleep = |socket: WsSocket| async move {
        tokio::time::sleep(40 * SECOND).await;
        drop(socket);
    };
    let mut io = open_raw(serve(app(&layer, asleep))).await;
    io.write_all(&[frame(0x8a, b""), frame(0x81, b"unread")].concat()).await.unwrap();
    assert_eq!(rest(io).await, [0x88, 2, 3, 232], "the handler's own end, and not that of an idle socket");
}

/// The beginning of a binary message, in so many pieces of those in which `in_small_pieces` reads.
fn begun(first: u8, pieces: u16) -> Vec<u8> {
    let [high, low] = (pieces * 16 - 8).to_be_bytes();
    let mut frame = vec![first, 0xfe, high, low, 0, 0, 0, 0];
    frame.resize(usize::from(pieces) * 16, 7);
    frame
}

fn in_small_pieces(timeouts: Timeouts) -> WsUpgradeLayer {
    WsUpgradeLayer::builder().limits(Limits::default().read_buffer_size(16)).timeouts(timeouts).build().unwrap()
}

/// A task may read 128 times in one turn, and after that no timer looks at it either.
#[tokio::test(start_paused = true)]
async fn who_has_looked_for_long_is_woken_by_the_timer_again() {
    let layer = in_small_pieces(Timeouts::default().heartbeat(10 * SECOND, 3 * SECOND));
    let stays = |socket: WsSocket| async move {
        socket.handle().closed().await;
    };
    let mut io = open_raw(serve(app(&layer, stays))).await;
    let start = Instant::now();
    tokio::time::sleep(11 * SECOND).await;
    io.write_all(&begun(0x02, 160)).await.unwrap();
    assert!(tokio::time::timeout(3600 * SECOND, rest(io)).await.is_ok(), "there is a heartbeat");
    assert_eq!(start.elapsed().as_secs(), 33, "the second look found the rest, the third nothing");
    assert_eq!(layer.counters().ended(WsErrorKind::Unresponsive), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_takes_long_to_be_read_is_a_message() {
    let layer = in_small_pieces(Timeouts::default().without_heartbeat().idle(30 * SECOND));
    let asleep = |socket: WsSocket| async move {
        tokio::time::sleep(40 * SECOND).await;
        drop(socket);
    };
    let mut io = open_raw(serve(app(&layer, asleep))).await;
    io.write_all(&[begun(0x02, 400), frame(0x80, b"")].concat()).await.unwrap();
    assert_eq!(rest(io).await, [0x88, 2, 3, 232], "the handler's own end, and not that of an idle socket");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_does_not_keep_a_socket_open() {
    let layer = layer(Timeouts::default().without_heartbeat().write(3600 * SECOND).idle(30 * SECOND));
    let (report, mut reports) = mpsc::channel(1);
    let insists = move |mut socket: WsSocket| async move {
        let given_up = tokio::time::timeout(SECOND, socket.send("x".repeat(1_000_000))).await;
        assert!(given_up.is_err(), "the peer does not read");
        let mut send = std::pin::pin!(socket.send("y"));
        loop {
            // Polls it every second.
            if let Ok(sent) = tokio::time::timeout(SECOND, send.as_mut()).await {
                return report.send(sent.map_err(|error| error.kind())).await.unwrap();
            }
        }
    };
    let start = Instant::now();
    let _unread = open_raw(serve(app(&layer, insists))).await;
    let ended = tokio::time::timeout(600 * SECOND, reports.recv()).await;
    assert_eq!((ended, start.elapsed().as_secs()), (Ok(Some(Err(WsErrorKind::Idle))), 30));
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
