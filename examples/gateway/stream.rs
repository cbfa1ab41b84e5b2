//! The stream of a client: not read without need, and not written to for ever.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};

use crate::{quiet::Quiet, stall::Stall};

/// Reads as `quiet` lets it, and writes for as long as `stall` does.
#[derive(Debug)]
pub(crate) struct ClientStream<T> {
    inner: T,
    quiet: Quiet,
    stall: Stall,
}

impl<T> ClientStream<T> {
    pub(crate) fn new(inner: T, quiet: Quiet, stall: Stall) -> Self {
        Self { inner, quiet, stall }
    }
}

impl<T: Read + Unpin> Read for ClientStream<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let Self { inner, quiet, .. } = &mut *self;
        quiet.poll(cx, |cx| Pin::new(inner).poll_read(cx, buffer))
    }
}

impl<T: Write + Unpin> Write for ClientStream<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.stall.judge(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.stall.judge(cx, polled)
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
