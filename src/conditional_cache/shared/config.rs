use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use super::{cache_status::CacheStatus, collapse::Collapse, counters::Counters, key::KeyPolicy, profile::Rules};
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
    pub(super) keys: KeyPolicy,
    pub(super) partition: Partition,
    pub(super) status: CacheStatus,
    pub(super) clock: SharedClock,
    pub(super) largest: u64,
}

/// Whether callers share what is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Partition {
    /// All share; what belongs to one caller is not stored.
    #[default]
    Shared,
    /// Each [`Principal`](crate::Principal), told by issuer and subject, has a store of its own, in which `private` responses are kept as well.
    /// Callers without one share, as above.
    ByPrincipal,
}

/// Who asks for what at the moment, for each type of what is shared: one layer may stand before services of several body types, and its own
/// type should name none of them.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<TypeId, Box<dyn Any + Send + Sync>>>);

impl Flights {
    pub(super) fn of<T: Clone + Send + 'static>(&self) -> Collapse<T> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = flights.entry(TypeId::of::<T>()).or_insert_with(|| Box::new(Collapse::<T>::new()));
        entry.downcast_ref().cloned().unwrap_or_else(Collapse::new)
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flights")
    }
}
