//! A cache of whole responses, shared by all who ask.

mod collapse;
mod directives;
mod fields;
mod freshness;
mod invalidation;
mod key;
mod profile;
mod query;
mod request;
mod reuse;
mod storability;
mod store;
mod structured;
mod tee;
mod terms;
mod validation;
mod vary;

pub use self::{
    key::{CacheKey, KeyPolicy},
    profile::{Profile, RequestDirectives},
    storability::NotStored,
    store::{Kept, MemoryStore, Purge, PurgeMode, Selecting, Store, StoreStats, StoredBody, StoredHead, Tags, Variant, Variants},
};
