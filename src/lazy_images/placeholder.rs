use std::borrow::Cow;

/// Knows the class under which a stylesheet shows something in the place of an image that has not come yet.
///
/// The layer only adds the class; the page links the stylesheet, so a strict Content-Security-Policy holds.
/// `LocalColours` (feature `lazy-images-colours`) is the one that the crate ships.
///
/// ```
/// use donjon::lazy_images::LazyImagesLayer;
///
/// let layer = LazyImagesLayer::new().placeholders(|path: &str| path.ends_with(".jpg").then(|| "photo-coming".to_owned()));
/// ```
pub trait PlaceholderClasses: Send + Sync + 'static {
    /// The class for the image at `path`, which is absolute, percent-decoded, without dot segments and without a query. Letters,
    /// digits, `-` and `_`; anything else is left out.
    fn class(&self, path: &str) -> Option<Cow<'_, str>>;

    /// A number that changes whenever an answer may have changed, as in
    /// [`DimensionSource::revision`](super::DimensionSource::revision).
    fn revision(&self) -> u64 {
        0
    }
}

impl<F> PlaceholderClasses for F
where
    F: Fn(&str) -> Option<String> + Send + Sync + 'static,
{
    fn class(&self, path: &str) -> Option<Cow<'_, str>> {
        self(path).map(Cow::Owned)
    }
}

/// Whether a class can stand in an attribute without quotes.
pub(super) fn is_plain(class: &str) -> bool {
    !class.is_empty() && class.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
