//! Hands frames to the codec in pieces of any size, for the tests and the fuzz targets.

use std::{
    collections::VecDeque,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::{adapter::Transport, stream::poll_message};
use crate::ws_upgrade::{
    budget::Rate,
    deflate::{Deflate, Extension},
    error::{WsError, WsErrorKind},
    limits::Limits,
    wakers::Waiting,
};

/// What was read, and why no more was.
pub(in crate::ws_upgrade) type Read = (Vec<Message>, WsErrorKind);

pub(in crate::ws_upgrade) const MAX_MESSAGE: usize = 64 * 1024;

/// Reads `wire`, cut into pieces of these sizes over and over, as it comes.
pub(in crate::ws_upgrade) fn plain(wire: &[u8], sizes: &[usize]) -> Read {
    read(Transport::new(Pieces::cut(wire, sizes), &limits(), None))
}

/// The same, with an agreement to compress.
pub(in crate::ws_upgrade) fn inflating(wire: &[u8], sizes: &[usize], deflate: Deflate) -> Read {
    let mut offer = http::HeaderMap::new();
    offer.insert(http::header::SEC_WEBSOCKET_EXTENSIONS, http::HeaderValue::from_static("permessage-deflate"));
    let agreed = Extension::new(deflate).negotiate(&offer).unwrap();
    read(Transport::new(Pieces::cut(wire, sizes), &limits(), Some(&agreed)))
}

/// Many control frames, since the tests send many.
fn limits() -> Limits {
    Limits::default().max_message_size(MAX_MESSAGE).read_buffer_size(1024).control_rate(Rate::per_second(1_000_000))
}

fn read(intake: Transport<Pieces>) -> Read {
    let config = limits().config();
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(mut stream) = pin!(WebSocketStream::from_raw_socket(intake, Role::Server, Some(config))).poll(&mut cx) else {
        return (Vec::new(), WsErrorKind::Connection);
    };
    let (mut messages, mut waiting) = (Vec::new(), Waiting::default());
    loop {
        match poll_message(&mut stream, &mut waiting, &mut cx) {
            Poll::Ready(Some(Ok(message))) => messages.push(message),
            Poll::Ready(Some(Err(error))) => return (messages, WsError::from(error).kind()),
            Poll::Ready(None) => return (messages, WsErrorKind::Closed),
            // Between two pieces.
            Poll::Pending => {}
        }
    }
}

/// A connection of which one piece comes at a time.
struct Pieces {
    pieces: VecDeque<Vec<u8>>,
    waited: bool,
}

impl Pieces {
    fn cut(wire: &[u8], sizes: &[usize]) -> Self {
        let (mut rest, mut pieces) = (wire, VecDeque::new());
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*size).clamp(1, rest.len()));
            pieces.push_back(piece.to_vec());
            rest = after;
        }
        Self { pieces, waited: false }
    }
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.waited = !self.waited;
        if self.waited {
            return Poll::Pending;
        }
        if let Some(mut piece) = self.pieces.pop_front() {
            let after = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if !after.is_empty() {
                self.pieces.push_front(after);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
