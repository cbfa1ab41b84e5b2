/// One of the attributes that the layer adds by itself, to be left out with
/// [`LazyImagesLayer::without`](super::LazyImagesLayer::without).
///
/// `loading=lazy` on images is what the layer is for and has no entry here; [`Directive::skip`](super::Directive::skip) and
/// [`LazyImagesLayer::skip`](super::LazyImagesLayer::skip) leave pages and elements out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hint {
    /// `loading=lazy` on `iframe` elements that state their width and height.
    Frames,
    /// `fetchpriority=high` on the first large image among the eager ones.
    FetchPriority,
    /// `decoding=async` on images.
    Decoding,
    /// `sizes=auto` on lazy images whose `srcset` has width descriptors and which have no `sizes`. A page whose stylesheet says
    /// `width: auto` of such images must leave it out: without a width of its own such an image is laid out 3000 pixels wide.
    Sizes,
}

/// A set of [`Hint`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hints(u8);

impl Hints {
    pub(super) const ALL: Self = Self(0b1111);

    pub(super) fn contains(self, hint: Hint) -> bool {
        self.0 & Self::bit(hint) != 0
    }

    pub(super) fn remove(&mut self, hint: Hint) {
        self.0 &= !Self::bit(hint);
    }

    /// The set as a number, the same in every process.
    pub(super) fn bits(self) -> u8 {
        self.0
    }

    fn bit(hint: Hint) -> u8 {
        match hint {
            Hint::Frames => 1,
            Hint::FetchPriority => 2,
            Hint::Decoding => 4,
            Hint::Sizes => 8,
        }
    }
}
