//! What is stored, and where ([RFC 9111 §2](https://www.rfc-editor.org/rfc/rfc9111#section-2)).

mod author;
mod body;
mod contract;
mod head;
mod index;
mod log;
mod memory;
mod purge;
mod tag;
mod variants;

pub(super) use self::author::Author;
pub use self::{
    body::StoredBody,
    contract::{Kept, Store},
    head::{Selecting, StoredHead},
    memory::{MemoryStore, StoreStats},
    purge::{Purge, PurgeMode},
    tag::Tags,
    variants::{Variant, Variants},
};
