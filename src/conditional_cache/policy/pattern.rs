//! What a rule compares: paths and media types.

/// A pattern of paths: segments between slashes, `*` for any characters of one segment, `**` for any number of segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathPattern(Box<[Segment]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    AnyNumber,
    Glob(Box<str>),
}

impl PathPattern {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let segments = text.strip_prefix('/')?.split('/').map(|segment| match segment {
            "**" => Some(Segment::AnyNumber),
            _ if segment.contains("**") || segment.contains(['?', '#']) => None,
            _ => Some(Segment::Glob(segment.into())),
        });
        segments.collect::<Option<_>>().map(Self)
    }

    /// Whether the whole path fits.
    ///
    /// What matches the rest is retried at each later segment for the last `**` only, so the time is at most pattern × path.
    pub(super) fn matches(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else { return false };
        let (mut at, mut segments) = (0, path.split('/'));
        let mut retry = None;
        loop {
            let mut ahead = segments.clone();
            match (self.0.get(at), ahead.next()) {
                (None, None) => return true,
                (Some(Segment::AnyNumber), _) => {
                    at += 1;
                    retry = Some((at, segments.clone()));
                    continue;
                }
                (Some(Segment::Glob(glob)), Some(segment)) if glob_matches(glob, segment) => {
                    at += 1;
                    segments = ahead;
                    continue;
                }
                _ => {}
            }
            let Some((after, from)) = &mut retry else { return false };
            if from.next().is_none() {
                return false;
            }
            (at, segments) = (*after, from.clone());
        }
    }
}

/// `*` is any run of characters; the time is at most glob × text for the same reason.
fn glob_matches(glob: &str, text: &str) -> bool {
    let (mut glob, mut text) = (glob.as_bytes(), text.as_bytes());
    let mut retry = None;
    loop {
        match (glob, text) {
            ([], []) => return true,
            ([b'*', rest @ ..], _) => {
                glob = rest;
                retry = Some((rest, text));
            }
            ([expected, glob_rest @ ..], [found, text_rest @ ..]) if expected == found => (glob, text) = (glob_rest, text_rest),
            _ => {
                let Some((after, [_, from @ ..])) = retry else { return false };
                (glob, text) = (after, from);
                retry = Some((after, from));
            }
        }
    }
}

/// Whether everybody reads the path alike.
///
/// A rule that makes answers public must not be reached by a detour: what a router, a file system or a cache resolves differently
/// (`/assets/..%2faccount`, `/assets/../account`, `\`) fits no pattern at all.
pub(super) fn is_unambiguous(path: &str) -> bool {
    let escapes = path.split('%').skip(1);
    let hidden = escapes.filter_map(|after| after.get(..2)).any(|code| {
        ["2f", "2e", "5c", "00", "3f", "23", "3b", "25"].iter().any(|unsafe_code| unsafe_code.eq_ignore_ascii_case(code))
    });
    !hidden && !path.contains(['\\', ';']) && path.split('/').all(|segment| !matches!(segment, "." | ".."))
}

/// A media type, or `type/*`, or `*/*`; parameters are not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MediaPattern {
    main: Box<str>,
    sub: Box<str>,
}

impl MediaPattern {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (main, sub) = text.split_once('/')?;
        let token = |text: &str| crate::core::header::is_token(text.as_bytes());
        let valid = token(main) && token(sub) && (main != "*" || sub == "*");
        valid.then(|| Self { main: main.into(), sub: sub.into() })
    }

    pub(super) fn matches(&self, content_type: &str) -> bool {
        let Some((main, sub)) = essence(content_type).split_once('/') else { return false };
        let fits = |pattern: &str, found: &str| pattern == "*" || pattern.eq_ignore_ascii_case(found);
        fits(&self.main, main) && fits(&self.sub, sub)
    }
}

/// A media type without its parameters.
pub(super) fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths() {
        for (pattern, path, expected) in [
            ("/", "/", true),
            ("/", "/a", false),
            ("/a", "/a", true),
            ("/a", "/A", false),
            ("/a", "/a/", false),
            ("/*", "/a", true),
            ("/*", "/", true),
            ("/*", "/a/b", false),
            ("/**", "/", true),
            ("/**", "/a/b/c", true),
            ("/assets/**", "/assets/x/y.js", true),
            ("/assets/**", "/assets", true),
            ("/assets/**", "/assetsx", false),
            ("/**/*.css", "/a/b/c.css", true),
            ("/**/*.css", "/c.css", true),
            ("/**/*.css", "/c.css/d", false),
            ("/**/b/**/d", "/a/b/c/b/x/d", true),
            ("/**/b/**/d", "/a/b/c/b/x", false),
            ("/a*b*c", "/axxbyybzc", true),
            ("/a*b*c", "/axxbyybz", false),
            ("/users/*/photo", "/users/7/photo", true),
            ("/users/*/photo", "/users/7/8/photo", false),
        ] {
            assert_eq!(PathPattern::parse(pattern).unwrap().matches(path), expected, "{pattern} {path}");
        }
        for pattern in ["", "a", "*", "/a**", "/**a/b", "/a?b", "/a#b"] {
            assert_eq!(PathPattern::parse(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn detours() {
        for (path, expected) in [
            ("/assets/app.js", true),
            ("/assets/%C3%A4.js", true),
            ("/assets/...", true),
            ("/assets/../account", false),
            ("/assets/./x", false),
            ("/assets/..%2Faccount", false),
            ("/assets/%2e%2E/account", false),
            ("/assets/..\\account", false),
            ("/account;x.css", false),
            ("/account%3Bx.css", false),
            ("/account%00.css", false),
            ("/account%252f.css", false),
        ] {
            assert_eq!(is_unambiguous(path), expected, "{path}");
        }
    }

    #[test]
    fn media_types() {
        for (pattern, content_type, expected) in [
            ("text/html", "Text/HTML; charset=utf-8", true),
            ("text/html", "text/html ;x", true),
            ("text/html", "text/htmlx", false),
            ("text/*", "text/css", true),
            ("text/*", "image/png", false),
            ("*/*", "image/png", true),
            ("*/*", "nonsense", false),
        ] {
            assert_eq!(MediaPattern::parse(pattern).unwrap().matches(content_type), expected, "{pattern} {content_type}");
        }
        for pattern in ["", "text", "text/", "*/html", "text/html; charset=utf-8", "a/b/c"] {
            assert_eq!(MediaPattern::parse(pattern), None, "{pattern}");
        }
    }

    /// Written from the definition alone, exponential and obvious.
    fn oracle(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern, path) {
            ([], []) => true,
            (["**", rest @ ..], _) => (0..=path.len()).any(|skipped| oracle(rest, &path[skipped..])),
            ([glob, rest @ ..], [segment, path @ ..]) => (*glob == "*" || glob == segment) && oracle(rest, path),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn the_definition_is_met(
            pattern in prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "**"]), 1..6),
            path in prop::collection::vec(prop::sample::select(vec!["a", "b", ""]), 1..7),
        ) {
            let compiled = PathPattern::parse(&format!("/{}", pattern.join("/"))).unwrap();
            prop_assert_eq!(compiled.matches(&format!("/{}", path.join("/"))), oracle(&pattern, &path));
        }

        #[test]
        fn any_text_is_matched_without_a_panic(pattern in "[/*ab?]{0,12}", path in any::<String>()) {
            let _ = is_unambiguous(&path);
            if let Some(pattern) = PathPattern::parse(&pattern) {
                let _ = pattern.matches(&path);
            }
        }
    }
}
