//! A cache of whole responses, shared by all who ask.

mod admission;
mod answer;
mod body;
mod cache_status;
mod collapse;
mod config;
mod counters;
mod directives;
mod fetch;
mod fields;
mod freshness;
mod future;
mod groups;
mod invalidation;
mod keep;
mod key;
mod layer;
mod look_up;
mod partial;
mod profile;
mod query;
mod receive;
mod request;
mod reuse;
mod service;
mod storability;
mod store;
mod structured;
mod tee;
mod terms;
mod validation;
mod vary;
mod write;

pub use self::{
    body::{BodyError, SharedCacheBody},
    cache_status::CacheStatus,
    config::Partition,
    counters::CacheCounters,
    future::ResponseFuture,
    key::{CacheKey, KeyPolicy},
    layer::SharedCacheLayer,
    profile::{Profile, RequestDirectives},
    service::SharedCache,
    storability::NotStored,
    store::{Kept, MemoryStore, Purge, PurgeMode, Selecting, Store, StoreStats, StoredBody, StoredHead, Tags, Variant, Variants},
};
