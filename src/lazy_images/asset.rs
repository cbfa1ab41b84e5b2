use std::ops::Range;

use super::{
    location::{Base, Location},
    srcset::candidates,
};
use crate::core::AssetUrls;

/// The parts of an attribute's value that are replaced, in order.
pub(super) type Replacements = Vec<(Range<usize>, String)>;

/// What becomes of a single URL. One with a query stays: its author versions it already.
pub(super) fn link(value: &str, base: &Base, assets: &dyn AssetUrls) -> Option<String> {
    let Location { path, suffix } = base.resolve(value)?;
    if !suffix.is_empty() && !suffix.starts_with('#') {
        return None;
    }
    let url = assets.url(&path)?;
    (!url.is_empty() && is_plain(&url) && suffix.bytes().all(is_plain_byte_or_hash)).then(|| [&*url, suffix].concat())
}

/// What becomes of the URLs of a `srcset`. Offsets only fit what is ASCII, whatever the page's encoding.
pub(super) fn links(value: &str, base: &Base, assets: &dyn AssetUrls) -> Replacements {
    if !value.is_ascii() {
        return Replacements::new();
    }
    let found = candidates(value).filter_map(|candidate| {
        let url = link(value.get(candidate.url.clone())?, base, assets)?;
        // A comma at its end would be taken for the end of the candidate; `is_plain` lets none through.
        Some((candidate.url, url))
    });
    found.collect()
}

fn is_plain(url: &str) -> bool {
    url.bytes().all(is_plain_byte)
}

fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~/%:@!$*+;?=".contains(&byte)
}

fn is_plain_byte_or_hash(byte: u8) -> bool {
    is_plain_byte(byte) || byte == b'#'
}

/// The `rel` types whose target the page itself loads and whose URL means nothing else.
/// A module is its URL: under two of them it would run twice, so `modulepreload` is not among them.
pub(super) fn is_loaded_by_link(rel: &str) -> bool {
    const LOADED: [&str; 6] = ["stylesheet", "icon", "apple-touch-icon", "mask-icon", "preload", "prefetch"];
    rel.split_ascii_whitespace().any(|word| LOADED.iter().any(|loaded| word.eq_ignore_ascii_case(loaded)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assets(path: &str) -> Option<String> {
        match path {
            "/a.png" => Some("/a.1234.png".into()),
            "/bad.png" => Some("/bad\" onload=x".into()),
            "/comma.png" => Some("/comma,.png".into()),
            _ => None,
        }
    }

    #[test]
    fn single_urls() {
        let base = Base::new(None, "/index.html");
        for (name, url, expected) in [
            ("known", "/a.png", Some("/a.1234.png")),
            ("relative", "a.png", Some("/a.1234.png")),
            ("with a fragment", "a.png#x", Some("/a.1234.png#x")),
            ("with a query", "a.png?v=1", None),
            ("unknown", "b.png", None),
            ("elsewhere", "https://cdn.example/a.png", None),
            ("an URL that would leave its attribute", "/bad.png", None),
            ("a fragment that would", "a.png#'", None),
        ] {
            assert_eq!(link(url, &base, &assets).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn source_sets() {
        let base = Base::new(None, "/index.html");
        let shown = |value: &str| {
            let mut out = value.to_owned();
            for (range, url) in links(value, &base, &assets).into_iter().rev() {
                out.replace_range(range, &url);
            }
            out
        };
        assert_eq!(shown("a.png 1x, b.png 2x,a.png 3x"), "/a.1234.png 1x, b.png 2x,/a.1234.png 3x");
        assert_eq!(shown("comma.png 1x"), "comma.png 1x");
        assert_eq!(shown("straße.png 1x, a.png 2x"), "straße.png 1x, a.png 2x");
    }

    #[test]
    fn rel_types() {
        for (rel, expected) in [
            ("stylesheet", true),
            ("shortcut ICON", true),
            ("preload", true),
            ("modulepreload", false),
            ("canonical", false),
            ("alternate", false),
            ("", false),
        ] {
            assert_eq!(is_loaded_by_link(rel), expected, "{rel:?}");
        }
    }
}
