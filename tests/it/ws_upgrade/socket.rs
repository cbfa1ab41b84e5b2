//! What an open socket carries, and how the peer's faults end it.

use bytes::Bytes;
use donjon::ws_upgrade::{CloseCode, CloseFrame, Limits, Message, WsError, WsErrorKind, WsSocket, WsUpgradeLayer};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{io::AsyncWriteExt as _, sync::mpsc};
use tokio_tungstenite::tungstenite::{self, protocol::frame::coding::CloseCode as ClientCode};

use super::{accepting, close_code, connect, echo, frame, open_raw, rest, serve};

fn small() -> WsUpgradeLayer {
    WsUpgradeLayer::builder().limits(Limits::default().max_message_size(1000)).build().unwrap()
}

/// A handler that reports the outcome of every `recv`, and the channel it reports to.
fn reporting() -> (impl FnOnce(WsSocket) -> futures_util::future::BoxFuture<'static, ()> + Clone, mpsc::Receiver<Option<String>>)
{
    let (report, reports) = mpsc::channel(16);
    let handler = move |mut socket: WsSocket| -> futures_util::future::BoxFuture<'static, ()> {
        Box::pin(async move {
            loop {
                let received = socket.recv().await;
                let end = received.is_none();
                let shown = received.map(|received| match received {
                    Ok(message) => format!("{message:?}"),
                    Err(error) => format!("{:?}", error.kind()),
                });
                report.send(shown).await.unwrap();
                if end {
                    return;
                }
            }
        })
    };
    (handler, reports)
}

/// Serves the echo by axum over TCP.
#[cfg(feature = "axum")]
async fn listen(layer: WsUpgradeLayer) -> std::net::SocketAddr {
    use axum::{Router, routing::any};
    use donjon::ws_upgrade::WsHandshake;

    let app = Router::new().route("/ws", any(|handshake: WsHandshake| async { handshake.accept(echo) })).layer(layer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[tokio::test]
async fn text_and_binary_come_back_whole() {
    let mut client = connect(serve(accepting(WsUpgradeLayer::new(), echo))).await;
    for message in [
        tungstenite::Message::text("grüße"),
        tungstenite::Message::text(""),
        tungstenite::Message::binary(vec![0, 255, 128]),
        tungstenite::Message::binary(vec![7; 300_000]),
        tungstenite::Message::text("x".repeat(1024 * 1024)),
    ] {
        let (mut sink, mut stream) = (&mut client).split();
        let (sent, back) = tokio::join!(sink.send(message.clone()), stream.next());
        sent.unwrap();
        assert_eq!(back.unwrap().unwrap(), message);
    }
    client.close(None).await.unwrap();
    assert_eq!(close_code(&mut client).await, None);
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn sixty_four_sockets_talk_at_once_over_tcp() {
    let address = listen(WsUpgradeLayer::new()).await;
    let clients = (0..64).map(|number| {
        tokio::spawn(async move {
            let (mut client, _) = tokio_tungstenite::connect_async(format!("ws://{address}/ws")).await.unwrap();
            for round in 0..20 {
                let text = format!("{number} {round}");
                client.send(tungstenite::Message::text(text.clone())).await.unwrap();
                assert_eq!(client.next().await.unwrap().unwrap(), tungstenite::Message::text(text));
            }
            client.send(tungstenite::Message::Close(None)).await.unwrap();
            assert!(matches!(client.next().await, Some(Ok(tungstenite::Message::Close(None)))));
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn pings_are_answered_and_seen() {
    let (handler, mut reports) = reporting();
    let mut client = connect(serve(accepting(WsUpgradeLayer::new(), handler))).await;
    client.send(tungstenite::Message::Ping("are you there".into())).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), tungstenite::Message::Pong("are you there".into()));
    assert_eq!(reports.recv().await.unwrap(), Some("Ping(b\"are you there\")".to_owned()));
}

#[tokio::test]
async fn the_peers_close_is_acknowledged_with_its_own_code() {
    let (handler, mut reports) = reporting();
    let mut client = connect(serve(accepting(WsUpgradeLayer::new(), handler))).await;
    let frame = tungstenite::protocol::CloseFrame { code: ClientCode::Library(4321), reason: "done".into() };
    client.close(Some(frame)).await.unwrap();
    assert_eq!(close_code(&mut client).await, Some(4321));
    let seen = format!("{:?}", Message::Close(Some(CloseFrame::new(CloseCode::new(4321).unwrap(), "done"))));
    assert_eq!(reports.recv().await.unwrap(), Some(seen));
    assert_eq!(reports.recv().await.unwrap(), None);
}

#[tokio::test]
async fn the_handlers_close_reaches_the_peer() {
    let close = |socket: WsSocket| socket.close(CloseFrame::new(CloseCode::FORBIDDEN, "not here"));
    let mut client = connect(serve(accepting(WsUpgradeLayer::new(), close))).await;
    let Some(Ok(tungstenite::Message::Close(Some(frame)))) = client.next().await else { panic!("a close frame") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (3003, "not here"));
    assert!(client.next().await.is_none(), "the connection ends in order");
}

#[tokio::test]
async fn what_was_sent_before_the_end_arrives_before_the_close() {
    let greet = |mut socket: WsSocket| async move {
        socket.feed("one".into()).await.unwrap();
        socket.feed("two".into()).await.unwrap();
    };
    let mut client = connect(serve(accepting(WsUpgradeLayer::new(), greet))).await;
    assert_eq!(client.next().await.unwrap().unwrap(), tungstenite::Message::text("one"));
    assert_eq!(client.next().await.unwrap().unwrap(), tungstenite::Message::text("two"));
    assert_eq!(close_code(&mut client).await, Some(1000));
}

#[tokio::test]
async fn every_fault_of_the_peer_gets_its_close_code() {
    let declared = |length: u64| [&[0x82, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
    for (row, bytes, code, kind) in [
        ("unmasked", vec![0x81, 1, b'x'], 1002, WsErrorKind::Protocol),
        ("a reserved bit", frame(0xc1, b"x"), 1002, WsErrorKind::Protocol),
        ("a reserved opcode", frame(0x83, b"x"), 1002, WsErrorKind::Protocol),
        ("a continuation of nothing", frame(0x80, b"x"), 1002, WsErrorKind::Protocol),
        ("a new message inside another", [frame(0x01, b"a"), frame(0x81, b"b")].concat(), 1002, WsErrorKind::Protocol),
        ("a fragmented ping", frame(0x09, b"x"), 1002, WsErrorKind::Protocol),
        ("a ping of 126 bytes", [&[0x89, 0xfe, 0, 126, 0, 0, 0, 0][..], &[1; 126]].concat(), 1002, WsErrorKind::Protocol),
        ("text that is not UTF-8", frame(0x81, b"\xff"), 1007, WsErrorKind::InvalidUtf8),
        ("a split character cut short", [frame(0x01, b"\xc3"), frame(0x80, b"x")].concat(), 1007, WsErrorKind::InvalidUtf8),
        ("one byte too many, declared", declared(1001), 1009, WsErrorKind::TooBig),
        ("2^63 - 1 declared", declared(u64::MAX >> 1), 1009, WsErrorKind::TooBig),
        ("2^64 - 1 declared", declared(u64::MAX), 1009, WsErrorKind::TooBig),
        ("too much in fragments", [frame(0x02, &[0; 125]), frame(0x00, &[0; 125]).repeat(8)].concat(), 1009, WsErrorKind::TooBig),
    ] {
        let (handler, mut reports) = reporting();
        let mut io = open_raw(serve(accepting(small(), handler))).await;
        io.write_all(&bytes).await.unwrap();
        assert_eq!(reports.recv().await.unwrap(), Some(format!("{kind:?}")), "{row}");
        assert_eq!(reports.recv().await.unwrap(), None, "{row}");
        io.shutdown().await.unwrap();
        assert_eq!(rest(io).await, [&[0x88, 2][..], &u16::to_be_bytes(code)].concat(), "{row}");
    }
}

/// A connection that is dropped with bytes unread is reset, which may take along what was sent last.
#[tokio::test]
async fn a_client_that_is_still_sending_is_heard_out_before_the_connection_ends() {
    let mut io = open_raw(serve(accepting(WsUpgradeLayer::new(), echo))).await;
    io.write_all(&[0x82, 0xff, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0]).await.unwrap();
    for _ in 0..128 {
        io.write_all(&[0; 64 * 1024]).await.unwrap();
    }
    io.shutdown().await.unwrap();
    assert_eq!(rest(io).await, [0x88, 2, 3, 241]);
}

#[tokio::test]
async fn a_close_that_no_peer_may_send_is_answered_as_a_violation() {
    for (row, payload, code) in [("1006", &[3, 238][..], 1002), ("999", &[3, 231], 1002), ("65535", &[255, 255], 1002)] {
        let mut io = open_raw(serve(accepting(small(), echo))).await;
        io.write_all(&frame(0x88, payload)).await.unwrap();
        let bytes = rest(io).await;
        assert_eq!((bytes[0], &bytes[2..4]), (0x88, &u16::to_be_bytes(code)[..]), "{row}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_an_error_and_the_end() {
    let (handler, mut reports) = reporting();
    drop(open_raw(serve(accepting(small(), handler))).await);
    assert_eq!(reports.recv().await.unwrap(), Some("Connection".to_owned()));
    assert_eq!(reports.recv().await.unwrap(), None);
}

#[tokio::test]
async fn what_is_too_large_to_send_is_not_sent_and_the_socket_stays_open() {
    let handler = |mut socket: WsSocket| async move {
        let kind = |sent: Result<(), WsError>| sent.map_err(|error| error.kind());
        assert_eq!(kind(socket.send("x".repeat(1001)).await), Err(WsErrorKind::TooBig));
        assert_eq!(kind(socket.send(Message::Ping(Bytes::from(vec![0; 126]))).await), Err(WsErrorKind::ControlTooBig));
        assert_eq!(kind(socket.send("x".repeat(1000)).await), Ok(()));
    };
    let mut client = connect(serve(accepting(small(), handler))).await;
    assert_eq!(client.next().await.unwrap().unwrap().len(), 1000);
    assert_eq!(close_code(&mut client).await, Some(1000));
}

#[tokio::test]
async fn a_split_socket_sends_and_receives_in_two_tasks() {
    let handler = |socket: WsSocket| async move {
        let (mut sink, mut stream) = socket.split();
        let (forward, mut forwarded) = mpsc::channel(4);
        let sender = tokio::spawn(async move {
            while let Some(message) = forwarded.recv().await {
                sink.send(message).await.unwrap();
            }
        });
        while let Some(Ok(message @ Message::Text(_))) = stream.next().await {
            forward.send(message).await.unwrap();
        }
        drop(forward);
        sender.await.unwrap();
    };
    let mut client = connect(serve(accepting(WsUpgradeLayer::new(), handler))).await;
    for number in 0..100 {
        client.send(tungstenite::Message::text(number.to_string())).await.unwrap();
    }
    for number in 0..100 {
        assert_eq!(client.next().await.unwrap().unwrap(), tungstenite::Message::text(number.to_string()));
    }
}
