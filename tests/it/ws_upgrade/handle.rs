//! A socket from elsewhere: sending with and without room, closing, renewing.

use std::time::{Duration, SystemTime};

use donjon::{
    ManualClock, Principal, Revoker,
    ws_upgrade::{
        CloseCode, CloseFrame, Limits, Message, SlowConsumer, WsErrorKind, WsHandle, WsSocket, WsUpgradeLayer,
        testing::TestSocket,
    },
};
use http::Request;
use hyper::body::Incoming;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc,
    time::Instant,
};
use tower::ServiceBuilder;

use super::{app, frame, handshake, open_raw, rest, serve};

/// A handler that hands its handle out and then does nothing but stay.
fn handing_out()
-> (impl FnOnce(WsSocket) -> futures_util::future::BoxFuture<'static, ()> + Clone + Send, mpsc::Receiver<WsHandle>) {
    let (send, handles) = mpsc::channel(8);
    let handler = move |socket: WsSocket| -> futures_util::future::BoxFuture<'static, ()> {
        Box::pin(async move {
            send.send(socket.handle()).await.unwrap();
            socket.handle().closed().await;
        })
    };
    (handler, handles)
}

fn layer(policy: SlowConsumer, messages: usize) -> WsUpgradeLayer {
    WsUpgradeLayer::builder().slow_consumer(policy).limits(Limits::default().queue_messages(messages)).build().unwrap()
}

#[tokio::test]
async fn what_a_handle_sends_arrives_in_order_while_the_handler_does_something_else() {
    let (handler, mut handles) = handing_out();
    let mut socket = TestSocket::connect(app(&layer(SlowConsumer::Wait, 4), handler), handshake()).await.unwrap();
    let handle = handles.recv().await.unwrap();
    let sender = tokio::spawn(async move {
        for number in 0..1000 {
            handle.send(number.to_string()).await.unwrap();
        }
        handle.close(CloseFrame::new(CloseCode::NORMAL, "done"));
        handle.send("too late").await.unwrap_err().kind()
    });
    for number in 0..1000 {
        assert_eq!(socket.recv().await, Some(number.to_string().into()));
    }
    assert_eq!(socket.recv().await, None);
    assert_eq!(sender.await.unwrap(), WsErrorKind::Closed);
}

#[tokio::test]
async fn a_slow_peer_is_disconnected_and_told_1013() {
    let layer = layer(SlowConsumer::Disconnect, 8);
    let (handler, mut handles) = handing_out();
    let io = open_raw(serve(app(&layer, handler))).await;
    let handle = handles.recv().await.unwrap();
    let mut sent = 0;
    let error = loop {
        match handle.send("x".repeat(10_000)).await {
            Ok(()) => sent += 1,
            Err(error) => break error.kind(),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((error, handle.closed().await), (WsErrorKind::Slow, WsErrorKind::Slow));
    assert!(sent < 64, "{sent} messages for one who reads nothing");
    assert!(rest(io).await.ends_with(b"\x88\x0a\x03\xf5too slow"));
    assert_eq!(layer.counters().ended(WsErrorKind::Slow), 1);
}

/// Both the reader, who owes a pong, and the queue wait for the peer to read; and both go on when it does.
#[tokio::test(start_paused = true)]
async fn a_pong_that_is_owed_does_not_make_the_queue_wait() {
    let (send, mut handles) = mpsc::channel(1);
    let (heard, mut pings) = mpsc::channel(1);
    let handler = move |mut socket: WsSocket| async move {
        send.send(socket.handle()).await.unwrap();
        while let Some(Ok(_)) = socket.recv().await {
            let _ = heard.try_send(());
        }
    };
    let layer = layer(SlowConsumer::Wait, 64);
    let mut io = open_raw(serve(app(&layer, handler))).await;
    let handle = handles.recv().await.unwrap();
    while handle.try_send("x".repeat(10_000)).is_ok() {
        // Until the pipe is full and the queue is as well.
        tokio::task::yield_now().await;
    }
    io.write_all(&frame(0x89, b"")).await.unwrap();
    pings.recv().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (start, mut buffer) = (Instant::now(), vec![0; 16 * 1024]);
    while handle.queued() > 0 {
        assert!(io.read(&mut buffer).await.unwrap() > 0);
    }
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_oldest_are_dropped_and_counted_exactly() {
    let layer = layer(SlowConsumer::DropOldest, 8);
    let (handler, mut handles) = handing_out();
    let mut socket = TestSocket::connect(app(&layer, handler), handshake()).await.unwrap();
    let handle = handles.recv().await.unwrap();
    // Nobody else runs meanwhile, so that no message leaves the queue.
    for number in 0..100 {
        handle.try_send(number.to_string()).unwrap();
    }
    assert_eq!((handle.queued(), handle.dropped(), layer.counters().dropped_messages()), (8, 92, 92));
    for number in 92..100 {
        assert_eq!(socket.recv().await, Some(number.to_string().into()));
    }
}

#[tokio::test]
async fn one_who_waits_is_told_when_there_is_no_room() {
    let (handler, mut handles) = handing_out();
    let mut socket = TestSocket::connect(app(&layer(SlowConsumer::Wait, 2), handler), handshake()).await.unwrap();
    let handle = handles.recv().await.unwrap();
    handle.try_send("1").unwrap();
    handle.try_send("2").unwrap();
    assert_eq!(handle.try_send("3").unwrap_err().kind(), WsErrorKind::Full);
    assert_eq!(handle.try_send(Message::Ping(vec![0; 126].into())).unwrap_err().kind(), WsErrorKind::ControlTooBig);
    assert_eq!(handle.try_send("x".repeat(1024 * 1024 + 1)).unwrap_err().kind(), WsErrorKind::TooBig);
    handle.send("3").await.unwrap();
    for text in ["1", "2", "3"] {
        assert_eq!(socket.recv().await, Some(text.into()));
    }
    assert!(!handle.is_closed());
}

fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn alice(seconds: u64) -> donjon::PrincipalBuilder {
    Principal::builder().subject("alice").expires_at(noon() + Duration::from_secs(seconds))
}

async fn connected(principal: Principal, code: CloseCode) -> (TestSocket, WsHandle) {
    let layer = WsUpgradeLayer::builder().clock(ManualClock::at(noon())).principal_close_code(code).build().unwrap();
    let (handler, mut handles) = handing_out();
    let insert = move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(principal.clone());
        request
    };
    let service = ServiceBuilder::new().map_request(insert).service(app(&layer, handler));
    let socket = TestSocket::connect(service, handshake()).await.unwrap();
    (socket, handles.recv().await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_expiry_is_announced_and_a_renewal_moves_it() {
    let (mut socket, handle) = connected(alice(300).build(), CloseCode::UNAUTHORIZED).await;
    let start = Instant::now();
    let closed = tokio::spawn(async move { socket.closed().await });
    for round in 1..=3 {
        handle.expiring().await;
        assert_eq!(start.elapsed().as_secs(), 300 * round - 60);
        // The layer's clock stands still at noon, so each new token has to reach beyond what has passed.
        handle.renew(alice(360).build()).unwrap();
    }
    handle.expiring().await;
    let frame = closed.await.unwrap().unwrap();
    assert_eq!((frame.code().get(), frame.reason()), (3000, "token expired"));
    assert!((1_200_000..1_200_250).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert_eq!(handle.renew(alice(900).build()).unwrap_err().kind(), WsErrorKind::Expired);
    handle.expiring().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_renewed_into_somebody_else() {
    let (mut socket, handle) = connected(alice(300).build(), CloseCode::FORBIDDEN).await;
    let bob = Principal::builder().subject("bob").expires_at(noon() + Duration::from_secs(9000)).build();
    assert_eq!(handle.renew(bob).unwrap_err().kind(), WsErrorKind::OtherPrincipal);
    assert_eq!(handle.principal().unwrap().subject(), Some("alice"));
    let start = Instant::now();
    assert_eq!(socket.closed().await.unwrap().code(), CloseCode::FORBIDDEN, "the code is a setting");
    assert_eq!(start.elapsed().as_secs(), 300);
}

#[tokio::test(start_paused = true)]
async fn a_renewed_principal_is_followed_and_the_old_one_is_not() {
    let (old, new) = (Revoker::new(), Revoker::new());
    let (mut socket, handle) = connected(alice(300).revoker(&old).build(), CloseCode::UNAUTHORIZED).await;
    handle.renew(alice(600).revoker(&new).build()).unwrap();
    tokio::task::yield_now().await;
    old.revoke();
    assert!(tokio::time::timeout(Duration::from_secs(30), socket.closed()).await.is_err());
    let before = Instant::now();
    new.revoke();
    let frame = socket.closed().await.unwrap();
    assert_eq!((frame.code().get(), frame.reason()), (3000, "token revoked"));
    assert!(before.elapsed() < Duration::from_millis(250));
    assert_eq!(handle.closed().await, WsErrorKind::Revoked);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_principal_that_ends_is_never_sent() {
    let revoker = Revoker::new();
    let (mut socket, handle) = connected(alice(300).revoker(&revoker).build(), CloseCode::UNAUTHORIZED).await;
    revoker.revoke();
    handle.try_send("for alice's eyes only").unwrap();
    let received = socket.recv().await;
    assert_eq!(received, None);
}
