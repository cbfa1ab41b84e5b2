//! The life of one connection after its upgrade.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    time::Duration,
};

use futures_core::Stream as _;
use futures_sink::Sink as _;
use http::HeaderValue;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    time::Sleep,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message as CodecMessage, protocol::Role},
};

use super::{
    accept::Handler,
    deflate::Negotiated,
    error::WsErrorKind,
    intake::Intake,
    limits::Limits,
    socket::WsSocket,
    wire::{Ending, Stream, WaitFor, Wire},
};
use crate::core::{Principal, SharedClock, trace::event};

/// How long the peer may take to answer a Close frame; the standard names no time
/// ([RFC 6455 §7.1.1](https://www.rfc-editor.org/rfc/rfc6455#section-7.1.1)).
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a socket is made of, once the connection is the server's to use.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) on_upgrade: OnUpgrade,
    pub(super) limits: Limits,
    pub(super) clock: SharedClock,
    pub(super) subprotocol: Option<HeaderValue>,
    pub(super) deflate: Option<Negotiated>,
    pub(super) principal: Option<Principal>,
}

impl Session {
    /// Waits for the upgrade, starts the handler in a task of its own and stays until the connection is gone.
    pub(super) async fn run(self, handler: Handler) {
        let upgraded = match self.on_upgrade.await {
            Ok(upgraded) => upgraded,
            Err(error) => {
                event!(WARN, "websocket upgrade failed after its handshake", error = error);
                return;
            }
        };
        let lifetime = self.principal.as_ref().and_then(Principal::expires_at);
        let lifetime = lifetime.map(|end| end.duration_since(self.clock.now()).unwrap_or_default());
        // Before the handler starts: a runtime without timers must not serve what it cannot end.
        let expired = pin!(lifetime.map(tokio::time::sleep));
        let (config, io) = (self.limits.config(), TokioIo::new(upgraded));
        let io = match &self.deflate {
            None => Intake::plain(io),
            Some(deflate) => Intake::inflating(io, deflate.inflater(), self.limits.max_message()),
        };
        let stream = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        let wire = Wire::new(stream, self.deflate.as_ref().map(Negotiated::deflater));
        let socket = WsSocket::new(wire.clone(), self.limits, self.subprotocol, self.principal.clone());
        // In an async block, so that a panic, be it of the function or of its future, drops the socket while it unwinds.
        let handling = tokio::spawn(async move { handler(socket).await });
        let (stream, ending) = attend(&wire, self.principal, expired).await;
        event!(DEBUG, "websocket ends", code = ending.frame.as_ref().map_or(0, |frame| frame.code().get()));
        if tokio::time::timeout(CLOSE_TIMEOUT, part(stream, ending)).await.is_err() {
            event!(DEBUG, "websocket peer has not answered the close in time");
        }
        wire.gone();
        if handling.await.is_err_and(|error| error.is_panic()) {
            event!(ERROR, "websocket handler panicked");
        }
    }
}

/// Waits until the socket or the principal ends.
async fn attend(wire: &Wire, principal: Option<Principal>, mut expired: Pin<&mut Option<Sleep>>) -> (Stream, Ending) {
    let mut revoked = principal.map(|principal| principal.revoked());
    poll_fn(|cx| {
        if revoked.as_mut().is_some_and(|revoked| Pin::new(revoked).poll(cx).is_ready()) {
            wire.end(Ending::principal(WsErrorKind::Revoked, "token revoked"));
            revoked = None;
        }
        if expired.as_mut().as_pin_mut().is_some_and(|expired| expired.poll(cx).is_ready()) {
            wire.end(Ending::principal(WsErrorKind::Expired, "token expired"));
            expired.set(None);
        }
        wire.poll_ending(cx)
    })
    .await
}

/// Says goodbye as `ending` wants it. Errors are of no use to anyone here: the connection is dropped in any case.
async fn part(mut stream: Stream, ending: Ending) {
    if let Some(frame) = ending.frame {
        let _ = Pin::new(&mut stream).start_send(CodecMessage::Close(Some(frame.into_codec())));
    }
    if ending.wait == WaitFor::Nothing || poll_fn(|cx| Pin::new(&mut stream).poll_flush(cx)).await.is_err() {
        return;
    }
    if ending.wait == WaitFor::CloseFrame {
        while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {}
    }
    let io = stream.get_mut().get_mut();
    let shut = poll_fn(|cx| Pin::new(&mut *io).poll_shutdown(cx)).await;
    if ending.wait == WaitFor::EndOfData && shut.is_ok() {
        drain(io).await;
    }
}

async fn drain(io: &mut TokioIo<hyper::upgrade::Upgraded>) {
    // On the heap: in the future it would be part of every idle connection.
    let mut buffer = vec![0; 4 * 1024];
    loop {
        let mut read = ReadBuf::new(&mut buffer);
        let more = poll_fn(|cx| Pin::new(&mut *io).poll_read(cx, &mut read)).await;
        if more.is_err() || read.filled().is_empty() {
            return;
        }
    }
}
