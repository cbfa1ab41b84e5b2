//! A cache of whole responses, shared by all who ask.

mod collapse;
mod key;
mod store;
mod tee;

pub use self::{
    key::CacheKey,
    store::{Kept, Purge, PurgeMode, Selecting, Store, StoredBody, StoredHead, Tags, Variant, Variants},
};
