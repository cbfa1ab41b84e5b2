//! What a tag gains: decided from what it says, what the page had before it, and what is known of its file.

use super::{
    hint::{Hint, Hints},
    length::Length,
    size::Dimensions,
};

/// An image that is no taller or wider than this is a tracking pixel or a spacer: it is neither counted nor touched, because a
/// counter that is never scrolled to would never count.
const TINY: u32 = 4;

/// The area in CSS pixels from which an image may be the largest thing on the page; WordPress core uses the same.
const LARGE: u64 = 50_000;

/// The settings that the policy reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    /// How many of a page's first images and frames load at once.
    pub(super) eager: u32,
    pub(super) hints: Hints,
}

/// What a page had so far: all that the policy remembers, whatever the page's length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) seen: u32,
    /// Somebody has `fetchpriority=high` already.
    pub(super) urgent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Image,
    Frame,
}

/// What an `img` or `iframe` tag says, as far as the policy asks.
#[derive(Clone, Debug)]
pub(super) struct Tag<'a> {
    pub(super) kind: Kind,
    pub(super) src: Option<&'a str>,
    pub(super) srcset: Srcset,
    pub(super) sizes: bool,
    pub(super) width: Option<Length>,
    pub(super) height: Option<Length>,
    pub(super) loading: Option<&'a str>,
    pub(super) fetchpriority: Option<&'a str>,
    pub(super) decoding: bool,
    pub(super) style: Option<&'a str>,
    pub(super) hidden: bool,
    /// The sources of the `picture` around it may have other proportions.
    pub(super) varies: bool,
}

/// The kind of descriptors in a `srcset`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Srcset {
    #[default]
    None,
    /// `x`, or no descriptor at all: the layout size is the file's.
    Density,
    /// `w`: the layout size follows `sizes`.
    Width,
}

/// The attributes that a tag gains; none of them is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gain {
    pub(super) width: Option<u32>,
    pub(super) height: Option<u32>,
    pub(super) lazy: bool,
    pub(super) urgent: bool,
    pub(super) decoding: bool,
    pub(super) sizes: bool,
    /// It will load late and its place is known: a placeholder may stand there.
    pub(super) placeholder: bool,
}

/// Decides what `tag` gains. `known` is asked for the dimensions of the file only where they would be used.
pub(super) fn decide(tag: &Tag<'_>, page: &mut Page, rules: Rules, known: impl FnOnce() -> Option<Dimensions>) -> Gain {
    let mut gain = Gain::default();
    if tag.fetchpriority.is_some_and(|value| value.eq_ignore_ascii_case("high")) {
        page.urgent = true;
    }
    if !tag.loads_from_the_network() || tag.is_hidden() {
        return gain;
    }
    let (mut width, mut height) = (tag.width, tag.height);
    if tag.may_gain_dimensions()
        && let Some(found) = known()
    {
        (gain.width, gain.height) = complete(width, height, found);
        width = width.or(gain.width.map(Length::Pixels));
        height = height.or(gain.height.map(Length::Pixels));
    }
    if is_tiny(width) || is_tiny(height) {
        return Gain::default();
    }

    page.seen = page.seen.saturating_add(1);
    let reserved = width.is_some() && height.is_some();
    let author_lazy = tag.loading.is_some_and(|value| value.eq_ignore_ascii_case("lazy"));
    let author_urgent = tag.fetchpriority.is_some_and(|value| value.eq_ignore_ascii_case("high"));
    gain.lazy = tag.loading.is_none()
        && reserved
        && page.seen > rules.eager
        && !author_urgent
        && (tag.kind == Kind::Image || rules.hints.contains(Hint::Frames));
    if tag.kind == Kind::Image {
        let lazy = gain.lazy || author_lazy;
        gain.urgent = rules.hints.contains(Hint::FetchPriority)
            && !lazy
            && !page.urgent
            && page.seen <= rules.eager
            && tag.fetchpriority.is_none()
            && is_large(width, height);
        gain.decoding = rules.hints.contains(Hint::Decoding) && !tag.decoding && !gain.urgent && !author_urgent;
        gain.sizes = rules.hints.contains(Hint::Sizes) && lazy && reserved && tag.srcset == Srcset::Width && !tag.sizes;
        gain.placeholder = lazy && reserved;
    }
    page.urgent |= gain.urgent;
    gain
}

impl Tag<'_> {
    /// Whether there is something to wait for. A script's lazy loader leaves `src` out or puts a `data:` URL there.
    fn loads_from_the_network(&self) -> bool {
        let src = self
            .src
            .map(|src| src.trim_start_matches(|character: char| character.is_ascii_whitespace() || character.is_control()));
        match src {
            None | Some("") => self.kind == Kind::Image && self.srcset != Srcset::None,
            Some(src) => !has_scheme(src, &["data:", "blob:", "about:", "javascript:"]) || self.srcset != Srcset::None,
        }
    }

    /// What is not shown may wait for ever, though a script may be waiting for it.
    fn is_hidden(&self) -> bool {
        let says = |style: &str| {
            let plain: String = style.chars().filter(|character| !character.is_ascii_whitespace()).collect();
            let plain = plain.to_ascii_lowercase();
            plain.contains("display:none") || plain.contains("visibility:hidden")
        };
        self.hidden || self.style.is_some_and(says)
    }

    /// Whether the file's dimensions may be written into the tag without changing the layout of a page that says `height: auto`.
    ///
    /// With width descriptors the layout size is that of `sizes`, in an art-directed `picture` it is the chosen source's, and an inline
    /// style has its own.
    fn may_gain_dimensions(&self) -> bool {
        let missing = self.width.is_none() || self.height.is_none();
        self.kind == Kind::Image && missing && self.srcset != Srcset::Width && !self.varies && self.style.is_none()
    }
}

/// The missing of width and height; the author's one scales the other, as a browser does once the file is there.
fn complete(width: Option<Length>, height: Option<Length>, file: Dimensions) -> (Option<u32>, Option<u32>) {
    match (width, height) {
        (None, None) => (Some(file.width()), Some(file.height())),
        (Some(Length::Pixels(width)), None) => (None, scale(width, file.height(), file.width())),
        (None, Some(Length::Pixels(height))) => (scale(height, file.width(), file.height()), None),
        _ => (None, None),
    }
}

/// `given * part / whole`, rounded, never 0.
fn scale(given: u32, part: u32, whole: u32) -> Option<u32> {
    let whole = u64::from(whole);
    let scaled = (u64::from(given) * u64::from(part) + whole / 2).checked_div(whole)?;
    u32::try_from(scaled).ok().filter(|scaled| *scaled > 0)
}

fn is_tiny(length: Option<Length>) -> bool {
    matches!(length, Some(Length::Pixels(pixels)) if pixels <= TINY)
}

fn is_large(width: Option<Length>, height: Option<Length>) -> bool {
    match (width, height) {
        (Some(Length::Pixels(width)), Some(Length::Pixels(height))) => u64::from(width) * u64::from(height) >= LARGE,
        _ => false,
    }
}

fn has_scheme(url: &str, schemes: &[&str]) -> bool {
    schemes.iter().any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

#[cfg(test)]
mod tests;
