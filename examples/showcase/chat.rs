//! `GET /ws/chat`: a JSON text goes, as it is, to everybody else in the room.
//!
//! | a client sends | what happens |
//! |---|---|
//! | a JSON text of at most 16 KiB | every other client receives it |
//! | another text | its sender alone receives a problem document |
//! | a binary message | the socket closes with 1003 |
//! | a larger message | the socket closes with 1009 |
//! | nothing, and reads nothing either | the socket closes with 1013 when it is too far behind |
//!
//! Whenever somebody comes or goes, all receive `{"here": 3}`: in a binary message, since no client can make others receive one.

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::State, routing::get};
use donjon::{
    Problem,
    ws_upgrade::{
        Admission, CloseCode, CloseFrame, ConfigError, Drain, Limits, Membership, Message, Rooms, Timeouts, WsAccept,
        WsHandshake, WsSocket, WsUpgradeLayer,
    },
};
use http::StatusCode;
use serde::de::IgnoredAny;
use tokio::sync::Mutex;

/// There is one.
const ROOM: &str = "chat";
const MAX_MESSAGE: usize = 16 * 1024;
const MAX_MEMBERS: usize = 256;
/// How many messages a member may be behind the others.
const BACKLOG: usize = 128;
/// How long a message may wait for a member that does not read.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// The routes of the room, which `drain` closes.
///
/// # Errors
/// If the layer's settings are wrong; they are not.
pub(crate) fn routes(drain: &Drain) -> Result<Router, ConfigError> {
    let layer = WsUpgradeLayer::builder()
        // A browser that offers subprotocols wants one of them chosen; `bearer` is what remains of one that offered only its token.
        .subprotocols(["chat", "bearer"])
        .limits(Limits::default().max_message_size(MAX_MESSAGE).queue_messages(BACKLOG).queue_bytes(BACKLOG * MAX_MESSAGE))
        .timeouts(Timeouts::default().write(SEND_TIMEOUT))
        .admission(Admission::unlimited().max_sockets(MAX_MEMBERS))
        .drain(drain)
        .build()?;
    Ok(Router::new().route("/ws/chat", get(join)).layer(layer).with_state(Chat { rooms: Rooms::new(), telling: Arc::default() }))
}

#[derive(Clone)]
struct Chat {
    rooms: Rooms,
    /// Held from counting to telling, so that the last who tells has counted last. Who is told never makes it wait: a member that is
    /// too far behind is closed instead.
    telling: Arc<Mutex<()>>,
}

async fn join(State(chat): State<Chat>, handshake: WsHandshake) -> WsAccept {
    handshake.accept(|mut socket| async move {
        let member = chat.rooms.join(ROOM, &socket.handle());
        chat.tell_who_is_here().await;
        let goodbye = converse(&chat.rooms, &member, &mut socket).await;
        member.leave();
        chat.tell_who_is_here().await;
        if let Some(goodbye) = goodbye {
            socket.close(goodbye).await;
        }
    })
}

/// Until the socket has ended, or has to be closed with what is returned.
async fn converse(rooms: &Rooms, member: &Membership, socket: &mut WsSocket) -> Option<CloseFrame> {
    while let Some(Ok(message)) = socket.recv().await {
        match message {
            Message::Text(text) if serde_json::from_str::<IgnoredAny>(&text).is_ok() => {
                rooms.broadcast_others(member, text).await;
            }
            Message::Text(_) => {
                let problem = Problem::new(StatusCode::BAD_REQUEST).with_detail("This was not JSON, and went to nobody.");
                socket.send(problem.to_json()).await.ok()?;
            }
            Message::Binary(_) => return Some(CloseFrame::new(CloseCode::UNSUPPORTED, "only text is spoken here")),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => {}
        }
    }
    None
}

impl Chat {
    async fn tell_who_is_here(&self) {
        let _telling = self.telling.lock().await;
        let count = format!(r#"{{"here":{}}}"#, self.rooms.members(ROOM));
        self.rooms.broadcast(ROOM, Message::Binary(count.into())).await;
    }
}
