use lol_html::{HtmlRewriter, Settings, element};

use crate::lazy_images::size::Dimensions;

/// The natural size of an SVG: its width and height, of which the `viewBox` may give one
/// ([SVG 2 §8.12](https://www.w3.org/TR/SVG2/coords.html#SizingSVGInCSS)). A `viewBox` alone is a proportion and no size: such an image fills
/// what it is given, and would not if it had a width.
pub(super) fn dimensions(file: &[u8]) -> Option<Dimensions> {
    let mut root = None;
    let settings = Settings::new().with_strict(false).append_element_content_handler(element!("svg", |svg| {
        if root.is_none() {
            root = Some((svg.get_attribute("width"), svg.get_attribute("height"), svg.get_attribute("viewbox")));
        }
        Ok(())
    }));
    // XML that is read like HTML: tags and attributes are the same, and nothing of the rest is asked for. A file that was cut short, or
    // has something else behind its root, has shown it.
    let _ = HtmlRewriter::new(settings, |_: &[u8]| {}).write(file);
    let (width, height, view) = root?;
    let pixels = |value: Option<String>| value.as_deref().map(length);
    match (pixels(width), pixels(height), view.as_deref().and_then(proportion)) {
        (Some(width), Some(height), _) => whole(width?, height?),
        (Some(width), None, Some(proportion)) => whole(width?, width? / proportion),
        (None, Some(height), Some(proportion)) => whole(height? * proportion, height?),
        _ => None,
    }
}

/// A length with an absolute unit, or none, in CSS pixels ([CSS Values 4 §6.2](https://www.w3.org/TR/css-values-4/#absolute-lengths)).
fn length(value: &str) -> Option<f64> {
    let value = value.trim();
    let unit = value.find(|character: char| character.is_ascii_alphabetic() || character == '%').unwrap_or(value.len());
    let (number, unit) = value.split_at_checked(unit)?;
    let pixels = match unit.to_ascii_lowercase().as_str() {
        "" | "px" => 1.0,
        "in" => 96.0,
        "cm" => 96.0 / 2.54,
        "mm" => 96.0 / 25.4,
        "pt" => 96.0 / 72.0,
        "pc" => 16.0,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * pixels).filter(|pixels| pixels.is_finite())
}

/// Width by height of a `viewBox`.
fn proportion(view: &str) -> Option<f64> {
    let mut numbers = view.split([' ', ',', '\t', '\n', '\r']).filter(|part| !part.is_empty()).map(str::parse::<f64>);
    let (_, _, width, height) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    (numbers.next().is_none() && width > 0.0 && height > 0.0).then_some(width / height)
}

fn whole(width: f64, height: f64) -> Option<Dimensions> {
    let pixels = |length: f64| {
        let rounded = length.round();
        // Within the range nothing is lost, and nobody draws larger ones.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
        (1.0..=100_000.0).contains(&rounded).then_some(rounded as u32)
    };
    Dimensions::new(pixels(width)?, pixels(height)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn roots() {
        for (name, svg, expected) in [
            ("width and height", r#"<svg width="60" height="40">"#, Some((60, 40))),
            ("units", r#"<svg width="1in" height="25.4mm">"#, Some((96, 96))),
            ("points", r#"<svg width="75PT" height="6pc">"#, Some((100, 96))),
            ("pixels", r#"<svg width="60px" height=" 40 ">"#, Some((60, 40))),
            ("fractions", r#"<svg width="59.6" height="40.4">"#, Some((60, 40))),
            ("width and view box", r#"<svg width="60" viewBox="0 0 3 2"/>"#, Some((60, 40))),
            ("height and view box", r#"<svg height="40" viewBox="0,0,3,2">"#, Some((60, 40))),
            ("view box alone", r#"<svg viewBox="0 0 3 2">"#, None),
            ("percentages", r#"<svg width="100%" height="100%" viewBox="0 0 3 2">"#, None),
            ("a percentage beside a height", r#"<svg width="100%" height="40" viewBox="0 0 3 2">"#, None),
            ("font-relative", r#"<svg width="60em" height="40em">"#, None),
            ("nothing", "<svg>", None),
            ("zero", r#"<svg width="0" height="40">"#, None),
            ("negative", r#"<svg width="-60" height="40">"#, None),
            ("infinite", r#"<svg width="inf" height="1e999">"#, None),
            ("broken view box", r#"<svg width="60" viewBox="0 0 3">"#, None),
            ("flat view box", r#"<svg width="60" viewBox="0 0 3 0">"#, None),
            (
                "prolog",
                "<?xml version=\"1.0\"?><!DOCTYPE svg [<!ENTITY a \"b\">]><!-- x --><svg width=\"60\" height=\"40\">",
                Some((60, 40)),
            ),
            ("nested", r#"<svg width="60" height="40"><svg width="6" height="4"/></svg>"#, Some((60, 40))),
            ("in a comment", r#"<!--<svg width="60" height="40">-->"#, None),
            ("cut short", r#"<svg width="60" height="40""#, None),
        ] {
            let found = dimensions(svg.as_bytes()).map(|size| (size.width(), size.height()));
            assert_eq!(found, expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[0-9a-z.,%\" -]{0,20}") {
            let _ = dimensions(&bytes);
            let _ = dimensions(format!("<svg width=\"{text}\" height=\"{text}\" viewBox=\"{text}\">").as_bytes());
        }
    }
}
