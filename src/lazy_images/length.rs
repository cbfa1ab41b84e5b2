/// The value of a `width` or `height` attribute, by the rules for parsing dimension values
/// ([HTML §2.3.4.4](https://html.spec.whatwg.org/multipage/common-microsyntaxes.html#rules-for-parsing-dimension-values)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// CSS pixels, the fraction dropped.
    Pixels(u32),
    /// A part of the container.
    Percentage,
}

impl Length {
    /// `None` where a browser ignores the attribute too. Trailing garbage is ignored, as browsers do: `50px` is 50 pixels.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let value = value.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']);
        let digits = value.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, mut rest) = value.split_at_checked(digits)?;
        if whole.is_empty() {
            return None;
        }
        // Longer than any screen: still a length, and one that does not overflow.
        let pixels = whole.parse().unwrap_or(u32::MAX);
        if let Some(fraction) = rest.strip_prefix('.') {
            rest = fraction.trim_start_matches(|character: char| character.is_ascii_digit());
        }
        Some(if rest.starts_with('%') { Self::Percentage } else { Self::Pixels(pixels) })
    }
}

#[cfg(test)]
mod tests {
    use super::Length::{self, Percentage, Pixels};
    use proptest::prelude::*;

    #[test]
    fn dimension_values() {
        for (value, expected) in [
            ("600", Some(Pixels(600))),
            (" \n600", Some(Pixels(600))),
            ("600px", Some(Pixels(600))),
            ("600.9", Some(Pixels(600))),
            ("600.", Some(Pixels(600))),
            ("0", Some(Pixels(0))),
            ("100%", Some(Percentage)),
            ("33.3%", Some(Percentage)),
            ("33.x%", Some(Pixels(33))),
            ("99999999999999999999", Some(Pixels(u32::MAX))),
            ("", None),
            ("auto", None),
            ("+600", None),
            ("-600", None),
            (".5", None),
            ("６００", None),
        ] {
            assert_eq!(Length::parse(value), expected, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn whole_pixels_are_read_back(pixels in any::<u32>(), garbage in "[a-z ]{0,5}") {
            prop_assert_eq!(Length::parse(&format!("{pixels}{garbage}")), Some(Pixels(pixels)));
        }

        #[test]
        fn any_text_is_read_without_a_panic(value in any::<String>()) {
            let _ = Length::parse(&value);
        }
    }
}
