//! A client that does not read what it asked for must not hold its place, nor an upstream, for ever.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

/// Writes fail when nothing of them was taken for as long as `patience`.
#[derive(Debug)]
pub(crate) struct Stall {
    patience: Duration,
    /// Runs while a write waits.
    clock: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, clock: None }
    }

    /// What becomes of a write that was tried.
    pub(crate) fn judge<R>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if polled.is_ready() {
            self.clock = None;
            return polled;
        }
        let patience = self.patience;
        let clock = self.clock.get_or_insert_with(|| Box::pin(sleep(patience)));
        clock.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}
