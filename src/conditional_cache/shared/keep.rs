//! Handing responses to the store without keeping the client waiting for it.

use std::{
    future::Future,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use http::{Extensions, HeaderMap};

use super::{
    config::Shared,
    groups,
    key::CacheKey,
    store::{Kept, Purge, Store, StoredHead, Tags, Variant},
};
use crate::core::trace::event;

impl<St: Store> Shared<St> {
    /// Stores a response.
    pub(super) fn put(self: &Arc<Self>, key: CacheKey, variant: Variant) {
        let shared = Arc::clone(self);
        settle(async move {
            match shared.store.put(&key, variant).await {
                Ok(Kept::Stored) => shared.counters.stored.add(),
                Ok(Kept::TooLarge) => shared.counters.refused.add(),
                Ok(Kept::Purged) => {}
                Err(error) => shared.missed(&error),
            }
        });
    }

    /// Gives a stored response another head.
    pub(super) fn touch(self: &Arc<Self>, key: CacheKey, head: StoredHead, epoch: u64) {
        let shared = Arc::clone(self);
        settle(async move {
            if let Err(error) = shared.store.touch(&key, head, epoch).await {
                shared.missed(&error);
            }
        });
    }

    /// Forgets what must not be stored any more.
    pub(super) fn forget(self: &Arc<Self>, purge: Purge) {
        let shared = Arc::clone(self);
        settle(async move { shared.purge(&purge).await });
    }

    /// The same, waited for.
    pub(super) async fn purge(&self, purge: &Purge) {
        if let Err(error) = self.store.purge(purge).await {
            self.missed(&error);
        }
        self.flights.forget(purge);
    }

    pub(super) fn missed(&self, error: &St::Error) {
        // Whatever its text is, it is the operator's to read and nobody else's.
        event!(WARN, "the cache's store did not answer", error = error);
        self.counters.store_errors.add();
    }
}

/// By which names a response may be purged: the handler's own, and the groups that it says it is in.
pub(super) fn tags(headers: &HeaderMap, extensions: &Extensions, key: &CacheKey) -> Tags {
    let groups = groups::groups(headers, key);
    extensions.get::<Tags>().map_or_else(|| groups.clone(), |own| own.and(&groups))
}

/// Does at once what can be done at once, as with a store in memory: whoever asks next finds it done. The rest is done in the background.
fn settle(work: impl Future<Output = ()> + Send + 'static) {
    let mut work = Box::pin(work);
    if let Poll::Pending = work.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        && let Ok(runtime) = tokio::runtime::Handle::try_current()
    {
        runtime.spawn(work);
    }
}
