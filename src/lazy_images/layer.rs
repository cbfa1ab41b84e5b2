use std::sync::Arc;

use lol_html::Selector;
use tower_layer::Layer;

use super::{
    config::Config, error::ConfigError, hint::Hint, placeholder::PlaceholderClasses, service::LazyImages, size::DimensionSource,
};
use crate::core::AssetUrls;

/// Puts [`LazyImages`] around a service.
///
/// The settings are shared by every service that one layer makes.
///
/// ```
/// use donjon::lazy_images::LazyImagesLayer;
/// use http::{Request, Response, header};
/// use http_body_util::{BodyExt as _, Full};
/// use tower::{Layer as _, ServiceExt as _, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let app = service_fn(|_: Request<()>| async {
///     let page = "<img src=1.jpg width=600 height=400><img src=2.jpg width=600 height=400>";
///     Response::builder().header(header::CONTENT_TYPE, "text/html; charset=utf-8").body(Full::new(bytes::Bytes::from(page)))
/// });
/// let response = LazyImagesLayer::new().eager(1).layer(app).oneshot(Request::new(())).await.unwrap();
/// let page = response.into_body().collect().await.unwrap().to_bytes();
/// assert_eq!(
///     page,
///     "<img fetchpriority=high src=1.jpg width=600 height=400>\
///      <img loading=lazy decoding=async src=2.jpg width=600 height=400>",
/// );
/// # });
/// ```
#[derive(Clone, Debug, Default)]
pub struct LazyImagesLayer {
    config: Arc<Config>,
}

impl LazyImagesLayer {
    /// Three eager images, every [`Hint`], no source of dimensions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many of a page's first images and frames load at once; 3 if not set. What is hidden, tiny or without a URL does not count.
    ///
    /// Better one too many than one too few: an image that is seen at once and loads late is what hurts most.
    #[must_use]
    pub fn eager(mut self, count: u32) -> Self {
        Arc::make_mut(&mut self.config).rules.eager = count;
        self
    }

    /// Leaves out one of the attributes that are added by default.
    #[must_use]
    pub fn without(mut self, hint: Hint) -> Self {
        Arc::make_mut(&mut self.config).rules.hints.remove(hint);
        self
    }

    /// Leaves out the images and frames that a CSS selector matches: they are neither touched nor counted.
    ///
    /// For those within something say so: `.carousel img`. Links to assets are followed in them all the same.
    ///
    /// # Errors
    /// If `selector` is none, or one that cannot be matched while the page streams, such as `img:last-child`.
    pub fn skip(mut self, selector: &str) -> Result<Self, ConfigError> {
        let parsed: Selector = selector.parse().map_err(ConfigError::selector)?;
        Arc::make_mut(&mut self.config).skip(selector, parsed);
        Ok(self)
    }

    /// Adds `width` and `height` to images that do not state them, from what `source` knows.
    ///
    /// The page's stylesheet has to say `img { height: auto }` wherever it sets a width, as pages that state dimensions do anyway: an image
    /// that is narrowed by a stylesheet would otherwise keep its full height. Images with an inline style, with width descriptors in
    /// their `srcset`, or in a `picture` whose sources may have other proportions are left as they are.
    #[must_use]
    pub fn dimensions(mut self, source: impl DimensionSource) -> Self {
        Arc::make_mut(&mut self.config).dimensions = Some(Arc::new(source));
        self
    }

    /// Leads links to local assets to their fingerprinted URLs: `src`, `srcset`, `href`, `imagesrcset` and `poster` of images, sources,
    /// media, scripts, `a` and `link` elements. Modules keep their URL, which is their identity.
    #[must_use]
    pub fn asset_urls(mut self, assets: impl AssetUrls) -> Self {
        Arc::make_mut(&mut self.config).asset_urls(Arc::new(assets));
        self
    }

    /// Adds a class to lazy images that state, or gained, their dimensions, so that a stylesheet can show something in their place.
    ///
    /// A class is put into an existing `class` attribute if that stands in quotes.
    #[must_use]
    pub fn placeholders(mut self, classes: impl PlaceholderClasses) -> Self {
        Arc::make_mut(&mut self.config).placeholders = Some(Arc::new(classes));
        self
    }
}

impl<S> Layer<S> for LazyImagesLayer {
    type Service = LazyImages<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LazyImages::new(inner, Arc::clone(&self.config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lazy_images::ConfigErrorKind;
    use std::error::Error as _;

    #[test]
    fn settings_are_not_shared_with_the_layer_they_were_made_from() {
        let three = LazyImagesLayer::new();
        let five = three.clone().eager(5).skip(".hero").unwrap();
        assert!(format!("{three:?}").contains("eager: 3"), "{three:?}");
        assert!(format!("{five:?}").contains("eager: 5") && format!("{five:?}").contains(".hero"), "{five:?}");
    }

    #[test]
    fn a_selector_that_is_none_is_a_configuration_error() {
        for selector in ["", "img[", "img + img", "img:last-child", "img::before"] {
            let error = LazyImagesLayer::new().skip(selector).unwrap_err();
            assert_eq!(error.kind(), ConfigErrorKind::Selector, "{selector}");
            assert!(error.source().is_some());
        }
    }
}
