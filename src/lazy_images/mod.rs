//! Makes the HTML pages of an app load their images when they are needed, without touching a template: the page streams through, and its
//! tags gain the attributes that a browser acts on.
//!
//! # Rules
//! 1. A page's first three images and frames load at once; those behind them gain `loading=lazy`
//!    ([HTML §2.5.7](https://html.spec.whatwg.org/multipage/urls-and-fetching.html#lazy-loading-attributes)), if their width and height are
//!    stated: an image without dimensions that loads late shifts the page under its reader.
//! 2. The first large image among the eager ones gains `fetchpriority=high`
//!    ([HTML §2.5.8](https://html.spec.whatwg.org/multipage/urls-and-fetching.html#fetch-priority-attributes)), never together with lazy; the
//!    others gain `decoding=async`; lazy images with width descriptors and no `sizes` gain `sizes=auto`. [`Hint`] lists what can be left out.
//! 3. The author always wins: an attribute that is there is never changed. Nothing else of the page is either: the bytes are the author's,
//!    with attributes put in between. No script and no inline style is added, so a Content-Security-Policy holds, and a browser without
//!    JavaScript loads what one with it does.
//! 4. Hidden images, tracking pixels, `data:` URLs, what a script loads later, and what stands in a `template`, a `noscript`, an SVG or
//!    a comment is neither touched nor counted.
//! 5. Only whole, uncompressed `text/html` in an encoding that contains ASCII is rewritten; everything else passes byte for byte, without
//!    a heap allocation: another type, a `Content-Encoding`, a 206 ([RFC 9110 §14](https://www.rfc-editor.org/rfc/rfc9110#section-14)), a
//!    `no-transform` ([RFC 9111 §5.2.2.6](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.6)), UTF-16, ISO-2022-JP.
//! 6. The head of a rewritten page loses what speaks of other bytes (`Content-Length`, `Accept-Ranges`, `Content-MD5`, `Content-Digest`,
//!    `Repr-Digest`). Its strong entity tag gains a suffix that names the settings, which is taken off a request's `If-None-Match` and
//!    `If-Match` again ([RFC 9110 §8.8.3](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3)); a weak one stays. HEAD and 304 tell the same.
//! 7. It fails open. A tag that does not end, markup whose tags cannot be told from text with certainty, more open elements than memory
//!    for them: the rest of the page is passed on as it is. No page is held back, none is lost.
//!
//! # Example
//! ```
//! use axum::{Router, response::Html, routing::get};
//! use donjon::lazy_images::LazyImagesLayer;
//!
//! let app: Router = Router::new()
//!     .route("/", get(|| async { Html("<img src=/tower.jpg width=600 height=400 alt=''>") }))
//!     .layer(LazyImagesLayer::new());
//! ```
//!
//! # Customised
//! A site whose images lie in a folder and whose templates state no dimensions:
//!
//! ```
//! use donjon::lazy_images::{Hint, LazyImagesLayer, LocalImages};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let public = std::env::temp_dir().join("donjon-doc-public");
//! # std::fs::create_dir_all(&public)?;
//! let images = LocalImages::new(&public).mounted_at("/static");
//! images.scan()?;
//! let layer = LazyImagesLayer::new()
//!     .eager(1)
//!     .without(Hint::Sizes)
//!     .skip(".carousel img")?
//!     .dimensions(images);
//! # Ok(())
//! # }
//! ```
//!
//! A handler decides for its own page with a [`Directive`]. [`AssetUrls`](crate::AssetUrls) leads links to fingerprinted assets, and
//! [`PlaceholderClasses`] shows something in the place of what has not come yet.
//!
//! # Security
//! - Only attributes are added, without quotes, and only names and values of the layer's own, numbers, and URLs and classes of plain
//!   characters; a text that was mistaken for a tag gains nothing that could open or close anything.
//! - A page takes less than a megabyte of memory, however it is built, apart from names of open elements that are thousands of bytes long.
//! - Pages never lead to the file system: [`LocalImages`] reads its folder beforehand and looks paths up in memory.
//! - A response to a `Range` request passes as it is. A client that resumes a page by date (`If-Range` with a `Last-Modified`) could put a
//!   part of the page as it was made behind a part of the page as it was sent; serve pages with entity tags, whose suffix rules that out.
//!
//! # Ordering
//! Beneath compression, which it cannot see through, and outside of everything that makes pages. ConditionalCache may stand on either
//! side: around it, it caches pages as they are sent; within, pages as they were made. A router that strips a prefix (`nest`) hides
//! where a page stands, so a layer with a source of dimensions, URLs or classes belongs onto the outermost router. Two of them do what
//! one does.
//!
//! # Feature
//! `lazy-images`; `lazy-images-colours` for `LocalColours`, which decodes images.
//!
#![doc = include_str!("../../docs/lazy-images.md")]

mod asset;
mod body;
mod config;
mod directive;
mod element;
mod eligible;
mod error;
mod future;
mod hint;
mod layer;
mod length;
mod local;
mod location;
mod placeholder;
mod policy;
mod rewrite;
mod service;
mod size;
mod splice;
mod srcset;
mod validator;

pub use self::{
    body::ResponseBody,
    directive::Directive,
    error::{ConfigError, ConfigErrorKind},
    future::ResponseFuture,
    hint::Hint,
    layer::LazyImagesLayer,
    local::{LocalImages, ScanError, ScanErrorKind},
    placeholder::PlaceholderClasses,
    service::LazyImages,
    size::{DimensionSource, Dimensions},
};

#[cfg(feature = "lazy-images-colours")]
#[cfg_attr(docsrs, doc(cfg(feature = "lazy-images-colours")))]
pub use self::local::LocalColours;

/// What the fuzzer drives.
#[cfg(fuzzing)]
#[doc(hidden)]
#[allow(missing_docs, clippy::panic, reason = "a broken promise has to stop the fuzzer")]
pub mod fuzzing {
    use std::sync::Arc;

    use super::{
        Dimensions, config::Config, eligible::Charset, length::Length, local, location::Base, rewrite::Rewriter, srcset,
    };

    /// A page, cut after the lengths that its first bytes say: any cut gives the same, and sent twice it is sent the same.
    pub fn page(data: &[u8]) {
        let (lengths, page) = data.split_at_checked(4).unwrap_or((&[1], data));
        let whole = rewritten(page, &[u8::MAX]);
        assert_eq!(rewritten(page, lengths), whole);
        assert_eq!(rewritten(&whole, &[u8::MAX]), whole);
        let mut rest = whole.iter();
        assert!(page.iter().all(|byte| rest.any(|other| other == byte)), "something is lost");
    }

    fn rewritten(page: &[u8], lengths: &[u8]) -> Vec<u8> {
        let mut config = Config::default();
        config.dimensions = Some(Arc::new(|_: &str| Dimensions::new(600, 400)));
        config.placeholders = Some(Arc::new(|_: &str| Some("coming".to_owned())));
        let rules = config.rules;
        let mut rewriter =
            Rewriter::new(&Arc::new(config), rules, Some(Base::new(Some("example.org"), "/docs/")), Charset::Undeclared);
        let (mut out, mut rest) = (Vec::new(), page);
        for length in lengths.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(rest.len().min(rewriter.room()).min(usize::from(*length).max(1)));
            rewriter.write(bytes::Bytes::copy_from_slice(piece));
            out.extend(rewriter.take());
            rest = after;
        }
        rewriter.end();
        out.extend(rewriter.take());
        out
    }

    /// A `srcset`, a `width`, and the URL of an image.
    pub fn attributes(data: &[u8]) {
        let text = String::from_utf8_lossy(data);
        for candidate in srcset::candidates(&text) {
            assert!(text.get(candidate.url).is_some_and(|url| !url.is_empty()));
        }
        let _ = Length::parse(&text);
        let mut base = Base::new(Some("example.org"), "/docs/index.html");
        for _ in 0..2 {
            if let Some(location) = base.resolve(&text) {
                assert!(location.path.starts_with('/') && !location.path.split('/').any(|segment| segment == ".."));
            }
            base.follow(&text);
        }
    }

    /// The start of an image file.
    pub fn image(data: &[u8]) {
        if let Some(size) = local::dimensions(data) {
            assert!(size.width() > 0 && size.height() > 0);
        }
    }
}
