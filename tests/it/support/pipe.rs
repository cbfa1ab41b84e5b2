//! A connection in memory that is as unhelpful as a connection may be: it takes little, it remembers one waker of each side, and it
//! sometimes asks to be polled again for no reason.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The server's end.
pub(crate) struct Near(Arc<Mutex<State>>);

/// The peer's end, which is the test.
pub(crate) struct Far(Arc<Mutex<State>>);

struct State {
    to_server: VecDeque<u8>,
    to_peer: VecDeque<u8>,
    /// How much may be on its way to the peer.
    room: usize,
    /// What was written and is held back until it is flushed, as TLS does.
    held: Option<VecDeque<u8>>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    tired: usize,
    polls: u64,
}

/// How much is held back.
const HELD: usize = 512;

pub(crate) fn pipe(holds: bool) -> (Near, Far) {
    let state = Arc::new(Mutex::new(State {
        to_server: VecDeque::new(),
        to_peer: VecDeque::new(),
        room: 64 * 1024,
        held: holds.then(VecDeque::new),
        reader: None,
        writer: None,
        tired: 0,
        polls: 0,
    }));
    (Near(Arc::clone(&state)), Far(state))
}

impl State {
    fn is_tired(&mut self, cx: &Context<'_>) -> bool {
        self.polls += 1;
        let tired = self.tired > 0;
        if tired {
            self.tired -= 1;
            cx.waker().wake_by_ref();
        }
        tired
    }

    /// Lets go of what is held back, as far as there is room.
    fn let_go(&mut self) {
        let State { to_peer, held: Some(held), room, .. } = self else { return };
        let size = room.saturating_sub(to_peer.len()).min(held.len());
        to_peer.extend(held.drain(..size));
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        self.let_go();
        let (to, room) = match &mut self.held {
            Some(held) => (held, HELD),
            None => (&mut self.to_peer, self.room),
        };
        let size = room.saturating_sub(to.len()).min(bytes.len());
        to.extend(&bytes[..size]);
        size
    }
}

impl Near {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl AsyncRead for Near {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        if state.is_tired(cx) {
            return Poll::Pending;
        }
        if state.to_server.is_empty() {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let size = buf.remaining().min(state.to_server.len());
        let bytes: Vec<u8> = state.to_server.drain(..size).collect();
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Near {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        if state.is_tired(cx) {
            return Poll::Pending;
        }
        match state.write(bytes) {
            0 => {
                state.writer = Some(cx.waker().clone());
                Poll::Pending
            }
            size => Poll::Ready(Ok(size)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        state.let_go();
        if state.held.as_ref().is_none_or(VecDeque::is_empty) {
            return Poll::Ready(Ok(()));
        }
        state.polls += 1;
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl Far {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// How much may be on its way from now on.
    pub(crate) fn limit(&self, room: usize) {
        self.state().room = room;
    }

    /// The next so many polls come to nothing, and are asked for again.
    pub(crate) fn tire(&self, times: usize) {
        self.state().tired = times;
    }

    pub(crate) fn polls(&self) -> u64 {
        self.state().polls
    }

    /// How much of what the peer has sent was not read.
    pub(crate) fn unread(&self) -> usize {
        self.state().to_server.len()
    }

    /// Whether the server could write.
    pub(crate) fn has_room(&self) -> bool {
        let state = self.state();
        state.to_peer.len() < state.room && state.held.as_ref().is_none_or(VecDeque::is_empty)
    }

    pub(crate) fn read(&self, size: usize) -> Vec<u8> {
        let mut state = self.state();
        let size = size.min(state.to_peer.len());
        let bytes = state.to_peer.drain(..size).collect();
        let writer = if size > 0 { state.writer.take() } else { None };
        drop(state);
        writer.into_iter().for_each(Waker::wake);
        bytes
    }

    pub(crate) fn write(&self, bytes: impl Iterator<Item = u8>) {
        let mut state = self.state();
        state.to_server.extend(bytes);
        let reader = if state.to_server.is_empty() { None } else { state.reader.take() };
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }

    /// Opens a WebSocket by a request with these lines besides.
    pub(crate) async fn open(&self, lines: &str) {
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
        );
        self.write(request.into_bytes().into_iter());
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            tokio::task::yield_now().await;
            head.extend(self.read(usize::MAX));
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    }
}
