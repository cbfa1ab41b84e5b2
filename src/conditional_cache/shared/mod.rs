//! A cache of whole responses, shared by all who ask.

mod collapse;
mod key;
mod query;
mod store;
mod tee;

pub use self::{
    key::{CacheKey, KeyPolicy},
    store::{Kept, MemoryStore, Purge, PurgeMode, Selecting, Store, StoreStats, StoredBody, StoredHead, Tags, Variant, Variants},
};
