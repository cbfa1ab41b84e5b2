use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use super::{
    cache_status::Telling,
    collapse::{Collapse, Join},
    counters::Counters,
    key::{CacheKey, KeyPolicy},
    profile::{RequestDirectives, Rules},
    store::{Purge, Store},
    tee::{Limits, Room},
};
use crate::core::SharedClock;

/// What the layer, its services and their futures share.
#[derive(Debug)]
pub(super) struct Shared<St> {
    pub(super) store: St,
    pub(super) settings: Settings,
    pub(super) counters: Counters,
    pub(super) flights: Flights,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) rules: Rules,
    /// Chosen apart from the profile, and then the profile's no more.
    pub(super) request_directives: Option<RequestDirectives>,
    pub(super) keys: KeyPolicy,
    pub(super) partition: Partition,
    pub(super) status: Telling,
    pub(super) clock: SharedClock,
    pub(super) largest: u64,
    pub(super) patience: Duration,
    pub(super) room: Room,
}

impl Settings {
    /// For a body of which so many bytes are expected.
    pub(super) fn limits(&self, expected: Option<u64>) -> Limits {
        Limits { max: self.largest, expected, room: self.room.clone() }
    }
}

/// Whether callers share what is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Partition {
    /// All share; what belongs to one caller is not stored.
    #[default]
    Shared,
    /// Each [`Principal`](crate::Principal), told by issuer, subject and scopes, has a store of its own, in which `private` responses are kept
    /// as well. Callers without one share, as above. An answer that depends on more of the caller, on another claim or on which client acts
    /// for it, has to say so by `Vary: Authorization`, or `no-store`.
    ByPrincipal,
}

impl<St: Store> Shared<St> {
    /// Joins whoever asks for the key already, unless that began before a purge that may have named it.
    ///
    /// The epoch is read first. A flight that takes the place of the one that was judged is led by somebody who has yet to ask, and so after
    /// every purge that this request came after.
    pub(super) fn join<T: Clone>(&self, flights: &Collapse<T>, key: &CacheKey, now: SystemTime) -> Join<T> {
        let epoch = self.store.epoch();
        if let Some(since) = flights.since(key).filter(|since| *since < epoch)
            && self.store.purged_since(key, since)
        {
            flights.forget_since(key, since);
        }
        flights.join(key, now, epoch)
    }
}

/// Who asks for what at the moment, for each type of what is shared: one layer may stand before services of several body types, and its own
/// type should name none of them.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<TypeId, Box<dyn Group>>>);

impl Flights {
    pub(super) fn of<T: Clone + Send + 'static>(&self) -> Collapse<T> {
        let mut groups = self.groups();
        let group = groups.entry(TypeId::of::<T>()).or_insert_with(|| Box::new(Collapse::<T>::new()));
        // What is under the name of a type is of that type.
        group.as_any().downcast_ref().cloned().unwrap_or_else(Collapse::new)
    }

    /// Who comes from now on does not join what began before a purge of the cache's own. Of one that somebody else gives to the store,
    /// [`Shared::join`] learns by its epoch, if the store has epochs.
    pub(super) fn forget(&self, purge: &Purge) {
        self.groups().values().for_each(|group| group.forget(purge));
    }

    fn groups(&self) -> MutexGuard<'_, HashMap<TypeId, Box<dyn Group>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

trait Group: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn forget(&self, purge: &Purge);
}

impl<T: Clone + Send + 'static> Group for Collapse<T> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn forget(&self, purge: &Purge) {
        Self::forget(self, purge);
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flights")
    }
}
