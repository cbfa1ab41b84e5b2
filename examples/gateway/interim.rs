//! Interim responses, from end to end: a proxy forwards them (RFC 9110 §15.2), and hyper's server has no way to send one.
//!
//! So they are written beneath it, between two of its own writes. Where that is safe follows from two things. Hyper flushes a stream only
//! when all that it had to write is written; so the first write after a flush begins a response. And it calls the service for one request
//! at a time; so what is told meanwhile belongs before the next response. What cannot be placed is dropped, and so is what comes for a request
//! that has its answer: the cache goes on asking for what it has just sent.

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
    /// Whose turn it is: another's with every request, and nobody's once that has its answer.
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
        Self { shared: Arc::clone(&self.shared), turn: self.shared.advance(2) }
    }

    /// The latest request has its answer: nothing more is told of it.
    pub(crate) fn end(&self) {
        self.shared.advance(1);
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
        if waiting.turn != self.turn {
            waiting.turn = self.turn;
            waiting.text.clear();
        }
        if waiting.text.len() + response.len() <= LIMIT {
            waiting.text.push_str(&response);
            self.shared.told.store(true, Ordering::Release);
        }
        if let Some(connection) = &waiting.connection {
            connection.wake_by_ref();
        }
    }
}

impl Shared {
    /// Ends a turn by one step, and begins the next by two: so one step from a turn it has only ended.
    fn advance(&self, steps: u64) -> u64 {
        self.turn.fetch_add(steps, Ordering::AcqRel) + steps
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
    /// Whether everything that was to be written has been, so that what is written next begins a response.
    at_a_boundary: bool,
    /// What is on its way, once begun not to be interrupted.
    sending: Vec<u8>,
    /// Whom `interim` wakes.
    task: Option<Waker>,
}

impl<T: Write + Unpin> Telling<T> {
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
        self.at_a_boundary = true;
        ready!(self.poll_told(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header};

    /// Takes a few bytes at a time, and sometimes none.
    #[derive(Debug, Default)]
    struct Slow {
        written: Vec<u8>,
        polls: usize,
    }

    impl Write for Slow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.polls += 1;
            if self.polls.is_multiple_of(3) {
                return Poll::Pending;
            }
            let written = bytes.len().min(7);
            self.written.extend_from_slice(&bytes[..written]);
            Poll::Ready(Ok(written))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    struct Bench {
        interim: Interim,
        stream: Telling<Slow>,
    }

    impl Bench {
        fn new() -> Self {
            let interim = Interim::default();
            Self { stream: Telling::new(Slow::default(), interim.clone()), interim }
        }

        fn tell(&self, status: u16) {
            self.interim.tell(StatusCode::from_u16(status).unwrap(), &HeaderMap::new());
        }

        fn write(&mut self, mut text: &str) {
            while !text.is_empty() {
                let mut cx = Context::from_waker(Waker::noop());
                if let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(&mut cx, text.as_bytes()) {
                    text = &text[written.unwrap()..];
                }
            }
        }

        fn flush(&mut self) {
            let mut cx = Context::from_waker(Waker::noop());
            while Pin::new(&mut self.stream).poll_flush(&mut cx).is_pending() {}
        }

        fn written(&self) -> &str {
            std::str::from_utf8(&self.stream.inner.written).unwrap()
        }
    }

    #[test]
    fn it_is_sent_before_the_response_and_not_into_one() {
        let mut bench = Bench::new();
        bench.tell(102);
        bench.flush();
        bench.tell(103);
        bench.write("<one");
        // Of nobody any more: a response has begun and is not yet out.
        bench.tell(102);
        bench.write(">");
        bench.flush();
        bench.tell(103);
        bench.flush();
        bench.write("<two>");
        let (processing, hints) = ("HTTP/1.1 102 Processing\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n");
        assert_eq!(bench.written(), format!("{processing}{hints}<one>{hints}<two>"));
    }

    #[test]
    fn the_next_request_hears_nothing_of_the_last() {
        let mut bench = Bench::new();
        bench.tell(103);
        bench.interim.begin();
        bench.flush();
        bench.write("<two>");
        assert_eq!(bench.written(), "<two>");
    }

    #[test]
    fn nothing_is_told_of_a_request_that_has_its_answer() {
        let mut bench = Bench::new();
        let first = bench.interim.begin();
        first.tell(StatusCode::PROCESSING, &HeaderMap::new());
        bench.interim.end();
        first.tell(StatusCode::EARLY_HINTS, &HeaderMap::new());
        bench.write("<one>");
        bench.flush();
        first.tell(StatusCode::EARLY_HINTS, &HeaderMap::new());
        bench.flush();
        bench.interim.begin();
        first.tell(StatusCode::EARLY_HINTS, &HeaderMap::new());
        bench.write("<two>");
        assert_eq!(bench.written(), "HTTP/1.1 102 Processing\r\n\r\n<one><two>");
    }

    #[test]
    fn fields_are_sent_and_a_flood_of_them_is_not() {
        let mut bench = Bench::new();
        let headers = HeaderMap::from_iter([(header::LINK, HeaderValue::from_static("</x>; rel=preload"))]);
        bench.interim.tell(StatusCode::EARLY_HINTS, &headers);
        let long = HeaderMap::from_iter([(header::LINK, HeaderValue::from_str(&"x".repeat(LIMIT)).unwrap())]);
        bench.interim.tell(StatusCode::EARLY_HINTS, &long);
        bench.flush();
        assert_eq!(bench.written(), "HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n");
    }
}
