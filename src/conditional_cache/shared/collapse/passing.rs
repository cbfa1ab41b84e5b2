//! What is not worth waiting for: answers that were not to be shared, remembered for a while.

use std::{collections::hash_map::RandomState, hash::BuildHasher as _, time::SystemTime};

use quick_cache::sync::Cache;

use super::super::key::CacheKey;

/// The most keys that are remembered.
const MOST: usize = 16 * 1024;

/// Until when requests for a key pass each other. A key is known by a hash alone: a collision means that some wait for nobody, and no more.
pub(super) struct Passing {
    hasher: RandomState,
    until: Cache<u64, SystemTime>,
}

impl Passing {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), until: Cache::new(MOST) }
    }

    pub(super) fn passes(&self, key: &CacheKey, now: SystemTime) -> bool {
        !self.until.is_empty() && self.until.get(&self.hasher.hash_one(key)).is_some_and(|until| now < until)
    }

    pub(super) fn insert(&self, key: &CacheKey, until: SystemTime) {
        self.until.insert(self.hasher.hash_one(key), until);
    }

    pub(super) fn remove(&self, key: &CacheKey) {
        if !self.until.is_empty() {
            self.until.remove(&self.hasher.hash_one(key));
        }
    }
}
