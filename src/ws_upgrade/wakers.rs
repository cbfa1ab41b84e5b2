//! Who waits for what, apart from what they wait for.

use std::{
    sync::Arc,
    task::{Context, Wake, Waker},
};

pub(super) fn remember(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(known) => known.clone_from(waker),
        None => *slot = Some(waker.clone()),
    }
}

/// Woken when the lock is released, since a waker may do as it likes.
#[derive(Default)]
#[must_use]
pub(super) struct Wakers(pub(super) [Option<Waker>; 5]);

impl Wakers {
    pub(super) fn wake(self) {
        self.0.into_iter().flatten().for_each(Waker::wake);
    }
}

/// Who writes: the handler, the session, and a reader who owes an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    Handler,
    Session,
    Reader,
}

/// Who waits for the peer to take what was sent.
///
/// All may at once, and a connection remembers the waker of who has polled it last. So that one has to wake all.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    handler: Option<Waker>,
    session: Option<Waker>,
    reader: Option<Waker>,
}

impl Waiting {
    /// Polls with a waker for `writer` and for all others who wait.
    pub(super) fn polling<T>(&self, writer: Writer, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
        if self.handler.is_none() && self.session.is_none() && self.reader.is_none() {
            return poll(cx);
        }
        let others = match writer {
            Writer::Handler => [&self.session, &self.reader],
            Writer::Session => [&self.handler, &self.reader],
            Writer::Reader => [&self.handler, &self.session],
        };
        let others = others.into_iter().flatten().filter(|other| !other.will_wake(cx.waker()));
        let all = others.fold(None, |all: Option<Waker>, other| Some(both(all.as_ref().unwrap_or(cx.waker()), other)));
        match all {
            None => poll(cx),
            Some(all) => poll(&mut Context::from_waker(&all)),
        }
    }

    /// To be called when a poll was pending, before the lock is released.
    pub(super) fn remember(&mut self, writer: Writer, waker: &Waker) {
        remember(self.of(writer), waker);
    }

    pub(super) fn forget(&mut self, writer: Writer) {
        *self.of(writer) = None;
    }

    fn of(&mut self, writer: Writer) -> &mut Option<Waker> {
        match writer {
            Writer::Handler => &mut self.handler,
            Writer::Session => &mut self.session,
            Writer::Reader => &mut self.reader,
        }
    }

    pub(super) fn take(&mut self) -> [Option<Waker>; 3] {
        [self.handler.take(), self.session.take(), self.reader.take()]
    }
}

/// For a place that remembers one waker and has two who wait.
struct Both(Waker, Waker);

fn both(one: &Waker, other: &Waker) -> Waker {
    Waker::from(Arc::new(Both(one.clone(), other.clone())))
}

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
        self.1.wake_by_ref();
    }
}
