//! `GET /ws/chat`: a JSON text goes, as it is, to everybody else in the room.
//!
//! | a client sends | what happens |
//! |---|---|
//! | a JSON text of at most 16 KiB | every other client receives it |
//! | another text | its sender alone receives a problem document |
//! | a binary message | the socket closes with 1003 |
//! | a larger message | the socket closes with 1009 |
//! | nothing, and reads nothing either | the socket closes with 1013 when it is too far behind |

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::State, routing::get};
use donjon::{
    Problem,
    ws_upgrade::{CloseCode, CloseFrame, Limits, Message, Utf8Bytes, WsAccept, WsError, WsHandshake, WsSocket, WsUpgradeLayer},
};
use http::StatusCode;
use serde::de::IgnoredAny;
use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore,
        broadcast::{self, error::RecvError},
        watch,
    },
    time::timeout,
};

const MAX_MESSAGE: usize = 16 * 1024;
const MAX_MEMBERS: usize = 256;
/// How many messages a member may be behind the others: 2 MiB at most are kept.
const BACKLOG: usize = 128;
/// How long a message may wait for a member that does not read.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// The routes of `room`.
///
/// # Errors
/// If the layer's settings are wrong; they are not.
pub(crate) fn routes(room: Room) -> Result<Router, donjon::ws_upgrade::ConfigError> {
    let layer = WsUpgradeLayer::builder()
        // A browser that offers subprotocols wants one of them chosen; `bearer` is what remains of one that offered only its token.
        .subprotocols(["chat", "bearer"])
        .limits(Limits::default().max_message_size(MAX_MESSAGE))
        .build()?;
    Ok(Router::new().route("/ws/chat", get(join)).layer(layer).with_state(room))
}

async fn join(State(room): State<Room>, handshake: WsHandshake) -> Result<WsAccept, Problem> {
    // The member listens before the handshake is answered, so that it misses nothing that is said after.
    let member = room.enter().ok_or_else(|| {
        let full = Problem::new(StatusCode::SERVICE_UNAVAILABLE).with_detail("The room is full. Try again later.");
        full.with_retry_after(Duration::from_secs(30))
    })?;
    Ok(handshake.accept(|socket| member.stay(socket)))
}

/// Where everybody hears everybody else.
#[derive(Clone)]
pub(crate) struct Room {
    said: broadcast::Sender<Said>,
    places: Arc<Semaphore>,
    next_member: Arc<AtomicU64>,
    closing: watch::Sender<bool>,
}

#[derive(Clone)]
struct Said {
    by: u64,
    text: Utf8Bytes,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self {
            said: broadcast::Sender::new(BACKLOG),
            places: Arc::new(Semaphore::new(MAX_MEMBERS)),
            next_member: Arc::default(),
            closing: watch::Sender::new(false),
        }
    }

    /// Sends everybody home, and waits until they are gone.
    pub(crate) async fn close(&self) {
        self.closing.send_replace(true);
        self.closing.closed().await;
    }

    fn enter(&self) -> Option<Member> {
        Some(Member {
            id: self.next_member.fetch_add(1, Ordering::Relaxed),
            _place: Arc::clone(&self.places).try_acquire_owned().ok()?,
            heard: self.said.subscribe(),
            said: self.said.clone(),
            closing: self.closing.subscribe(),
        })
    }
}

struct Member {
    id: u64,
    _place: OwnedSemaphorePermit,
    heard: broadcast::Receiver<Said>,
    said: broadcast::Sender<Said>,
    closing: watch::Receiver<bool>,
}

/// What happens to a member.
enum Event {
    Received(Option<Result<Message, WsError>>),
    Heard(Result<Said, RecvError>),
    Closing,
}

/// What a member does then.
enum Next {
    Wait,
    Send(Utf8Bytes),
    Leave(CloseFrame),
    Gone,
}

impl Member {
    async fn stay(mut self, mut socket: WsSocket) {
        loop {
            let event = tokio::select! {
                received = socket.recv() => Event::Received(received),
                heard = self.heard.recv() => Event::Heard(heard),
                _ = self.closing.wait_for(|closing| *closing) => Event::Closing,
            };
            let next = match event {
                Event::Received(Some(Ok(message))) => self.received(message),
                Event::Received(Some(Err(_)) | None) => Next::Gone,
                Event::Heard(heard) => self.heard(heard),
                Event::Closing => Next::Leave(CloseFrame::new(CloseCode::GOING_AWAY, "the server is stopping")),
            };
            match next {
                Next::Wait => {}
                Next::Send(text) => match timeout(SEND_TIMEOUT, socket.send(text)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(_) => return socket.close(too_slow()).await,
                },
                Next::Leave(frame) => return socket.close(frame).await,
                Next::Gone => return,
            }
        }
    }

    fn received(&self, message: Message) -> Next {
        match message {
            Message::Text(text) if serde_json::from_str::<IgnoredAny>(&text).is_ok() => {
                // Fails when nobody listens, and this member does.
                let _ = self.said.send(Said { by: self.id, text });
                Next::Wait
            }
            Message::Text(_) => {
                let problem = Problem::new(StatusCode::BAD_REQUEST).with_detail("This was not JSON, and went to nobody.");
                Next::Send(problem.to_json().into())
            }
            Message::Binary(_) => Next::Leave(CloseFrame::new(CloseCode::UNSUPPORTED, "only text is spoken here")),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Next::Wait,
        }
    }

    fn heard(&self, heard: Result<Said, RecvError>) -> Next {
        match heard {
            Ok(said) if said.by == self.id => Next::Wait,
            Ok(said) => Next::Send(said.text),
            Err(RecvError::Lagged(_)) => Next::Leave(too_slow()),
            Err(RecvError::Closed) => Next::Gone,
        }
    }
}

fn too_slow() -> CloseFrame {
    CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "too far behind the others")
}
