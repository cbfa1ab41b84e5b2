//! One request to the inner service for all who ask for the same at once.
//!
//! The first to ask leads, the others wait until the head of the response says whether it is for them too. If it is, they read the body as
//! it comes. If it is not, each goes alone, and for a while nobody waits for that key again. If the leader goes away, the one who has waited
//! longest leads: exactly one, and its going away calls the next. So too if its call fails, but once only: two failures are no chance.

mod flight;
mod passing;

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::SystemTime,
};

use self::{
    flight::{Flight, Joined, Outcome, Succession, Ticket},
    passing::Passing,
};
use super::{key::CacheKey, store::Purge};
use crate::core::trace::event;

/// Who asks for what at the moment. `T` is what a leader shares. Cloning is a reference count.
pub(super) struct Collapse<T>(Arc<Inner<T>>);

struct Inner<T> {
    /// Locked before a flight is, never while one is.
    flights: Mutex<Flights<T>>,
    passing: Passing,
}

type Flights<T> = HashMap<CacheKey, Begun<T>>;

type Shared<T> = Arc<Mutex<Flight<T, Waker>>>;

/// A flight that may be joined.
struct Begun<T> {
    flight: Shared<T>,
    /// The epoch of the store before anybody asked.
    since: u64,
}

/// The part of one who asks.
#[derive(Debug)]
pub(super) enum Join<T: Clone> {
    /// Asks the inner service, for all.
    Lead(Lead<T>),
    /// Takes what a leader has just got.
    Shared(T),
    /// Waits for what the leader gets.
    Wait(Wait<T>),
    /// Asks the inner service for itself: what came last was not to be shared.
    Pass,
}

/// What became of waiting.
#[derive(Debug)]
pub(super) enum Waited<T: Clone> {
    /// The leader is gone: asks the inner service, for all who still wait.
    Lead(Lead<T>),
    /// Takes what the leader got.
    Shared(T),
    /// What the leader got was not to be shared: asks for itself.
    Alone,
}

impl<T: Clone> Collapse<T> {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner { flights: Mutex::default(), passing: Passing::new() }))
    }

    /// Asks for a key, in this epoch of the store.
    pub(super) fn join(&self, key: &CacheKey, now: SystemTime, epoch: u64) -> Join<T> {
        if self.0.passing.passes(key, now) {
            return Join::Pass;
        }
        let mut flights = lock(&self.0.flights);
        let Some(Begun { flight, .. }) = flights.get(key) else {
            let flight = Arc::new(Mutex::new(Flight::new()));
            flights.insert(key.clone(), Begun { flight: Arc::clone(&flight), since: epoch });
            return Join::Lead(self.lead(key, flight));
        };
        match lock(flight).join() {
            Joined::Shared(shared) => Join::Shared(shared),
            Joined::Alone => Join::Pass,
            Joined::Waits(ticket) => {
                let seat = Seat { inner: Arc::clone(&self.0), key: key.clone(), flight: Arc::clone(flight) };
                Join::Wait(Wait { seat: Some((seat, ticket)) })
            }
        }
    }

    /// Until then nobody waits for this key: what comes of it is not for all.
    pub(super) fn pass(&self, key: &CacheKey, until: SystemTime) {
        self.0.passing.insert(key, until);
    }

    /// What comes for this key is to be shared again.
    pub(super) fn allow(&self, key: &CacheKey) {
        self.0.passing.remove(key);
    }

    /// Who comes from now on for what may have been purged, whoever it is, takes nothing that was asked for before.
    pub(super) fn forget(&self, purge: &Purge) {
        let forgotten: Vec<_> = lock(&self.0.flights).extract_if(|key, _| purge.may_name(key)).collect();
        drop(forgotten);
    }

    /// Since which epoch the key is being asked for.
    pub(super) fn since(&self, key: &CacheKey) -> Option<u64> {
        lock(&self.0.flights).get(key).map(|begun| begun.since)
    }

    /// Who comes from now on takes nothing that was asked for in this epoch; what began later stays.
    pub(super) fn forget_since(&self, key: &CacheKey, epoch: u64) {
        let mut flights = lock(&self.0.flights);
        let begun = flights.get(key).is_some_and(|begun| begun.since == epoch);
        let forgotten = if begun { flights.remove(key) } else { None };
        drop(flights);
        drop(forgotten);
    }

    /// How many keys are being asked for.
    #[cfg(test)]
    pub(super) fn in_flight(&self) -> usize {
        lock(&self.0.flights).len()
    }

    fn lead(&self, key: &CacheKey, flight: Shared<T>) -> Lead<T> {
        Lead { seat: Some(Seat { inner: Arc::clone(&self.0), key: key.clone(), flight }) }
    }
}

/// A place in a flight.
struct Seat<T> {
    inner: Arc<Inner<T>>,
    key: CacheKey,
    flight: Shared<T>,
}

impl<T: Clone> Seat<T> {
    /// A leader is gone, or one who was called to lead. Under the lock of all flights, so that nobody joins one that has just ended.
    fn succeed(self, step: impl FnOnce(&mut Flight<T, Waker>) -> Succession<Waker>) {
        let mut flights = lock(&self.inner.flights);
        let succession = step(&mut lock(&self.flight));
        let waker = match succession {
            Succession::Calls(waker) => waker,
            Succession::Ends => {
                self.forget(&mut flights);
                None
            }
            Succession::Unchanged => None,
        };
        drop(flights);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// From now on who asks for the key begins a new flight. Whether it has not been so already.
    fn end(&self) -> bool {
        self.forget(&mut lock(&self.inner.flights))
    }

    fn forget(&self, flights: &mut Flights<T>) -> bool {
        let is_there = flights.get(&self.key).is_some_and(|begun| Arc::ptr_eq(&begun.flight, &self.flight));
        is_there && flights.remove(&self.key).is_some()
    }
}

/// The part of a leader. Dropped, it is taken over by the one who has waited longest.
#[must_use = "a leader that is dropped gives way to the next"]
pub(super) struct Lead<T: Clone> {
    seat: Option<Seat<T>>,
}

impl<T: Clone> Lead<T> {
    /// Gives what it has to all who wait, and to all who come until what is returned is dropped.
    pub(super) fn share(mut self, shared: T) -> Sharing<T> {
        let seat = self.seat.take();
        if let Some(seat) = &seat {
            let woken = lock(&seat.flight).share(shared);
            woken.into_iter().for_each(Waker::wake);
        }
        Sharing { seat }
    }

    /// Lets all who wait go alone. Until the time given, if one is, nobody waits for the key.
    pub(super) fn release(mut self, pass_until: Option<SystemTime>) {
        let Some(seat) = self.seat.take() else { return };
        if let Some(until) = pass_until {
            seat.inner.passing.insert(&seat.key, until);
        }
        seat.end();
        let woken = lock(&seat.flight).release();
        woken.into_iter().for_each(Waker::wake);
    }

    /// The inner service failed. The one who has waited longest leads, and if it fails as well, all who wait go alone: they should neither
    /// come down upon a service that has just stumbled, nor wait in a row before one that is down.
    pub(super) fn fail(self) {
        let again = self.seat.as_ref().is_some_and(|seat| lock(&seat.flight).fails_again());
        if again {
            self.release(None);
        }
    }
}

impl<T: Clone> Drop for Lead<T> {
    fn drop(&mut self) {
        if let Some(seat) = self.seat.take() {
            seat.succeed(Flight::lose_leader);
        }
    }
}

/// While it is there, all who come share what the leader got.
#[must_use = "who comes after it is dropped asks anew"]
pub(super) struct Sharing<T: Clone> {
    seat: Option<Seat<T>>,
}

impl<T: Clone> Drop for Sharing<T> {
    fn drop(&mut self) {
        if let Some(seat) = self.seat.take() {
            seat.end();
        }
    }
}

/// Waits for what the leader gets.
#[must_use = "futures do nothing unless polled"]
pub(super) struct Wait<T: Clone> {
    seat: Option<(Seat<T>, Ticket)>,
}

impl<T: Clone> Wait<T> {
    /// Has waited long enough: who comes from now on begins anew. Those who wait still get what the leader may yet bring.
    pub(super) fn give_up(self) {
        if self.seat.as_ref().is_some_and(|(seat, _)| seat.end()) {
            event!(WARN, "a request hangs for which others wait");
        }
    }
}

impl<T: Clone> Future for Wait<T> {
    type Output = Waited<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Waited<T>> {
        // Asked again after it was ready, it tells nobody anything false.
        let Some((seat, ticket)) = self.seat.take() else { return Poll::Ready(Waited::Alone) };
        let outcome = lock(&seat.flight).ask(ticket, || cx.waker().clone());
        Poll::Ready(match outcome {
            Outcome::Pending => {
                self.seat = Some((seat, ticket));
                return Poll::Pending;
            }
            Outcome::Leads => Waited::Lead(Lead { seat: Some(seat) }),
            Outcome::Shared(shared) => Waited::Shared(shared),
            Outcome::Alone => Waited::Alone,
        })
    }
}

impl<T: Clone> Drop for Wait<T> {
    fn drop(&mut self) {
        if let Some((seat, ticket)) = self.seat.take() {
            seat.succeed(|flight| flight.leave(ticket));
        }
    }
}

/// A panic elsewhere leaves no state half written: each step is one assignment.
fn lock<L>(mutex: &Mutex<L>) -> MutexGuard<'_, L> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Clone for Collapse<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Collapse<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collapse").field("keys", &lock(&self.0.flights).len()).finish()
    }
}

macro_rules! quiet {
    ($($name:ident),*) => {
        $(impl<T: Clone> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        })*
    };
}

quiet!(Lead, Sharing, Wait);

#[cfg(test)]
mod tests;
