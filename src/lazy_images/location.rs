//! From the URL in an attribute to the path of a file on this server.

use std::borrow::Cow;

use crate::core::path::decode;

/// Against what a page's relative URLs are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    /// The host and port that the page was asked from.
    authority: Option<Box<str>>,
    /// The directory of the page, from `/` to `/`; `None` if `<base>` points elsewhere.
    directory: Option<Box<str>>,
}

impl Base {
    pub(super) fn new(authority: Option<&str>, page: &str) -> Self {
        Self { authority: authority.map(Into::into), directory: directory_of(page).map(Into::into) }
    }

    /// Follows the first `<base href>` of the page ([HTML §4.2.3](https://html.spec.whatwg.org/multipage/semantics.html#the-base-element)).
    pub(super) fn follow(&mut self, href: &str) {
        self.directory = self.path_of(href).as_ref().and_then(|path| directory_of(&path.path)).map(Into::into);
    }

    /// The path that a URL leads to on this server; `None` if it leads elsewhere or could be read in two ways.
    pub(super) fn resolve<'a>(&self, url: &'a str) -> Option<Location<'a>> {
        if is_plain(url) {
            return Some(Location { path: Cow::Borrowed(url), suffix: "" });
        }
        let Unresolved { path, suffix } = self.path_of(url)?;
        Some(Location { path: decode(without_dots(path)?)?, suffix })
    }

    fn path_of<'a>(&self, url: &'a str) -> Option<Unresolved<'a>> {
        let url = url.trim_matches(|character: char| character.is_ascii_whitespace());
        // A browser drops tabs and newlines, turns backslashes, and decodes references: none of them belongs into an ordinary URL.
        if url.bytes().any(|byte| byte.is_ascii_control() || byte == b'\\') {
            return None;
        }
        let (address, suffix) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
        if address.contains('&') {
            return None;
        }
        let path = match self.strip_origin(address)? {
            // A query or a fragment alone is the page itself.
            "" => return None,
            path if path.starts_with('/') => Cow::Borrowed(path),
            path => Cow::Owned([self.directory.as_deref()?, path].concat()),
        };
        Some(Unresolved { path, suffix })
    }

    /// The path of a URL of this very server, and whatever is a path already.
    fn strip_origin<'a>(&self, address: &'a str) -> Option<&'a str> {
        let rest = match scheme(address) {
            Some(scheme) if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") => {
                address.get(scheme.len() + 1..)?
            }
            Some(_) => return None,
            None => address,
        };
        match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/')?);
                authority.eq_ignore_ascii_case(self.authority.as_deref()?).then_some(path)
            }
            // `https:a.png` is relative in some contexts and not in others.
            None if rest.len() < address.len() => None,
            None => Some(rest),
        }
    }
}

struct Unresolved<'a> {
    path: Cow<'a, str>,
    suffix: &'a str,
}

/// A file of this server, named by a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location<'a> {
    /// Absolute, decoded, without dot segments.
    pub(super) path: Cow<'a, str>,
    /// The query and the fragment, as written.
    pub(super) suffix: &'a str,
}

/// Whether a URL is such a path already, as most are.
fn is_plain(url: &str) -> bool {
    let mut before = b' ';
    for byte in url.bytes() {
        let plain = match byte {
            b'/' => matches!(before, b' ') || is_plain_byte(before),
            b'.' => is_plain_byte(before),
            byte => is_plain_byte(byte),
        };
        if !plain {
            return false;
        }
        before = byte;
    }
    url.starts_with('/') && is_plain_byte(before)
}

/// What may stand anywhere in a segment.
fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn directory_of(path: &str) -> Option<&str> {
    path.get(..=path.rfind('/')?)
}

/// `name` of `name:rest` ([RFC 3986 §3.1](https://www.rfc-editor.org/rfc/rfc3986#section-3.1)).
fn scheme(address: &str) -> Option<&str> {
    let (scheme, _) = address.split_once(':')?;
    let first = scheme.bytes().next()?;
    let plain = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    (first.is_ascii_alphabetic() && plain).then_some(scheme)
}

/// Removes dot segments ([RFC 3986 §5.2.4](https://www.rfc-editor.org/rfc/rfc3986#section-5.2.4)); `None` for an empty segment inside,
/// which file servers treat differently.
fn without_dots(path: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let segments = path.strip_prefix('/')?.split('/');
    if segments.clone().all(|segment| !matches!(segment, "" | "." | "..")) {
        return Some(path);
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_directory = false;
    for segment in segments {
        ends_in_directory = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    if ends_in_directory || path.contains("//") {
        return None;
    }
    Some(Cow::Owned(["/", &kept.join("/")].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resolve(url: &str) -> Option<(String, &str)> {
        let base = Base::new(Some("example.org:8080"), "/docs/guide/index.html");
        base.resolve(url).map(|location| (location.path.into_owned(), location.suffix))
    }

    #[test]
    fn urls() {
        for (name, url, expected) in [
            ("absolute path", "/img/a.png", Some(("/img/a.png", ""))),
            ("relative", "a.png", Some(("/docs/guide/a.png", ""))),
            ("up", "../img/a.png", Some(("/docs/img/a.png", ""))),
            ("beyond the root", "../../../../a.png", Some(("/a.png", ""))),
            ("here", "./a.png", Some(("/docs/guide/a.png", ""))),
            ("query", "/a.png?v=2#x", Some(("/a.png", "?v=2#x"))),
            ("fragment", "/a.svg#icon", Some(("/a.svg", "#icon"))),
            ("space around", " /a.png\n", Some(("/a.png", ""))),
            ("encoded", "/tower%20at%20dawn.png", Some(("/tower at dawn.png", ""))),
            ("encoded UTF-8", "/stra%C3%9Fe.png", Some(("/straße.png", ""))),
            ("UTF-8", "/straße.png", Some(("/straße.png", ""))),
            ("this server", "http://example.org:8080/a.png", Some(("/a.png", ""))),
            ("this server without a scheme", "//EXAMPLE.org:8080/a.png", Some(("/a.png", ""))),
            ("another server", "https://cdn.example.org/a.png", None),
            ("another port", "http://example.org/a.png", None),
            ("user information", "http://me@example.org:8080/a.png", None),
            ("another scheme", "data:image/png;base64,AAAA", None),
            ("a scheme alone", "https:a.png", None),
            ("a colon in a file name", "./a:b.png", Some(("/docs/guide/a:b.png", ""))),
            ("encoded separator", "/img%2Fa.png", None),
            ("encoded backslash", "/img%5Ca.png", None),
            ("encoded dots", "/img/%2e%2e/a.png", None),
            ("doubly encoded", "/img/%252e%252e/a.png", None),
            ("encoded NUL", "/a.png%00.txt", None),
            ("broken encoding", "/a%2", None),
            ("not UTF-8", "/%ff.png", None),
            ("backslash", "\\a.png", None),
            ("newline inside", "/a\n.png", None),
            ("reference", "/a&#46;png", None),
            ("reference in the query", "/a.png?x&amp;y", Some(("/a.png", "?x&amp;y"))),
            ("empty segment", "/img//a.png", None),
            ("directory", "/img/", None),
            ("the page itself", "?x", None),
            ("nothing", "", None),
        ] {
            assert_eq!(resolve(url), expected.map(|(path, suffix)| (path.to_owned(), suffix)), "{name}");
        }
    }

    #[test]
    fn a_base_element_moves_relative_urls() {
        for (name, href, expected) in [
            ("path", "/other/", Some("/other/a.png")),
            ("file", "/other/page.html", Some("/other/a.png")),
            ("relative", "..", Some("/docs/guide/a.png")),
            ("this server", "http://example.org:8080/x/", Some("/x/a.png")),
            ("another server", "https://cdn.example/", None),
            ("nonsense", "data:,", None),
        ] {
            let mut base = Base::new(Some("example.org:8080"), "/docs/guide/index.html");
            base.follow(href);
            assert_eq!(base.resolve("a.png").map(|location| location.path).as_deref(), expected, "{name}");
            assert_eq!(base.resolve("/b.png").map(|location| location.path).as_deref(), Some("/b.png"), "{name}");
        }
    }

    #[test]
    fn the_short_way_is_the_long_way() {
        for (url, expected) in [
            ("/img/a.png", true),
            ("/a-1_B/c.d.e", true),
            ("img/a.png", false),
            ("/", false),
            ("/a/", false),
            ("/a//b", false),
            ("/a./b", false),
            ("/.a", false),
            ("/a..b", false),
            ("/a%20b", false),
            ("/a?b", false),
            ("//a", false),
            ("", false),
        ] {
            assert_eq!(is_plain(url), expected, "{url}");
        }
    }

    proptest! {
        #[test]
        fn a_plain_path_is_itself(url in "/[a-z/.-]{1,12}") {
            if is_plain(&url) {
                prop_assert_eq!(without_dots(Cow::Borrowed(&url)).and_then(decode), Some(Cow::Borrowed(&*url)));
            }
        }

        #[test]
        fn a_path_never_climbs(url in "[a-zé./%2eE5cCfF?#:&\\\\ ]{0,30}") {
            if let Some((path, _)) = resolve(&url) {
                prop_assert!(path.starts_with('/'));
                prop_assert!(path.split('/').skip(1).all(|segment| !matches!(segment, "" | "." | "..")));
                prop_assert!(!path.contains('\\') && !path.contains('\0'));
            }
        }

        #[test]
        fn any_text_is_resolved_without_a_panic(url in any::<String>()) {
            let _ = resolve(&url);
        }
    }
}
