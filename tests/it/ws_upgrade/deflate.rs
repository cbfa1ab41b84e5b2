//! Compressed messages on their way out; what comes in is the unit tests' and the foreign suites' business.

use std::pin::Pin;

use donjon::ws_upgrade::{CloseCode, Deflate, Limits, Rooms, WsErrorKind, WsSocket, WsUpgradeLayer};
use flate2::{Decompress, FlushDecompress};
use futures_util::{Sink as _, SinkExt as _};
use tokio::{io::AsyncReadExt as _, sync::mpsc};

use super::{app, open_raw, open_with, rest, serve};

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

/// The first bytes and the payloads of a server's frames.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, length, rest @ ..] = bytes {
        let (length, rest) = match length {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            short => (usize::from(*short), rest),
        };
        frames.push((*first, rest[..length].to_vec()));
        bytes = &rest[length..];
    }
    frames
}

fn inflate(stream: &mut Decompress, payload: &[u8]) -> String {
    let mut text = Vec::with_capacity(64 * 1024);
    let whole = [payload, &[0, 0, 0xff, 0xff]].concat();
    stream.decompress_vec(&whole, &mut text, FlushDecompress::Sync).unwrap();
    String::from_utf8(text).unwrap()
}

/// Text in which nothing repeats itself.
fn noise(seed: u64) -> String {
    let mut state = seed + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:08x}", state >> 32)
    };
    (0..100).map(|_| next()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_room_sends_the_same_to_all_who_have_agreed_and_plain_text_to_others() {
    let layer = WsUpgradeLayer::builder().deflate(Deflate::lean()).build().unwrap();
    let (send, mut handles) = mpsc::channel(1);
    let stay = move |socket: WsSocket| async move {
        send.send(socket.handle()).await.unwrap();
        socket.handle().closed().await;
    };
    let rooms = Rooms::new();
    let (mut peers, mut members) = (Vec::new(), Vec::new());
    for offer in [OFFER, OFFER, ""] {
        peers.push(open_with(serve(app(&layer, stay.clone())), offer).await);
        members.push(rooms.join("lobby", &handles.recv().await.unwrap()));
    }
    let text = "the same for all ".repeat(20);
    assert_eq!(rooms.broadcast("lobby", text.clone()).await.queued, 3);
    let mut heard = Vec::new();
    for peer in &mut peers {
        let mut buffer = vec![0; 1024];
        let size = peer.read(&mut buffer).await.unwrap();
        heard.push(frames(&buffer[..size]).remove(0));
    }
    assert_eq!(heard[0], heard[1]);
    assert_eq!((heard[0].0, inflate(&mut Decompress::new(false), &heard[0].1)), (0xc1, text.clone()));
    assert_eq!(heard[2], (0x81, text.into_bytes()));
}

/// What it was compressed to is not there for the next one to refer to.
#[tokio::test(start_paused = true)]
async fn a_message_that_found_no_room_does_not_spoil_the_next() {
    let limits = Limits::default().max_message_size(1000).write_buffer_size(1);
    let layer = WsUpgradeLayer::builder().deflate(Deflate::new()).limits(limits).build().unwrap();
    let (send, mut counts) = mpsc::channel(1);
    let hasty = move |mut socket: WsSocket| async move {
        let mut sent = 0;
        let error = loop {
            match Pin::new(&mut socket).start_send(noise(sent).into()) {
                Ok(()) => sent += 1,
                Err(error) => break error.kind(),
            }
        };
        assert_eq!(error, WsErrorKind::Full);
        send.send(sent).await.unwrap();
        socket.flush().await.unwrap();
        WsSocket::send(&mut socket, noise(sent)).await.unwrap();
        socket.close(CloseCode::NORMAL).await;
    };
    let io = open_with(serve(app(&layer, hasty)), OFFER).await;
    let sent = counts.recv().await.unwrap();
    let (mut stream, mut heard) = (Decompress::new(false), 0);
    for (first, payload) in frames(&rest(io).await) {
        if first == 0xc1 {
            assert_eq!(inflate(&mut stream, &payload), noise(heard), "message {heard} of {sent}");
            heard += 1;
        }
    }
    assert_eq!(heard, sent + 1);
}

#[tokio::test]
async fn who_offers_nothing_is_sent_nothing_compressed() {
    let layer = WsUpgradeLayer::builder().deflate(Deflate::new()).build().unwrap();
    let io = open_raw(serve(app(&layer, |mut socket: WsSocket| async move {
        socket.send("x".repeat(100)).await.unwrap();
    })));
    let mut head = [0; 2];
    io.await.read_exact(&mut head).await.unwrap();
    assert_eq!(head, [0x81, 100]);
}
