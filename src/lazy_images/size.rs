use std::num::NonZeroU32;

/// The natural size of an image in CSS pixels, as a browser shows it: turned by its orientation, and never 0.
///
/// ```
/// use donjon::lazy_images::Dimensions;
///
/// assert_eq!(Dimensions::new(600, 400).map(|size| (size.width(), size.height())), Some((600, 400)));
/// assert_eq!(Dimensions::new(600, 0), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dimensions {
    width: NonZeroU32,
    height: NonZeroU32,
}

impl Dimensions {
    /// `None` if either is 0: there is no proportion in that.
    #[must_use]
    pub fn new(width: u32, height: u32) -> Option<Self> {
        Some(Self { width: NonZeroU32::new(width)?, height: NonZeroU32::new(height)? })
    }

    /// In CSS pixels.
    #[must_use]
    pub fn width(self) -> u32 {
        self.width.get()
    }

    /// In CSS pixels.
    #[must_use]
    pub fn height(self) -> u32 {
        self.height.get()
    }

    /// With width and height exchanged.
    pub(super) fn turned(self) -> Self {
        Self { width: self.height, height: self.width }
    }
}

/// Knows the dimensions of images by their path, so that pages which do not state them gain them and stop shifting.
///
/// It is asked while a page streams, so it must answer from memory. [`LocalImages`](super::LocalImages) is the one that the crate
/// ships; a closure is one too:
///
/// ```
/// use donjon::lazy_images::{Dimensions, LazyImagesLayer};
///
/// let layer = LazyImagesLayer::new()
///     .dimensions(|path: &str| if path.starts_with("/thumbnails/") { Dimensions::new(160, 120) } else { None });
/// ```
pub trait DimensionSource: Send + Sync + 'static {
    /// The dimensions of the image at `path`: absolute, percent-decoded, without dot segments and without a query, such as
    /// `/img/tower at dawn.jpg`.
    fn dimensions(&self, path: &str) -> Option<Dimensions>;

    /// A number that changes whenever an answer may have changed. It goes into the entity tags of rewritten pages; processes that serve
    /// the same pages should come to the same number.
    fn revision(&self) -> u64 {
        0
    }
}

impl<F> DimensionSource for F
where
    F: Fn(&str) -> Option<Dimensions> + Send + Sync + 'static,
{
    fn dimensions(&self, path: &str) -> Option<Dimensions> {
        self(path)
    }
}
