//! How often the cache did what.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// How often the cache did what, since it was made. Read by [`SharedCacheLayer::counters`](super::SharedCacheLayer::counters).
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct CacheCounters {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: Counter,)*
        }

        impl Counters {
            pub(super) fn read(&self) -> CacheCounters {
                CacheCounters { $($name: self.$name.0.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Requests answered from what was stored, fresh or, where that is allowed, stale.
    hits,
    /// Those of them that were answered stale, while the response was fetched anew or because the client accepts it.
    stale_hits,
    /// Those that were answered stale because the inner service failed.
    stand_ins,
    /// Requests that were forwarded because nothing stored answers them.
    misses,
    /// Requests that were forwarded to ask whether what is stored still holds.
    validations,
    /// Those of them, and of those behind the client's back, that were answered by "not modified".
    confirmed,
    /// Requests that were answered by what another request fetched at the same time.
    collapsed,
    /// Requests that are none that a cache answers.
    bypassed,
    /// Responses that were handed to the store.
    stored,
    /// Responses that were not stored.
    refused,
    /// Times that the store could not be asked, and the request was passed on.
    store_errors,
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
