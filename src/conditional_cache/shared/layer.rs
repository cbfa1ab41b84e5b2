use std::{sync::Arc, time::Duration};

use http::HeaderName;
use tower_layer::Layer;

use super::{
    cache_name::CacheName,
    cache_status::{CacheStatus, Telling},
    config::{Flights, Partition, Settings, Shared},
    counters::{CacheCounters, Counters},
    key::KeyPolicy,
    profile::{Profile, RequestDirectives, Rules},
    service::SharedCache,
    store::MemoryStore,
    tee::Room,
};
use crate::core::{Clock, SharedClock};

/// Answers requests from stored responses. See the [module](self::super) for the rules.
///
/// Cloning is a reference count; clones share what is stored. A setting that is changed on a clone leaves the others as they are.
#[derive(Debug)]
#[must_use]
pub struct SharedCacheLayer<St = MemoryStore> {
    shared: Arc<Shared<St>>,
}

impl SharedCacheLayer {
    /// A cache in memory, as large as [`MemoryStore`] is by default, with the profile [`Profile::Safe`].
    pub fn new() -> Self {
        Self::with_store(MemoryStore::default())
    }
}

impl<St: Clone> SharedCacheLayer<St> {
    /// The same before another store. A store that is also held elsewhere can be purged from there.
    pub fn with_store(store: St) -> Self {
        let settings = Settings {
            rules: Rules::of(Profile::default()),
            request_directives: None,
            keys: KeyPolicy::default(),
            partition: Partition::default(),
            status: Telling::default(),
            clock: SharedClock::default(),
            largest: 4 * 1024 * 1024,
            patience: Duration::from_secs(10),
            room: Room::new(64 * 1024 * 1024),
        };
        Self::made_of(store, settings)
    }

    /// Sets how far the cache goes where the standards leave it a choice, and with it whether requests' directives are obeyed, unless
    /// [that](Self::request_directives) is set; targeted fields stay as they are.
    pub fn profile(self, profile: Profile) -> Self {
        self.with(|settings| {
            let targets = std::mem::take(&mut settings.rules.targets);
            let rules = Rules::of(profile);
            let request_directives = settings.request_directives.unwrap_or(rules.request_directives);
            settings.rules = Rules { targets, request_directives, ..rules };
        })
    }

    /// Sets whether a request's own directives are obeyed, whatever the profile says, and whichever of the two is set first.
    pub fn request_directives(self, setting: RequestDirectives) -> Self {
        self.with(|settings| {
            settings.request_directives = Some(setting);
            settings.rules.request_directives = setting;
        })
    }

    /// Sets which targeted fields are read in the place of `Cache-Control` and `Expires`, the one that counts most first
    /// ([RFC 9213 §2.2](https://www.rfc-editor.org/rfc/rfc9213#section-2.2)); `CDN-Cache-Control` alone if not set.
    pub fn targets(self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.with(|settings| settings.rules.targets = names.into_iter().collect())
    }

    /// Sets which requests share a stored response, before `Vary` is looked at.
    pub fn keys(self, policy: KeyPolicy) -> Self {
        self.with(|settings| settings.keys = policy)
    }

    /// Sets whether callers share what is stored.
    pub fn partition(self, partition: Partition) -> Self {
        self.with(|settings| settings.partition = partition)
    }

    /// Sets how much responses tell of what the cache did; nothing if not set.
    pub fn cache_status(self, setting: CacheStatus) -> Self {
        self.with(|settings| settings.status.setting = setting)
    }

    /// Sets how the cache calls itself in `Cache-Status`, and in what it tells the operator.
    pub fn cache_name(self, name: CacheName) -> Self {
        self.with(|settings| settings.status.name = name)
    }

    /// Sets how many bytes of content a response may have to be stored; 4 MiB if not set. A larger one is passed through.
    pub fn largest(self, bytes: u64) -> Self {
        self.with(|settings| settings.largest = bytes)
    }

    /// Sets how many bytes of content are held of all responses together while they come, until their clients have read them; 64 MiB if not set.
    /// What comes when there is no more room is passed through.
    pub fn room(self, bytes: u64) -> Self {
        self.with(|settings| settings.room = Room::new(bytes))
    }

    /// Sets how long a request waits for another that has asked for the same, and of whose answer nothing has come; 10 seconds if not set. Then
    /// one of those who wait asks too, and when that has taken as long again, each asks for itself.
    pub fn patience(self, limit: Duration) -> Self {
        self.with(|settings| settings.patience = limit)
    }

    /// Sets the clock that ages are told by; the system's if none is given.
    pub fn clock(self, clock: impl Clock) -> Self {
        self.with(|settings| settings.clock = SharedClock::new(clock))
    }

    /// What is stored, to be purged by whoever writes.
    #[must_use]
    pub fn store(&self) -> &St {
        &self.shared.store
    }

    /// Which requests share a stored response: what a [`Purge`](super::Purge) is made with.
    pub fn key_policy(&self) -> &KeyPolicy {
        &self.shared.settings.keys
    }

    /// How often the cache did what since it was set up.
    #[must_use]
    pub fn counters(&self) -> CacheCounters {
        self.shared.counters.read()
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.shared.settings.clone();
        change(&mut settings);
        Self::made_of(self.shared.store.clone(), settings)
    }

    fn made_of(store: St, settings: Settings) -> Self {
        Self { shared: Arc::new(Shared { store, settings, counters: Counters::default(), flights: Flights::default() }) }
    }
}

impl Default for SharedCacheLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<St> Clone for SharedCacheLayer<St> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S, St> Layer<S> for SharedCacheLayer<St> {
    type Service = SharedCache<S, St>;

    fn layer(&self, inner: S) -> Self::Service {
        SharedCache::new(inner, Arc::clone(&self.shared))
    }
}
