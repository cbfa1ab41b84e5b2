/// What a handler says about one page, put into the extensions of its response.
///
/// ```
/// use donjon::lazy_images::Directive;
/// use http::Response;
///
/// // An article whose first image stands above everything else.
/// let mut response = Response::new("<img src=tower.jpg width=600 height=400>");
/// response.extensions_mut().insert(Directive::new().eager(1));
///
/// // A page that has its own lazy loader.
/// let mut response = Response::new("<img data-src=tower.jpg>");
/// response.extensions_mut().insert(Directive::skip());
/// ```
///
/// A page whose directive changes without its content should change its entity tag with it: the tag says what the page was made from,
/// and the directive is not a part of that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Directive {
    pub(super) skip: bool,
    pub(super) eager: Option<u32>,
}

impl Directive {
    /// Nothing other than the layer's settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// The page is not touched.
    pub fn skip() -> Self {
        Self { skip: true, eager: None }
    }

    /// How many of this page's first images and frames load at once, instead of
    /// [`LazyImagesLayer::eager`](super::LazyImagesLayer::eager).
    pub fn eager(mut self, count: u32) -> Self {
        self.eager = Some(count);
        self
    }
}
