//! Who waits for what, apart from what they wait for.

use std::{
    sync::Arc,
    task::{Wake, Waker},
};

pub(super) fn remember(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(known) => known.clone_from(waker),
        None => *slot = Some(waker.clone()),
    }
}

/// Woken when the lock is released, since a waker may do as it likes.
#[must_use]
pub(super) struct Wakers(pub(super) [Option<Waker>; 4]);

impl Wakers {
    pub(super) fn wake(self) {
        self.0.into_iter().flatten().for_each(Waker::wake);
    }
}

/// For a place that remembers one waker and has two who wait.
struct Both(Waker, Waker);

pub(super) fn both(one: &Waker, other: &Waker) -> Waker {
    Waker::from(Arc::new(Both(one.clone(), other.clone())))
}

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
        self.1.wake_by_ref();
    }
}
