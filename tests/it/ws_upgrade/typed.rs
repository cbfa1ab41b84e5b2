//! Values in place of messages.

use donjon::ws_upgrade::{Json, Message, TypedError, WsSocket, WsUpgradeLayer, testing::TestSocket};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};

use super::{app, handshake};

#[derive(Deserialize)]
struct Question {
    a: i64,
    b: i64,
}

#[derive(Serialize)]
struct Answer {
    sum: i64,
}

async fn add(socket: WsSocket) {
    let mut socket = socket.typed::<Question, Answer, _>(Json);
    while let Some(received) = socket.recv().await {
        let sent = match received {
            Ok(Question { a, b }) => socket.send(&Answer { sum: a + b }).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            return socket.close(error).await;
        }
    }
}

#[tokio::test]
async fn values_go_in_and_out_and_pings_do_not_disturb() {
    let mut socket = TestSocket::connect(app(&WsUpgradeLayer::new(), add), handshake()).await.unwrap();
    socket.send(Message::Ping("x".into())).await;
    socket.send(r#"{"a": 40, "b": 2}"#).await;
    assert_eq!(socket.recv().await, Some(r#"{"sum":42}"#.into()));
}

#[tokio::test]
async fn what_is_not_understood_is_1007_and_nothing_of_it_comes_back() {
    for message in [Message::text(r#"{"a": "s3cr3t"}"#), Message::binary(&b"{\"a\":1,\"b\":1}"[..])] {
        let mut socket = TestSocket::connect(app(&WsUpgradeLayer::new(), add), handshake()).await.unwrap();
        socket.send(message).await;
        let frame = socket.closed().await.unwrap();
        assert_eq!((frame.code().get(), frame.reason()), (1007, "message not understood"));
    }
}

#[tokio::test]
async fn a_stream_and_a_sink_of_values_go_on_after_a_misunderstanding() {
    let handler = |socket: WsSocket| async move {
        let (mut sink, mut stream) = socket.typed::<Question, Answer, _>(Json).split();
        while let Some(received) = stream.next().await {
            let sum = match received {
                Ok(Question { a, b }) => a + b,
                Err(TypedError::Codec(error)) => {
                    assert!(!error.to_string().contains("s3cr3t"));
                    -1
                }
                Err(_) => return,
            };
            sink.send(Answer { sum }).await.unwrap();
        }
    };
    let mut socket = TestSocket::connect(app(&WsUpgradeLayer::new(), handler), handshake()).await.unwrap();
    for (sent, expected) in [(r#"{"a":"s3cr3t","b":0}"#, -1), (r#"{"a":1,"b":1}"#, 2)] {
        socket.send(sent).await;
        assert_eq!(socket.recv().await, Some(format!(r#"{{"sum":{expected}}}"#).into()));
    }
}
