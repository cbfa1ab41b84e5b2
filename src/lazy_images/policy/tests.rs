use super::*;

fn image() -> Tag<'static> {
    Tag {
        kind: Kind::Image,
        src: Some("a.png"),
        srcset: Srcset::None,
        sizes: false,
        width: Some(Length::Pixels(600)),
        height: Some(Length::Pixels(400)),
        loading: None,
        fetchpriority: None,
        decoding: false,
        style: None,
        hidden: false,
        varies: false,
    }
}

fn frame() -> Tag<'static> {
    Tag { kind: Kind::Frame, src: Some("https://example.org/"), ..image() }
}

fn without_dimensions() -> Tag<'static> {
    Tag { width: None, height: None, ..image() }
}

const RULES: Rules = Rules { eager: 3, hints: Hints::ALL };

/// The attributes gained by `tag` where it is the `nth` on its page, 600×400 being the size of every file.
fn gained(tag: &Tag<'_>, nth: u32, known: bool) -> String {
    let mut page = Page { seen: nth - 1, urgent: nth > 1 };
    shown(decide(tag, &mut page, RULES, || if known { Dimensions::new(600, 400) } else { None }))
}

fn shown(gain: Gain) -> String {
    let mut words: Vec<String> = Vec::new();
    for (gained, word) in [(gain.lazy, "lazy"), (gain.urgent, "high"), (gain.decoding, "async"), (gain.sizes, "sizes")] {
        words.extend(gained.then(|| word.to_owned()));
    }
    words.extend(gain.width.map(|width| format!("w{width}")));
    words.extend(gain.height.map(|height| format!("h{height}")));
    words.join(" ")
}

#[test]
fn images_by_their_place() {
    for (name, tag, nth, expected) in [
        ("first", image(), 1, "high"),
        ("second", image(), 2, "async"),
        ("last eager one", image(), 3, "async"),
        ("first lazy one", image(), 4, "lazy async"),
        ("no dimensions", without_dimensions(), 4, "async"),
        ("no width", Tag { width: None, ..image() }, 4, "async"),
        ("no height", Tag { height: None, ..image() }, 4, "async"),
        ("percentages", Tag { width: Some(Length::Percentage), ..image() }, 4, "lazy async"),
        ("small first", Tag { width: Some(Length::Pixels(100)), ..image() }, 1, "async"),
        ("just large enough", Tag { width: Some(Length::Pixels(125)), ..image() }, 1, "high"),
        ("just too small", Tag { width: Some(Length::Pixels(124)), ..image() }, 1, "async"),
        ("first of unknown size", without_dimensions(), 1, "async"),
        ("first by percentage", Tag { width: Some(Length::Percentage), ..image() }, 1, "async"),
        ("source set alone", Tag { src: None, srcset: Srcset::Density, ..image() }, 4, "lazy async"),
        ("widths without sizes", Tag { srcset: Srcset::Width, ..image() }, 4, "lazy async sizes"),
        ("widths with sizes", Tag { srcset: Srcset::Width, sizes: true, ..image() }, 4, "lazy async"),
        ("densities", Tag { srcset: Srcset::Density, ..image() }, 4, "lazy async"),
        ("eager widths", Tag { srcset: Srcset::Width, ..image() }, 2, "async"),
        ("widths, no dimensions", Tag { srcset: Srcset::Width, ..without_dimensions() }, 4, "async"),
    ] {
        assert_eq!(gained(&tag, nth, false), expected, "{name}");
    }
}

#[test]
fn the_author_wins() {
    for (name, tag, nth, expected) in [
        ("eager", Tag { loading: Some("eager"), ..image() }, 4, "async"),
        ("lazy hero", Tag { loading: Some("lazy"), ..image() }, 1, "async"),
        ("lazy in capitals", Tag { loading: Some("LAZY"), ..image() }, 1, "async"),
        ("empty loading", Tag { loading: Some(""), ..image() }, 4, "async"),
        ("lazy widths", Tag { loading: Some("lazy"), srcset: Srcset::Width, ..image() }, 1, "async sizes"),
        ("decoding", Tag { decoding: true, ..image() }, 4, "lazy"),
        ("high", Tag { fetchpriority: Some("high"), ..image() }, 1, ""),
        ("high below the fold", Tag { fetchpriority: Some("High"), ..image() }, 4, ""),
        ("low first", Tag { fetchpriority: Some("low"), ..image() }, 1, "async"),
        ("low below the fold", Tag { fetchpriority: Some("low"), ..image() }, 4, "lazy async"),
    ] {
        assert_eq!(gained(&tag, nth, false), expected, "{name}");
    }
}

#[test]
fn what_is_neither_touched_nor_counted() {
    for (name, tag) in [
        ("hidden", Tag { hidden: true, ..image() }),
        ("display: none", Tag { style: Some("color: red; DISPLAY : none"), ..image() }),
        ("visibility: hidden", Tag { style: Some("visibility:hidden"), ..image() }),
        ("no URL", Tag { src: None, ..image() }),
        ("empty URL", Tag { src: Some(" "), ..image() }),
        ("data", Tag { src: Some(" DATA:image/gif;base64,R0"), ..image() }),
        ("blob", Tag { src: Some("blob:x"), ..image() }),
        ("pixel", Tag { width: Some(Length::Pixels(1)), height: Some(Length::Pixels(1)), ..image() }),
        ("no pixel at all", Tag { width: Some(Length::Pixels(0)), ..image() }),
        ("spacer", Tag { height: Some(Length::Pixels(4)), ..image() }),
        ("tiny without the other", Tag { width: Some(Length::Pixels(1)), height: None, ..image() }),
        ("frame without a URL", Tag { src: None, ..frame() }),
        ("blank frame", Tag { src: Some("about:blank"), ..frame() }),
        ("script frame", Tag { src: Some("javascript:0"), ..frame() }),
        ("hidden frame", Tag { hidden: true, ..frame() }),
        ("tiny frame", Tag { width: Some(Length::Pixels(1)), ..frame() }),
    ] {
        let mut page = Page { seen: 10, urgent: false };
        assert_eq!(shown(decide(&tag, &mut page, RULES, || None)), "", "{name}");
        assert_eq!(page, Page { seen: 10, urgent: false }, "{name}");
    }
}

#[test]
fn frames() {
    for (name, tag, nth, expected) in [
        ("first", frame(), 1, ""),
        ("later", frame(), 4, "lazy"),
        ("no dimensions", Tag { width: None, height: None, ..frame() }, 4, ""),
        ("by percentage", Tag { width: Some(Length::Percentage), ..frame() }, 4, "lazy"),
        ("eager", Tag { loading: Some("eager"), ..frame() }, 4, ""),
    ] {
        assert_eq!(gained(&tag, nth, true), expected, "{name}");
    }
}

#[test]
fn dimensions_of_the_file() {
    let pixels = |pixels| Some(Length::Pixels(pixels));
    for (name, tag, nth, expected) in [
        ("none given", without_dimensions(), 4, "lazy async w600 h400"),
        ("none given, eager", without_dimensions(), 2, "async w600 h400"),
        ("none given, first", without_dimensions(), 1, "high w600 h400"),
        ("width given", Tag { width: pixels(300), ..without_dimensions() }, 4, "lazy async h200"),
        ("height given", Tag { height: pixels(200), ..without_dimensions() }, 4, "lazy async w300"),
        ("rounded", Tag { width: pixels(100), ..without_dimensions() }, 4, "lazy async h67"),
        ("percentage given", Tag { width: Some(Length::Percentage), ..without_dimensions() }, 4, "async"),
        ("both given", Tag { width: pixels(60), height: pixels(60), ..image() }, 4, "lazy async"),
        ("inline style", Tag { style: Some("width: 10em"), ..without_dimensions() }, 4, "async"),
        ("widths", Tag { srcset: Srcset::Width, ..without_dimensions() }, 4, "async"),
        ("densities", Tag { srcset: Srcset::Density, ..without_dimensions() }, 4, "lazy async w600 h400"),
        ("art direction", Tag { varies: true, ..without_dimensions() }, 4, "async"),
        ("author's lazy", Tag { loading: Some("lazy"), ..without_dimensions() }, 1, "async w600 h400"),
    ] {
        assert_eq!(gained(&tag, nth, true), expected, "{name}");
    }
}

#[test]
fn a_file_that_is_a_pixel_is_a_pixel() {
    let mut page = Page::default();
    assert_eq!(decide(&without_dimensions(), &mut page, RULES, || Dimensions::new(1, 1)), Gain::default());
    assert_eq!(page, Page::default());
}

#[test]
fn the_source_is_asked_only_for_what_is_used() {
    for tag in [image(), frame(), Tag { width: None, style: Some(""), ..image() }, Tag { hidden: true, ..without_dimensions() }] {
        decide(&tag, &mut Page::default(), RULES, || panic!("asked for nothing"));
    }
}

#[test]
fn one_image_of_a_page_is_urgent() {
    let mut page = Page::default();
    let mut next = |tag: Tag<'_>| shown(decide(&tag, &mut page, Rules { eager: 5, ..RULES }, || None));
    assert_eq!(next(Tag { width: Some(Length::Pixels(20)), ..image() }), "async");
    assert_eq!(next(frame()), "");
    assert_eq!(next(image()), "high");
    assert_eq!(next(image()), "async");
    let mut page = Page::default();
    let mut next = |tag: Tag<'_>| shown(decide(&tag, &mut page, RULES, || None));
    assert_eq!(next(Tag { fetchpriority: Some("high"), ..image() }), "");
    assert_eq!(next(image()), "async");
}

#[test]
fn hints_can_be_left_out() {
    let without = |hint| {
        let mut hints = Hints::ALL;
        hints.remove(hint);
        Rules { hints, ..RULES }
    };
    for (name, rules, tag, seen, expected) in [
        ("priority", without(Hint::FetchPriority), image(), 0, "async"),
        ("decoding", without(Hint::Decoding), image(), 3, "lazy"),
        ("sizes", without(Hint::Sizes), Tag { srcset: Srcset::Width, ..image() }, 3, "lazy async"),
        ("frames", without(Hint::Frames), frame(), 3, ""),
        ("other frames", without(Hint::Sizes), frame(), 3, "lazy"),
        ("none eager", Rules { eager: 0, ..RULES }, image(), 0, "lazy async"),
        ("all eager", Rules { eager: u32::MAX, ..RULES }, image(), 9, "high"),
    ] {
        let mut page = Page { seen, urgent: false };
        assert_eq!(shown(decide(&tag, &mut page, rules, || None)), expected, "{name}");
    }
}
