use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Wake, Waker},
};

use super::buffer::Place;

/// Wakes every reader that waits, as the one waker that the inner body knows.
#[derive(Debug)]
pub(super) struct Wakers {
    /// Whether the inner body may have something: it has not been asked yet, it had something when it was, or it woke us since.
    ready: AtomicBool,
    waiting: Mutex<BTreeMap<Place, Waker>>,
}

impl Wakers {
    pub(super) fn new() -> Self {
        Self { ready: AtomicBool::new(true), waiting: Mutex::default() }
    }

    /// Has to come before the last look at what is there, or a chunk that comes in between is missed.
    pub(super) fn register(&self, place: Place, waker: &Waker) {
        let mut waiting = self.waiting();
        match waiting.get_mut(&place) {
            Some(known) => known.clone_from(waker),
            None => {
                waiting.insert(place, waker.clone());
            }
        }
    }

    pub(super) fn remove(&self, place: Place) {
        self.waiting().remove(&place);
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(SeqCst)
    }

    /// `false` before the inner body is asked, `true` after it had something.
    pub(super) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, SeqCst);
    }

    pub(super) fn wake_all(&self) {
        // Woken after the lock is given back: a waker may run its task at once.
        let waiting = std::mem::take(&mut *self.waiting());
        waiting.into_values().for_each(Waker::wake);
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<Place, Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Wakers {
    fn wake(self: std::sync::Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &std::sync::Arc<Self>) {
        self.set_ready(true);
        self.wake_all();
    }
}
