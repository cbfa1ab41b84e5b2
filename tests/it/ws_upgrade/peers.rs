//! Peers that do what a peer may not: too often, too much, in pieces too small.

use donjon::ws_upgrade::{Limits, Rate, WsErrorKind, WsSocket, WsUpgradeLayer, testing::TestSocket};
use tokio::io::AsyncWriteExt as _;

use super::{app, echo, frame, handshake, open_raw, rest, serve};

fn layer(limits: Limits) -> WsUpgradeLayer {
    WsUpgradeLayer::builder().limits(limits).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pings_is_answered_1008() {
    let layer = layer(Limits::default());
    let mut io = open_raw(serve(app(&layer, echo))).await;
    io.write_all(&frame(0x89, b"are you there").repeat(300)).await.unwrap();
    io.shutdown().await.unwrap();
    let bytes = rest(io).await;
    assert!(bytes.ends_with(&[0x88, 2, 3, 240]), "the last that is sent");
    let pongs = bytes.windows(2).filter(|head| **head == [0x8a, 13]).count();
    assert!((1..=129).contains(&pongs), "{pongs} pongs: as many as may be asked for at once, and the one too many");
    assert_eq!(layer.counters().ended(WsErrorKind::Flood), 1);
}

#[tokio::test]
async fn so_is_one_of_pongs() {
    let mut io = open_raw(serve(app(&layer(Limits::default()), echo))).await;
    io.write_all(&frame(0x8a, b"").repeat(300)).await.unwrap();
    io.shutdown().await.unwrap();
    assert_eq!(rest(io).await, [0x88, 2, 3, 240]);
}

#[tokio::test(start_paused = true)]
async fn messages_have_a_rate_where_one_is_set() {
    let layer = layer(Limits::default().message_rate(Rate::per_second(10)));
    let mut socket = TestSocket::connect(app(&layer, echo), handshake()).await.unwrap();
    for _ in 0..5 {
        for _ in 0..10 {
            socket.send("x").await;
            assert!(socket.recv().await.is_some());
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    for _ in 0..11 {
        socket.send("x").await;
    }
    assert_eq!(socket.closed().await.unwrap().code().get(), 1008);
}

#[tokio::test(start_paused = true)]
async fn bytes_have_a_rate_where_one_is_set() {
    let layer = layer(Limits::default().byte_rate(Rate::per_second(1000).burst(3000)));
    let mut socket = TestSocket::connect(app(&layer, echo), handshake()).await.unwrap();
    socket.send("x".repeat(3000)).await;
    assert!(socket.recv().await.is_some());
    socket.send("x").await;
    assert_eq!(socket.closed().await.unwrap().code().get(), 1008);
}

/// The flood stands in the kernel's or the pipe's buffers then, and its sender waits.
#[tokio::test(start_paused = true)]
async fn a_flood_at_a_handler_that_does_not_receive_is_not_even_read() {
    let layer = layer(Limits::default());
    let (woken, mut wakes) = tokio::sync::mpsc::channel::<()>(1);
    let asleep = move |socket: WsSocket| async move {
        woken.send(()).await.unwrap();
        std::future::pending::<()>().await;
        drop(socket);
    };
    let mut io = open_raw(serve(app(&layer, asleep))).await;
    wakes.recv().await.unwrap();
    let flood = frame(0x89, &[0; 100]).repeat(10_000);
    let written = tokio::time::timeout(std::time::Duration::from_secs(20), io.write_all(&flood)).await;
    assert!(written.is_err(), "a megabyte was taken by somebody");
}
