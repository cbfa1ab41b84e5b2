use std::ops::Range;

use super::policy::Srcset;

/// One image candidate string: where its URL stands in the attribute, and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate<'a> {
    pub(super) url: Range<usize>,
    pub(super) descriptors: &'a str,
}

/// The candidates of a `srcset` attribute, split as a browser splits them
/// ([HTML §4.8.4.3.11](https://html.spec.whatwg.org/multipage/images.html#parse-a-srcset-attribute)). Descriptors are not validated.
pub(super) fn candidates(value: &str) -> impl Iterator<Item = Candidate<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += length_of(value.get(at..)?, |byte| is_space(byte) || byte == b',');
        let rest = value.get(at..).filter(|rest| !rest.is_empty())?;
        let end = length_of(rest, |byte| !is_space(byte));
        let url = rest.get(..end)?.trim_end_matches(',');
        let range = at..at + url.len();
        at += end;
        if url.len() < end {
            // A comma right behind the URL ends the candidate.
            return Some(Candidate { url: range, descriptors: "" });
        }
        let rest = value.get(at..)?;
        let descriptors = rest.get(..end_of_descriptors(rest))?;
        at += descriptors.len();
        Some(Candidate { url: range, descriptors: descriptors.trim_matches([' ', '\t', '\n', '\r', '\x0c']) })
    })
}

/// Which descriptors a `srcset` uses: one width descriptor makes it a choice by width.
pub(super) fn kind(value: &str) -> Srcset {
    let mut kind = Srcset::None;
    for candidate in candidates(value) {
        kind = Srcset::Density;
        if candidate.descriptors.split_ascii_whitespace().any(|descriptor| descriptor.ends_with('w')) {
            return Srcset::Width;
        }
    }
    kind
}

/// Up to the comma that stands outside of parentheses.
fn end_of_descriptors(rest: &str) -> usize {
    let mut inside = false;
    length_of(rest, |byte| {
        inside = byte == b'(' || (inside && byte != b')');
        byte != b',' || inside
    })
}

fn length_of(text: &str, mut holds: impl FnMut(u8) -> bool) -> usize {
    text.bytes().take_while(|byte| holds(*byte)).count()
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(value: &str) -> Vec<(&str, &str)> {
        candidates(value).map(|candidate| (&value[candidate.url], candidate.descriptors)).collect()
    }

    #[test]
    fn candidate_lists() {
        for (name, value, expected) in [
            ("one", "a.png", vec![("a.png", "")]),
            ("density", "a.png, b.png 2x", vec![("a.png", ""), ("b.png", "2x")]),
            ("width", "a.png 300w,b.png 600w", vec![("a.png", "300w"), ("b.png", "600w")]),
            ("comma in a URL", "a,b.png 1x", vec![("a,b.png", "1x")]),
            ("commas around", ", ,a.png,, b.png,", vec![("a.png", ""), ("b.png", "")]),
            ("parentheses", "a.png f(1,2) 3x, b.png", vec![("a.png", "f(1,2) 3x"), ("b.png", "")]),
            ("open parenthesis", "a.png f(1,2 , b.png", vec![("a.png", "f(1,2 , b.png")]),
            ("all kinds of space", "\n a.png\t1x ,\r\n b.png\x0c2x ", vec![("a.png", "1x"), ("b.png", "2x")]),
            ("nothing", " ,, ", vec![]),
            ("not ASCII", "straße.png 2x", vec![("straße.png", "2x")]),
        ] {
            assert_eq!(shown(value), expected, "{name}");
        }
    }

    #[test]
    fn kinds() {
        for (value, expected) in [
            ("", Srcset::None),
            (" , ", Srcset::None),
            ("a.png", Srcset::Density),
            ("a.png, b.png 2x", Srcset::Density),
            ("w.png 1x", Srcset::Density),
            ("a.png 300w", Srcset::Width),
            ("a.png, b.png 2x, c.png 600w 400h", Srcset::Width),
        ] {
            assert_eq!(kind(value), expected, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn every_url_is_a_part_of_the_value_in_order(value in "[a-z,() é\n]{0,60}") {
            let mut last = 0;
            for candidate in candidates(&value) {
                prop_assert!(candidate.url.start >= last && !value[candidate.url.clone()].is_empty());
                last = candidate.url.end;
            }
        }
    }
}
