//! Who may stay, and what happens to a socket whose handler or peer does not behave. Time stands still but for timers.

use std::{
    convert::Infallible,
    time::{Duration, SystemTime},
};

use donjon::{
    ManualClock, Principal, Revoker,
    ws_upgrade::{Limits, Message, Rate, WsError, WsErrorKind, WsSocket, WsUpgradeLayer},
};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_tungstenite::tungstenite;
use tower::{Service, ServiceBuilder};

use super::{accepting, close_code, close_frame, connect, echo, frame, open_raw, rest, serve, serve_over};
use crate::support::pipe::pipe;

fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn layer() -> WsUpgradeLayer {
    WsUpgradeLayer::builder().clock(ManualClock::at(noon())).build().unwrap()
}

/// As TokenAuth does from outside.
fn verified<S, B>(
    principal: Principal,
    service: S,
) -> impl Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: 'static,
{
    let insert = move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(principal.clone());
        request
    };
    ServiceBuilder::new().map_request(insert).service(service)
}

async fn kind_of_next(socket: &mut WsSocket) -> Option<Result<Message, WsErrorKind>> {
    loop {
        match socket.recv().await {
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            received => return received.map(|received| received.map_err(|error: WsError| error.kind())),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_socket_closes_when_the_principal_expires() {
    let principal = Principal::builder().subject("alice").expires_at(noon() + Duration::from_secs(60)).build();
    let (report, reported) = oneshot::channel();
    let report = std::sync::Arc::new(std::sync::Mutex::new(Some(report)));
    let handler = move |mut socket: WsSocket| async move {
        let ends = (kind_of_next(&mut socket).await, kind_of_next(&mut socket).await);
        let sent = socket.send("too late").await.map_err(|error| error.kind());
        let subject = socket.principal().and_then(|principal| principal.subject().map(ToOwned::to_owned));
        report.lock().unwrap().take().unwrap().send((ends, sent, subject)).unwrap();
    };
    let started = Instant::now();
    let mut client = connect(serve(verified(principal, accepting(layer(), handler)))).await;
    assert_eq!(close_frame(&mut client).await, Some((3000, "token expired".to_owned())));
    assert!(client.next().await.is_none());
    assert!((60_000..60_250).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    let (ends, sent, subject) = reported.await.unwrap();
    assert_eq!(ends, (Some(Err(WsErrorKind::Expired)), None));
    assert_eq!(sent, Err(WsErrorKind::Expired));
    assert_eq!(subject.as_deref(), Some("alice"));
}

#[tokio::test(start_paused = true)]
async fn a_principal_that_has_expired_meanwhile_is_told_at_once() {
    let principal = Principal::builder().expires_at(noon() - Duration::from_secs(1)).build();
    let mut client = connect(serve(verified(principal, accepting(layer(), echo)))).await;
    assert_eq!(close_code(&mut client).await, Some(3000));
}

#[tokio::test(start_paused = true)]
async fn the_socket_closes_when_the_principal_is_revoked() {
    let revoker = Revoker::new();
    let principal = Principal::builder().revoker(&revoker).build();
    let mut client = connect(serve(verified(principal, accepting(layer(), echo)))).await;
    client.send("hello".into()).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), "hello".into());
    let before = Instant::now();
    revoker.revoke();
    assert_eq!(close_code(&mut client).await, Some(3000));
    assert!(before.elapsed() < Duration::from_millis(250));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_never_looks_at_its_socket_cannot_keep_it_open() {
    let revoker = Revoker::new();
    let principal = Principal::builder().revoker(&revoker).build();
    let asleep = |socket: WsSocket| async move {
        std::future::pending::<()>().await;
        drop(socket);
    };
    let mut client = connect(serve(verified(principal, accepting(layer(), asleep)))).await;
    revoker.revoke();
    assert_eq!(close_code(&mut client).await, Some(3000));
    assert!(client.next().await.is_none(), "the connection is gone");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_only_sends_sees_the_end() {
    let revoker = Revoker::new();
    let principal = Principal::builder().revoker(&revoker).build();
    let (report, mut reported) = tokio::sync::mpsc::channel(1);
    let flood = move |mut socket: WsSocket| async move {
        loop {
            if let Err(error) = socket.send("x".repeat(10_000)).await {
                return report.send(error.kind()).await.unwrap();
            }
        }
    };
    // The client reads nothing, so that the handler stands waiting in `send`.
    let io = open_raw(serve(verified(principal, accepting(layer(), flood)))).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    revoker.revoke();
    assert_eq!(tokio::time::timeout(Duration::from_secs(60), reported.recv()).await, Ok(Some(WsErrorKind::Revoked)));
    let bytes = rest(io).await;
    assert!(bytes.ends_with(b"token revoked"), "what was queued, then the close");
}

#[tokio::test(start_paused = true)]
async fn a_principal_from_beneath_the_layer_is_followed_too() {
    let revoker = Revoker::new();
    let principal = Principal::builder().revoker(&revoker).build();
    let inner = tower::service_fn(move |mut request: Request<Incoming>| {
        let principal = principal.clone();
        async move {
            let handshake = donjon::ws_upgrade::WsHandshake::from_request(&mut request).unwrap();
            let mut response = handshake.accept(echo).into_http_response::<http_body_util::Empty<bytes::Bytes>>();
            response.extensions_mut().insert(principal);
            Ok::<_, Infallible>(response)
        }
    });
    let mut client = connect(serve(ServiceBuilder::new().layer(layer()).service(inner))).await;
    revoker.revoke();
    assert_eq!(close_code(&mut client).await, Some(3000));
}

#[tokio::test]
async fn a_panic_of_the_handler_says_1011_and_disturbs_nobody() {
    let service = accepting(layer(), |mut socket: WsSocket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            assert!(message.as_text() != Some("fall"), "as the test asks for");
            socket.send(message).await.unwrap();
        }
    });
    let mut other = connect(serve(service.clone())).await;
    let mut client = connect(serve(service)).await;
    client.send("fall".into()).await.unwrap();
    let Some(Ok(tungstenite::Message::Close(Some(frame)))) = client.next().await else { panic!("a close frame") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1011, ""), "the panic's text stays within");
    other.send("hello".into()).await.unwrap();
    assert_eq!(other.next().await.unwrap().unwrap(), "hello".into());
}

#[tokio::test]
async fn a_panic_before_the_handlers_future_says_1011() {
    #[expect(clippy::unused_async, reason = "the point is what happens before")]
    async fn nothing() {}
    let mut client = connect(serve(accepting(layer(), |socket: WsSocket| {
        assert!(socket.principal().is_some(), "as the test asks for");
        nothing()
    })))
    .await;
    assert_eq!(close_code(&mut client).await, Some(1011));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_the_close_is_dropped_after_five_seconds() {
    let io = open_raw(serve(accepting(layer(), |socket: WsSocket| async move { drop(socket) }))).await;
    let before = Instant::now();
    assert_eq!(rest(io).await, [0x88, 2, 3, 232]);
    assert!((5_000..5_250).contains(&before.elapsed().as_millis()), "{:?}", before.elapsed());
}

/// [RFC 6455 §5.5.1](https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1), also where the codec had no room for an answer yet.
#[tokio::test(start_paused = true)]
async fn nothing_comes_after_the_close_frame() {
    const PINGS: usize = 100;
    let limits = Limits::default().max_message_size(500).write_buffer_size(1).control_rate(Rate::per_second(1000));
    let layer = WsUpgradeLayer::builder().limits(limits).build().unwrap();
    let (done, mut all) = mpsc::channel(1);
    let handler = move |mut socket: WsSocket| async move {
        for _ in 0..PINGS {
            assert!(matches!(socket.recv().await, Some(Ok(Message::Ping(_)))));
        }
        done.send(()).await.unwrap();
    };
    let (near, far) = pipe(false);
    serve_over(near, accepting(layer, handler));
    far.open("").await;
    far.limit(1);
    far.write(frame(0x89, &[7; 125]).repeat(PINGS).into_iter());
    while all.try_recv().is_err() {
        tokio::task::yield_now().await;
    }
    let mut read = Vec::new();
    far.limit(usize::MAX);
    for _ in 0..1000 {
        tokio::task::yield_now().await;
        read.extend(far.read(usize::MAX));
    }
    let (pongs, close) = read.split_at(read.len() - 4);
    assert_eq!(close, [0x88, 2, 3, 232]);
    assert!(pongs.len() > 4096 && pongs.len() % 127 == 0, "whole pongs: {}", pongs.len());
}

#[tokio::test(start_paused = true)]
async fn a_socket_outlives_its_handler_in_another_task() {
    let handler = |socket: WsSocket| async move { drop(tokio::spawn(echo(socket))) };
    let mut client = connect(serve(accepting(layer(), handler))).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    client.send("still there".into()).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), "still there".into());
}
