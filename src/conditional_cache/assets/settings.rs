use std::path::PathBuf;

use bytes::Bytes;

use crate::core::SharedClock;

/// Whether the files may change while they are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssetMode {
    /// The files are read once, and a hashed URL may be kept for a year.
    #[default]
    Release,
    /// Every request looks whether a file has changed, and if one has, all are read anew. URLs are the plain ones, stylesheets are sent
    /// as they are written, compressed variants are left out, and nothing is kept without being asked about.
    ///
    /// Looking blocks the thread for as long as the system needs to list the folders: not for production.
    Development,
}

/// What becomes of the URLs in stylesheets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CssUrls {
    /// Those that lead to other assets become their hashed URLs, so that what a stylesheet names is kept as long as itself.
    ///
    /// A stylesheet in which something changed loses its compressed variants, which hold the old names; let a compressing layer stand
    /// around the assets.
    #[default]
    Hashed,
    /// They stay. What they lead to is revalidated.
    AsWritten,
}

/// As the builder was told.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) roots: Vec<PathBuf>,
    pub(super) previous: Vec<PathBuf>,
    pub(super) embedded: Vec<(Box<str>, Bytes)>,
    /// Without a slash at its end, so empty for the root.
    pub(super) mount: String,
    pub(super) mode: AssetMode,
    pub(super) css_urls: CssUrls,
    pub(super) max_in_memory: u64,
    pub(super) clock: SharedClock,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            roots: Vec::new(),
            previous: Vec::new(),
            embedded: Vec::new(),
            mount: "/assets".to_owned(),
            mode: AssetMode::default(),
            css_urls: CssUrls::default(),
            max_in_memory: 64 * 1024 * 1024,
            clock: SharedClock::default(),
        }
    }
}
