//! Interim responses, from end to end: a proxy forwards them (RFC 9110 §15.2), and hyper's server has no way to send one.
//!
//! So they are written beneath it, between two of its own writes. Where that is safe follows from two things. Hyper flushes a stream only
//! when all that it had to write is written, between the pieces of a response too; so nothing is half written after a flush, and no response
//! has begun if the request that was open then still has no answer. And it calls the service for one request at a time; so what is told meanwhile
//! belongs before the next response. What cannot be placed is dropped, and so is what comes for a request that has its answer: the cache goes on
//! asking for what it has just sent.

use std::{
    fmt::Write as _,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker, ready},
};

use http::{HeaderMap, StatusCode};
use hyper::rt::{Read, ReadBufCursor, Write};

/// As much as one request may have waiting; what is beyond is dropped.
const LIMIT: usize = 16 * 1024;

/// Where interim responses of one HTTP/1.1 connection are told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interim {
    shared: Arc<Shared>,
    turn: u64,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whose turn it is: an even number with every request, and the odd one after it once that has its answer. Only the connection's task changes it.
    turn: AtomicU64,
    told: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    text: String,
    /// Whose it is.
    turn: u64,
    /// The task of the connection.
    connection: Option<Waker>,
}

impl Interim {
    /// A new request has come, of which nothing has been told. What is returned tells of it alone.
    pub(crate) fn begin(&self) -> Self {
        let turn = (self.shared.turn.load(Ordering::Relaxed) | 1) + 1;
        self.shared.turn.store(turn, Ordering::Release);
        Self { shared: Arc::clone(&self.shared), turn }
    }

    /// The latest request has its answer: nothing more is told of it.
    pub(crate) fn end(&self) {
        self.shared.turn.fetch_or(1, Ordering::Release);
    }

    /// Sends an interim response of the request, if it is still being answered.
    pub(crate) fn tell(&self, status: StatusCode, headers: &HeaderMap) {
        let mut response = format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default());
        for (name, value) in headers {
            // The few values that are no text are left out; interim responses are hints.
            if let Ok(value) = value.to_str() {
                let _ = write!(response, "{name}: {value}\r\n");
            }
        }
        response.push_str("\r\n");
        let mut waiting = self.shared.waiting();
        if self.turn != self.shared.turn.load(Ordering::Acquire) {
            return;
        }
        self.leave(&mut waiting, &response);
    }

    /// Whose turn it is may have changed since it was looked at.
    fn leave(&self, waiting: &mut Waiting, response: &str) {
        if waiting.turn != self.turn {
            waiting.turn = self.turn;
            waiting.text.clear();
        }
        if waiting.text.len() + response.len() <= LIMIT {
            waiting.text.push_str(response);
            self.shared.told.store(true, Ordering::Release);
        }
        if let Some(connection) = &waiting.connection {
            connection.wake_by_ref();
        }
    }
}

impl Shared {
    /// Whether no request is waiting for its answer.
    fn is_answered(&self) -> bool {
        self.turn.load(Ordering::Relaxed) & 1 == 1
    }

    /// What is to be sent before the next response: of the request whose turn it is, or of the one that has just got its answer.
    fn take(&self) -> Vec<u8> {
        let mut waiting = self.waiting();
        self.told.store(false, Ordering::Release);
        let text = std::mem::take(&mut waiting.text);
        let late = self.turn.load(Ordering::Acquire) - waiting.turn > 1;
        if late { Vec::new() } else { text.into_bytes() }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stream of a connection, which sends what is told.
#[derive(Debug)]
pub(crate) struct Telling<T> {
    inner: T,
    interim: Interim,
    /// Whether everything that was to be written has been, and the latest request had no answer then: what is written next is no more of a response
    /// that has begun.
    at_a_boundary: bool,
    /// What is on its way, once begun not to be interrupted.
    sending: Vec<u8>,
    /// Whom `interim` wakes.
    task: Option<Waker>,
}

impl<T> Telling<T> {
    pub(crate) fn new(inner: T, interim: Interim) -> Self {
        Self { inner, interim, at_a_boundary: true, sending: Vec::new(), task: None }
    }

    /// Is to be woken when something is told. It hardly ever has to be said twice, for a connection stays in its task.
    fn listen(&mut self, task: &Waker) {
        if !self.task.as_ref().is_some_and(|known| known.will_wake(task)) {
            self.task = Some(task.clone());
            self.interim.shared.waiting().connection = Some(task.clone());
        }
    }

    /// Lets go of a task that is not the one that reads: once a tunnel does, the connection's own has ended, and would be held in memory.
    fn forget_others(&mut self, task: &Waker) {
        if self.task.as_ref().is_some_and(|known| !known.will_wake(task)) {
            self.task = None;
            self.interim.shared.waiting().connection = None;
        }
    }
}

impl<T: Write + Unpin> Telling<T> {
    /// Is ready when everything told is sent.
    #[inline]
    fn poll_told(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.sending.is_empty() && !self.interim.shared.told.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        self.poll_sending(cx)
    }

    fn poll_sending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.sending.is_empty() && self.interim.shared.told.load(Ordering::Acquire) {
            let told = self.interim.shared.take();
            if self.at_a_boundary {
                self.sending = told;
            }
        }
        while !self.sending.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.sending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sending.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Read + Unpin> Read for Telling<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.forget_others(cx.waker());
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<T: Write + Unpin> Write for Telling<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_told(cx))?;
        self.at_a_boundary = false;
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_told(cx))?;
        self.at_a_boundary = false;
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.listen(cx.waker());
        self.at_a_boundary = !self.interim.shared.is_answered();
        ready!(self.poll_told(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
