use std::path::PathBuf;

use bytes::Bytes;

use super::{
    error::{AssetsError, AssetsErrorKind},
    gather::embedded,
    handle::Assets,
    settings::{AssetMode, CssUrls, Settings},
};
use crate::core::{Clock, SharedClock};

impl Assets {
    /// Starts without a file, mounted at `/assets`.
    pub fn builder() -> AssetsBuilder {
        AssetsBuilder { settings: Settings::default() }
    }
}

/// Builds [`Assets`].
#[derive(Clone, Debug)]
#[must_use]
pub struct AssetsBuilder {
    settings: Settings,
}

impl AssetsBuilder {
    /// Adds the files beneath a folder. Names that begin with a dot and symbolic links beneath the folder are left out.
    pub fn directory(mut self, root: impl Into<PathBuf>) -> Self {
        self.settings.roots.push(root.into());
        self
    }

    /// Adds files that are in the program, by name and content.
    ///
    /// ```
    /// use donjon::conditional_cache::Assets;
    ///
    /// // Written out, or from what a crate such as `include_dir` or `rust-embed` iterates over.
    /// const FILES: [(&str, &[u8]); 2] = [("css/site.css", b"a{background:url(../tower.svg)}"), ("tower.svg", b"<svg/>")];
    /// let assets = Assets::builder().embedded(FILES).build()?;
    /// # assert!(assets.url("css/site.css").is_some());
    /// # Ok::<_, donjon::conditional_cache::AssetsError>(())
    /// ```
    pub fn embedded<N, B>(mut self, files: impl IntoIterator<Item = (N, B)>) -> Self
    where
        N: Into<Box<str>>,
        B: Into<Bytes>,
    {
        self.settings.embedded.extend(embedded(files));
        self
    }

    /// Serves the files of an earlier deploy too, by their hashed URLs alone: pages that were opened before this deploy still ask for
    /// them. A folder that does not exist is none, as before the second deploy.
    pub fn also_serve(mut self, previous: impl Into<PathBuf>) -> Self {
        self.settings.previous.push(previous.into());
        self
    }

    /// Sets the path at which the service is mounted; `/assets` if not set.
    pub fn mounted_at(mut self, path: &str) -> Self {
        path.strip_suffix('/').unwrap_or(path).clone_into(&mut self.settings.mount);
        self
    }

    /// Sets whether files may change while they are served; [`AssetMode::Release`] if not set.
    pub fn mode(mut self, mode: AssetMode) -> Self {
        self.settings.mode = mode;
        self
    }

    /// Sets what becomes of the URLs in stylesheets; [`CssUrls::Hashed`] if not set.
    pub fn css_urls(mut self, setting: CssUrls) -> Self {
        self.settings.css_urls = setting;
        self
    }

    /// Sets how many bytes of files are held in memory; 64 MiB if not set. Files beyond it, and every file over 1 MiB, are streamed from
    /// the disk, on threads of tokio that may block. A stylesheet that is not held is not rewritten either.
    pub fn max_in_memory(mut self, bytes: u64) -> Self {
        self.settings.max_in_memory = bytes;
        self
    }

    /// Sets the clock; the system's if none is given. A file from the future tells no `Last-Modified`.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.settings.clock = SharedClock::new(clock);
        self
    }

    /// Reads every file. Blocks; it belongs to the start of the program.
    ///
    /// # Errors
    ///
    /// If a folder is missing, a file cannot be read, two have the same name, or a name or the mount cannot stand in a URL.
    pub fn build(self) -> Result<Assets, AssetsError> {
        if !is_plain(&self.settings.mount) {
            return Err(AssetsError::new(AssetsErrorKind::MountInvalid, self.settings.mount));
        }
        Assets::new(self.settings)
    }
}

/// Whether everybody reads the path alike, encoded or decoded.
fn is_plain(mount: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let is_segment = |segment: &str| !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(plain);
    mount.is_empty() || mount.strip_prefix('/').is_some_and(|segments| segments.split('/').all(is_segment))
}
