//! A client that has said nothing has said nothing a moment later.
//!
//! Hyper looks for more from the client three times while it answers one request. Once the socket has had nothing and has noted whom to wake, each further
//! look within the same poll of the task only costs the socket's lock: what comes meanwhile wakes the task.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use hyper::rt::{Read, ReadBufCursor, Write};

/// Whether the stream has had nothing in this poll of its task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Silence(Arc<AtomicBool>);

impl Silence {
    /// The task is polled anew.
    pub(crate) fn over(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A stream that is not read again by the task that has just found it empty, until that is polled anew.
#[derive(Debug)]
pub(crate) struct Quiet<T> {
    inner: T,
    silence: Silence,
    reader: Reader,
}

/// Which task reads a stream.
#[derive(Debug)]
enum Reader {
    Nobody,
    /// The first, and no other yet.
    One(Waker),
    /// Another too, such as a tunnel's, which does not say when it is polled anew. The first has ended then, and is not to be held in memory.
    Another,
}

impl Reader {
    /// Whether it is the first, and alone.
    fn is_alone(&mut self, task: &Waker) -> bool {
        match self {
            Self::One(first) if first.will_wake(task) => true,
            Self::Nobody => {
                *self = Self::One(task.clone());
                true
            }
            Self::One(_) | Self::Another => {
                *self = Self::Another;
                false
            }
        }
    }
}

impl<T> Quiet<T> {
    pub(crate) fn new(inner: T, silence: Silence) -> Self {
        Self { inner, silence, reader: Reader::Nobody }
    }
}

impl<T: Read + Unpin> Read for Quiet<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let alone = self.reader.is_alone(cx.waker());
        if alone && self.silence.0.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if alone && read.is_pending() {
            self.silence.0.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl<T: Write + Unpin> Write for Quiet<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use hyper::rt::ReadBuf;

    use super::*;

    /// Never has anything, and counts how often it was looked at.
    struct Empty(usize);

    impl Read for Empty {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
            self.0 += 1;
            Poll::Pending
        }
    }

    struct Task;

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn it_is_looked_at_once_a_poll_by_its_task_and_always_once_another_has() {
        let task = Arc::new(Task);
        let (one, other): (Waker, Waker) = (Arc::clone(&task).into(), Arc::new(Task).into());
        let silence = Silence::default();
        let mut stream = Quiet::new(Empty(0), silence.clone());
        let mut looked = |waker: &Waker| {
            let mut room = [0; 8];
            let mut buffer = ReadBuf::new(&mut room);
            assert!(Pin::new(&mut stream).poll_read(&mut Context::from_waker(waker), buffer.unfilled()).is_pending());
            stream.inner.0
        };
        assert_eq!([looked(&one), looked(&one), looked(&one)], [1, 1, 1]);
        silence.over();
        assert_eq!([looked(&one), looked(&one)], [2, 2]);
        assert_eq!(Arc::strong_count(&task), 3, "the test's, the waker's and the stream's");
        assert_eq!([looked(&other), looked(&other), looked(&one)], [3, 4, 5]);
        silence.over();
        assert_eq!([looked(&other), looked(&one), looked(&one)], [6, 7, 8]);
        assert_eq!(Arc::strong_count(&task), 2, "the test's and the waker's");
    }
}
