use std::{error::Error, fmt, sync::Arc};

use crate::core::header::bare_item;

/// How this cache calls itself in `Cache-Status` ([RFC 9211 §2](https://www.rfc-editor.org/rfc/rfc9211#section-2)): the host that it serves, or a
/// name that its operators know the deployment by. `donjon` if not set.
///
/// ```
/// use donjon::conditional_cache::shared::{CacheName, CacheNameError, CacheStatus, SharedCacheLayer};
///
/// # fn layer() -> Result<SharedCacheLayer, CacheNameError> {
/// Ok(SharedCacheLayer::new().cache_status(CacheStatus::On).cache_name(CacheName::new("edge.example.net")?))
/// # }
/// # assert!(layer().is_ok());
/// ```
///
/// A hit is then told as `Cache-Status: edge.example.net; hit`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheName(Option<Arc<str>>);

const DEFAULT: &str = "donjon";

impl CacheName {
    /// A name, written as a token where it can be one, else as a string.
    ///
    /// # Errors
    ///
    /// If it is empty, or has a character that a string of structured fields cannot hold: any but printable ASCII
    /// ([RFC 9651 §3.3.3](https://www.rfc-editor.org/rfc/rfc9651#section-3.3.3)).
    pub fn new(name: &str) -> Result<Self, CacheNameError> {
        let kind = if name.is_empty() { CacheNameErrorKind::Empty } else { CacheNameErrorKind::Character };
        bare_item(name).map(|item| Self(Some(item.into()))).ok_or(CacheNameError { kind })
    }

    /// Whether it is the one that no setting gave.
    pub(super) fn is_default(&self) -> bool {
        self.0.is_none()
    }

    /// As it stands in the field.
    pub(super) fn as_item(&self) -> &str {
        self.0.as_deref().unwrap_or(DEFAULT)
    }
}

/// Why a text is no [`CacheName`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheNameError {
    kind: CacheNameErrorKind,
}

/// The kinds of [`CacheNameError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheNameErrorKind {
    /// It is empty.
    Empty,
    /// A character in it is not printable ASCII.
    Character,
}

impl CacheNameError {
    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> CacheNameErrorKind {
        self.kind
    }
}

impl fmt::Display for CacheNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            CacheNameErrorKind::Empty => "the name of a cache must not be empty",
            CacheNameErrorKind::Character => "the name of a cache must be of printable ASCII",
        })
    }
}

impl Error for CacheNameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, text, expected) in [
            ("a host", "edge.example.net", Ok("edge.example.net")),
            ("with a port", "edge:8080", Ok("edge:8080")),
            ("an address", "192.0.2.1", Ok("\"192.0.2.1\"")),
            ("words", "my edge", Ok("\"my edge\"")),
            ("a member too many", "a, b; hit", Ok("\"a, b; hit\"")),
            ("nothing", "", Err(CacheNameErrorKind::Empty)),
            ("a line end", "a\r\nb", Err(CacheNameErrorKind::Character)),
            ("not ASCII", "bücher", Err(CacheNameErrorKind::Character)),
        ] {
            let made = CacheName::new(text);
            assert_eq!(made.as_ref().map(CacheName::as_item).map_err(CacheNameError::kind), expected, "{name}");
        }
        assert_eq!(CacheName::default().as_item(), "donjon");
    }
}
