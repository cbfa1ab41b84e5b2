use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    catalogue::Catalogue,
    error::AssetsError,
    gather::{gather, walk_all},
    name::beneath,
    scan::Found,
    settings::{AssetMode, Settings},
};
use crate::core::{AssetUrls, SharedClock, trace::event};

#[doc = include_str!("../../../docs/versioned-assets.md")]
/// # Clone
/// Clones share one catalogue, so that one of them can [`reload`](Self::reload) for all.
#[derive(Clone)]
pub struct Assets {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    state: RwLock<State>,
}

struct State {
    catalogue: Arc<Catalogue>,
    /// The files from which it was made, to see whether they have changed.
    seen: Vec<Found>,
}

impl Assets {
    pub(super) fn new(settings: Settings) -> Result<Self, AssetsError> {
        let (catalogue, seen) = gather(&settings)?;
        let state = RwLock::new(State { catalogue: Arc::new(catalogue), seen });
        Ok(Self { shared: Arc::new(Shared { settings, state }) })
    }

    /// The URL of the asset `name`, such as `img/tower.png`: the hashed one, in [`AssetMode::Development`] the plain one. `None` if there
    /// is no such file.
    ///
    /// Percent-encoded where needed, so that it can stand in any attribute as it is.
    ///
    /// ```
    /// use donjon::conditional_cache::Assets;
    ///
    /// let assets = Assets::builder().embedded([("app.js", "hello")]).build()?;
    /// assert_eq!(assets.url("app.js").as_deref(), Some("/assets/app.2cf24dba5fb0a30e.js"));
    /// assert_eq!(assets.url("other.js"), None);
    /// # Ok::<_, donjon::conditional_cache::AssetsError>(())
    /// ```
    #[must_use]
    pub fn url(&self, name: &str) -> Option<String> {
        let catalogue = self.current();
        let asset = catalogue.current(name)?;
        Some(match self.mode() {
            AssetMode::Release => asset.hashed_url.clone(),
            AssetMode::Development => asset.url.clone(),
        })
    }

    /// Every name with its URL as a JSON object, sorted by name, for whoever builds pages elsewhere.
    ///
    /// ```
    /// use donjon::conditional_cache::Assets;
    ///
    /// let assets = Assets::builder().embedded([("b.css", "b{}"), ("a.js", "1")]).mounted_at("/static").build()?;
    /// assert_eq!(assets.manifest(), r#"{"a.js":"/static/a.6b86b273ff34fce1.js","b.css":"/static/b.ef2a875407aca2dd.css"}"#);
    /// # Ok::<_, donjon::conditional_cache::AssetsError>(())
    /// ```
    #[must_use]
    pub fn manifest(&self) -> String {
        let mode = self.mode();
        self.current().json(|name, asset| Some((name, if mode == AssetMode::Release { &*asset.hashed_url } else { &*asset.url })))
    }

    /// An [import map](https://html.spec.whatwg.org/multipage/webappapis.html#import-maps) that leads modules that import each other by
    /// plain URLs, relative or not, to the hashed ones.
    ///
    /// It goes into `<script type="importmap">` before the first module of a page; nothing in it can end that element. A policy that
    /// forbids inline scripts must allow it by its hash or a nonce. Only a browser that evaluates a program knows all that it imports,
    /// so modules themselves are never rewritten.
    #[must_use]
    pub fn import_map(&self) -> String {
        let mode = self.mode();
        let imports = self.current().json(|name, asset| {
            let is_module = name.ends_with(".js") || name.ends_with(".mjs");
            (is_module && mode == AssetMode::Release).then_some((&*asset.url, &*asset.hashed_url))
        });
        ["{\"imports\":", &imports, "}"].concat()
    }

    /// Reads all files anew. Blocks; in an async context it belongs onto a thread for that, such as tokio's `spawn_blocking`.
    ///
    /// Hashed URLs of contents that are gone are not served any longer; see
    /// [`also_serve`](super::AssetsBuilder::also_serve).
    ///
    /// # Errors
    ///
    /// As for [`AssetsBuilder::build`](super::AssetsBuilder::build). What was served is served still.
    pub fn reload(&self) -> Result<(), AssetsError> {
        let (catalogue, seen) = gather(&self.shared.settings)?;
        *self.shared.state.write().unwrap_or_else(PoisonError::into_inner) = State { catalogue: Arc::new(catalogue), seen };
        Ok(())
    }

    /// What there is now.
    pub(super) fn current(&self) -> Arc<Catalogue> {
        if self.mode() == AssetMode::Development {
            self.reload_if_changed();
        }
        Arc::clone(&self.shared.state.read().unwrap_or_else(PoisonError::into_inner).catalogue)
    }

    fn reload_if_changed(&self) {
        let changed = walk_all(&self.shared.settings.roots)
            .map(|found| found != self.shared.state.read().unwrap_or_else(PoisonError::into_inner).seen);
        // Half-written folders are the rule while somebody builds; the next request looks again.
        if let Err(error) = changed.and_then(|changed| if changed { self.reload() } else { Ok(()) }) {
            event!(WARN, "the assets could not be read anew", error = error);
        }
    }

    pub(super) fn mode(&self) -> AssetMode {
        self.shared.settings.mode
    }

    pub(super) fn clock(&self) -> &SharedClock {
        &self.shared.settings.clock
    }

    /// Without a slash at its end.
    pub(super) fn mount(&self) -> &str {
        &self.shared.settings.mount
    }
}

/// By the path at which an asset is mounted, so that `LazyImages` leads the links of a page to hashed URLs.
impl AssetUrls for Assets {
    fn url(&self, path: &str) -> Option<Cow<'_, str>> {
        let name = beneath(self.mount(), path)?.strip_prefix('/')?;
        Self::url(self, name).map(Cow::Owned)
    }

    fn revision(&self) -> u64 {
        self.current().revision()
    }
}

impl fmt::Debug for Assets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (current, hashed) = self.shared.state.read().unwrap_or_else(PoisonError::into_inner).catalogue.sizes();
        f.debug_struct("Assets")
            .field("mount", &self.mount())
            .field("mode", &self.mode())
            .field("current", &current)
            .field("hashed", &hashed)
            .finish_non_exhaustive()
    }
}
