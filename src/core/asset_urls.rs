use std::borrow::Cow;

/// Knows the fingerprinted URLs of local assets, so that links to them become links to what may be cached for ever.
///
/// ConditionalCache's `Assets` is one; `LazyImagesLayer::asset_urls` takes one.
///
/// A closure is one too:
///
/// ```
/// use donjon::AssetUrls;
///
/// let assets = |path: &str| (path == "/assets/tower.png").then(|| "/assets/tower.5d41402abc4b2a76.png".to_owned());
/// assert_eq!(AssetUrls::url(&assets, "/assets/tower.png").as_deref(), Some("/assets/tower.5d41402abc4b2a76.png"));
/// ```
///
/// LazyImages uses a URL if it can stand in any attribute as it is: letters, digits and `-._~/%:@!$*+;?=`. Others are left out, and the
/// link stays as it was.
pub trait AssetUrls: Send + Sync + 'static {
    /// The URL for the asset at `path`, which is absolute, percent-decoded, without dot segments and without a query.
    fn url(&self, path: &str) -> Option<Cow<'_, str>>;

    /// A number that changes whenever an answer may have changed, as in
    /// `DimensionSource::revision` of LazyImages.
    fn revision(&self) -> u64 {
        0
    }
}

impl<F> AssetUrls for F
where
    F: Fn(&str) -> Option<String> + Send + Sync + 'static,
{
    fn url(&self, path: &str) -> Option<Cow<'_, str>> {
        self(path).map(Cow::Owned)
    }
}
