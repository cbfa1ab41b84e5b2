//! From a tag of the page to the edits that the policy decides on.

use std::{borrow::Cow, fmt::Write as _, ops::Range};

use bytes::Bytes;
use lol_html::{
    html_content::{Attribute, Element, SourceLocation},
    send::SendHandlerTypes,
};

use super::{
    asset,
    config::{Config, Watch},
    length::Length,
    location::Base,
    placeholder,
    policy::{self, Gain, Kind, Page, Rules, Srcset, Tag},
    splice::{Only, Splicer},
    srcset,
};

pub(super) type SendElement<'r, 't> = Element<'r, 't, SendHandlerTypes>;

const HTML: &str = "http://www.w3.org/1999/xhtml";

/// The reading of one page, as far as it got: a few numbers, and the edits of one tag.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) splicer: Splicer,
    rules: Rules,
    page: Page,
    /// Where relative URLs lead; `None` if nobody asks.
    base: Option<Base>,
    /// Only the first `<base href>` of a page counts.
    based: bool,
    /// Where the tag starts that a selector left out.
    skipped: Option<usize>,
    /// A source of the current `picture` may have other proportions than its `img`.
    varies: bool,
    /// How many `svg` and `math` elements are open.
    foreign: u32,
    /// From here on tags and text cannot be told apart with certainty.
    uncertain: bool,
    /// The piece of the page that is being read, and where it starts.
    pub(super) window: Window,
    edits: Vec<(Range<usize>, String, Only)>,
    text: String,
}

impl Reading {
    pub(super) fn new(rules: Rules, base: Option<Base>) -> Self {
        Self {
            splicer: Splicer::default(),
            rules,
            page: Page::default(),
            base,
            based: false,
            skipped: None,
            varies: false,
            foreign: 0,
            uncertain: false,
            window: Window::default(),
            edits: Vec::new(),
            text: String::new(),
        }
    }

    /// Takes one tag that was watched for. The calls for one tag come in the order of the watches.
    pub(super) fn tag(&mut self, watch: Watch, element: &SendElement<'_, '_>, config: &Config) {
        // What is called `iframe` in an SVG is none. HTML in an SVG is left alone: how much of the SVG a stray tag ends, and what a CDATA
        // section is there, is more than lol_html knows.
        if self.uncertain || self.foreign > 0 || element.namespace_uri() != HTML {
            return;
        }
        let start = element.source_location().bytes().start;
        let attributes = element.attributes();
        match watch {
            Watch::Skip => self.skipped = Some(start),
            Watch::Base => self.follow_base(element),
            Watch::Picture => self.varies = false,
            Watch::Source => self.source(attributes, config),
            Watch::Preload => self.page.urgent |= is_urgent_preload(element),
            Watch::Image => self.media(Kind::Image, start + "<img".len(), self.skipped != Some(start), attributes, config),
            Watch::Frame => self.media(Kind::Frame, start + "<iframe".len(), self.skipped != Some(start), attributes, config),
            Watch::Link if is_loaded_by_its_url(element) => self.links(attributes, config),
            Watch::Link | Watch::Foreign => {}
        }
        self.edits.sort_by_key(|(range, ..)| range.start);
        for (range, text, only) in self.edits.drain(..) {
            self.splicer.replace(range, &text, only);
        }
    }

    pub(super) fn foreign_start(&mut self) {
        self.foreign = self.foreign.saturating_add(1);
    }

    /// Takes the end of an `svg` or `math` element. One that is closed by the end of something around it is over for a browser and not
    /// for lol_html, which would go on to read `<style/>` as an empty element and the text behind it as tags.
    pub(super) fn foreign_end(&mut self, name: &str) {
        self.foreign = self.foreign.saturating_sub(1);
        self.uncertain |= !matches!(name, "svg" | "math");
    }

    pub(super) fn is_uncertain(&self) -> bool {
        self.uncertain
    }

    fn follow_base(&mut self, element: &SendElement<'_, '_>) {
        if let (false, Some(base), Some(href)) = (self.based, &mut self.base, element.get_attribute("href")) {
            self.based = true;
            base.follow(&href);
        }
    }

    fn source(&mut self, attributes: &[Attribute<'_>], config: &Config) {
        for attribute in attributes {
            match attribute.name().as_str() {
                "media" => self.varies = true,
                "srcset" => self.varies |= srcset::kind(&attribute.value()) == Srcset::Width,
                _ => {}
            }
        }
        self.links(attributes, config);
    }

    fn media(&mut self, kind: Kind, after_name: usize, wanted: bool, attributes: &[Attribute<'_>], config: &Config) {
        let window = self.window.clone();
        let read = Read::of(attributes, &window);
        let varies = std::mem::take(&mut self.varies);
        self.text.clear();
        if wanted && !read.has_own_document {
            let gain = policy::decide(&read.tag(kind, varies), &mut self.page, self.rules, || {
                config.dimensions.as_ref()?.dimensions(&self.base.as_ref()?.resolve(read.src.as_deref()?)?.path)
            });
            write(&gain, &mut self.text);
            let class = if gain.placeholder { self.class(&read, config) } else { None };
            match (class, read.class) {
                (None, _) => {}
                (Some(class), None) => {
                    // Writing to a string cannot fail.
                    let _ = write!(self.text, " class={class}");
                }
                (Some(class), Some(attribute)) => self.append_class(&class, attribute),
            }
        }
        if !self.text.is_empty() {
            // First, since whatever else is edited stands behind the name.
            self.splicer.replace(after_name..after_name, &self.text, Only::Always);
        }
        if kind == Kind::Image {
            self.links(attributes, config);
        }
    }

    fn class(&self, read: &Read<'_, '_>, config: &Config) -> Option<String> {
        let path = self.base.as_ref()?.resolve(read.src.as_deref()?)?.path;
        let class = config.placeholders.as_ref()?.class(&path)?;
        placeholder::is_plain(&class).then(|| class.into_owned())
    }

    fn append_class(&mut self, class: &str, attribute: &Attribute<'_>) {
        let listed = attribute.value().split_ascii_whitespace().any(|word| word == class);
        if let (false, Some(location)) = (listed, attribute.value_source_location()) {
            let Range { start, end } = location.bytes();
            self.edits.push((end..end, [" ", class].concat(), Only::InQuotes(start)));
        }
    }

    /// Leads the URLs of a tag to their fingerprinted assets.
    fn links(&mut self, attributes: &[Attribute<'_>], config: &Config) {
        let (Some(assets), Some(base)) = (&config.assets, &self.base) else { return };
        for attribute in attributes {
            let Some(at) = attribute.value_source_location().map(|location| location.bytes()) else { continue };
            match attribute.name().as_str() {
                "src" | "href" | "poster" => {
                    let url = asset::link(&attribute.value(), base, &**assets);
                    self.edits.extend(url.map(|url| (at, url, Only::Always)));
                }
                "srcset" | "imagesrcset" => {
                    let found = asset::links(&attribute.value(), base, &**assets).into_iter();
                    self.edits.extend(found.map(|(part, url)| (at.start + part.start..at.start + part.end, url, Only::Always)));
                }
                _ => {}
            }
        }
    }
}

/// A piece of the page. Of a tag that lies within it names and values are read where they stand, which is much of the work saved.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    start: usize,
    bytes: Bytes,
}

impl Window {
    pub(super) fn new(start: usize, bytes: Bytes) -> Self {
        Self { start, bytes }
    }

    fn get(&self, location: Option<SourceLocation>) -> Option<&[u8]> {
        let Range { start, end } = location?.bytes();
        self.bytes.get(start.checked_sub(self.start)?..end.checked_sub(self.start)?)
    }

    /// A name for comparison without regard to case.
    fn name(&self, attribute: &Attribute<'_>) -> Cow<'_, [u8]> {
        self.get(attribute.name_source_location()).map_or_else(|| Cow::Owned(attribute.name().into_bytes()), Cow::Borrowed)
    }

    fn value(&self, attribute: &Attribute<'_>) -> Cow<'_, str> {
        let ascii = self.get(attribute.value_source_location()).filter(|value| value.is_ascii());
        let plain = ascii.and_then(|value| std::str::from_utf8(value).ok());
        plain.map_or_else(|| Cow::Owned(attribute.value()), Cow::Borrowed)
    }
}

/// What of a tag's attributes the policy asks for.
#[derive(Default)]
struct Read<'a, 't> {
    src: Option<Cow<'a, str>>,
    srcset: Srcset,
    sizes: bool,
    width: Option<Length>,
    height: Option<Length>,
    loading: Option<Cow<'a, str>>,
    fetchpriority: Option<Cow<'a, str>>,
    decoding: bool,
    style: Option<Cow<'a, str>>,
    hidden: bool,
    class: Option<&'a Attribute<'t>>,
    /// `srcdoc`: there is nothing to fetch.
    has_own_document: bool,
}

impl<'a, 't> Read<'a, 't> {
    /// Of two attributes with one name the first counts, as in a browser.
    fn of(attributes: &'a [Attribute<'t>], window: &'a Window) -> Self {
        let mut read = Self::default();
        let (mut width, mut height, mut srcset) = (None, None, None);
        for attribute in attributes {
            let first = |slot: &mut Option<Cow<'a, str>>| {
                slot.get_or_insert_with(|| window.value(attribute));
            };
            match Name::of(&window.name(attribute)) {
                Some(Name::Src) => first(&mut read.src),
                Some(Name::Srcset) => first(&mut srcset),
                Some(Name::Sizes) => read.sizes = true,
                Some(Name::Width) => first(&mut width),
                Some(Name::Height) => first(&mut height),
                Some(Name::Loading) => first(&mut read.loading),
                Some(Name::Fetchpriority) => first(&mut read.fetchpriority),
                Some(Name::Decoding) => read.decoding = true,
                Some(Name::Style) => first(&mut read.style),
                Some(Name::Hidden) => read.hidden = true,
                Some(Name::Class) => read.class = read.class.or(Some(attribute)),
                Some(Name::Srcdoc) => read.has_own_document = true,
                None => {}
            }
        }
        read.width = width.as_deref().and_then(Length::parse);
        read.height = height.as_deref().and_then(Length::parse);
        read.srcset = srcset.as_deref().map(srcset::kind).unwrap_or_default();
        read
    }

    fn tag(&self, kind: Kind, varies: bool) -> Tag<'_> {
        Tag {
            kind,
            src: self.src.as_deref(),
            srcset: self.srcset,
            sizes: self.sizes,
            width: self.width,
            height: self.height,
            loading: self.loading.as_deref(),
            fetchpriority: self.fetchpriority.as_deref(),
            decoding: self.decoding,
            style: self.style.as_deref(),
            hidden: self.hidden,
            varies,
        }
    }
}

/// The attributes that the policy asks for.
#[derive(Clone, Copy)]
enum Name {
    Src,
    Srcset,
    Sizes,
    Width,
    Height,
    Loading,
    Fetchpriority,
    Decoding,
    Style,
    Hidden,
    Class,
    Srcdoc,
}

impl Name {
    fn of(name: &[u8]) -> Option<Self> {
        const NAMES: [(&str, Name); 12] = [
            ("src", Name::Src),
            ("srcset", Name::Srcset),
            ("sizes", Name::Sizes),
            ("width", Name::Width),
            ("height", Name::Height),
            ("loading", Name::Loading),
            ("fetchpriority", Name::Fetchpriority),
            ("decoding", Name::Decoding),
            ("style", Name::Style),
            ("hidden", Name::Hidden),
            ("class", Name::Class),
            ("srcdoc", Name::Srcdoc),
        ];
        NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes())).map(|(_, name)| *name)
    }
}

/// Writes the attributes as they stand in the tag: without quotes, so that even in a text mistaken for a tag no quote is opened or closed.
fn write(gain: &Gain, text: &mut String) {
    for (gained, attribute) in [
        (gain.lazy, " loading=lazy"),
        (gain.urgent, " fetchpriority=high"),
        (gain.decoding, " decoding=async"),
        (gain.sizes, " sizes=auto"),
    ] {
        if gained {
            text.push_str(attribute);
        }
    }
    for (attribute, pixels) in [(" width=", gain.width), (" height=", gain.height)] {
        if let Some(pixels) = pixels {
            text.push_str(attribute);
            push_number(text, pixels);
        }
    }
}

/// Many times faster than formatting.
fn push_number(text: &mut String, number: u32) {
    let mut power = 1_000_000_000;
    while power > number && power > 1 {
        power /= 10;
    }
    while power > 0 {
        text.extend(char::from_digit(number / power % 10, 10));
        power /= 10;
    }
}

fn is_urgent_preload(element: &SendElement<'_, '_>) -> bool {
    let is = |name, value| element.get_attribute(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
    is("as", "image") && is("fetchpriority", "high")
}

/// Whether a `link`, `script` or the like may be led to another URL of the same bytes. A module may not: it is its URL, and under two
/// of them it would run twice.
fn is_loaded_by_its_url(element: &SendElement<'_, '_>) -> bool {
    element.get_attribute("rel").is_none_or(|rel| asset::is_loaded_by_link(&rel) || element.tag_name() == "a")
        && element.get_attribute("type").is_none_or(|kind| !kind.trim().eq_ignore_ascii_case("module"))
}

#[cfg(test)]
mod tests {
    use super::push_number;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_written_like_numbers(number in prop_oneof![any::<u32>(), 0_u32..1100, Just(u32::MAX)]) {
            let mut text = String::new();
            push_number(&mut text, number);
            prop_assert_eq!(text, number.to_string());
        }
    }
}
