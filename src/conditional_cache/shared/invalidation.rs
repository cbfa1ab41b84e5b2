//! What a write makes invalid, [RFC 9111 §4.4](https://www.rfc-editor.org/rfc/rfc9111#section-4.4).

use http::{HeaderMap, HeaderName, StatusCode, Uri, header, uri::PathAndQuery};

use crate::core::header::only;

/// What stops being true when a request of an unsafe method is answered so: the target itself, and what the response names by `Location` and
/// `Content-Location`, within the same origin. Nothing, if it failed.
pub(super) fn invalidated(target: &Uri, status: StatusCode, response: &HeaderMap) -> impl Iterator<Item = Uri> {
    let done = status.is_success() || status.is_redirection();
    let named = [header::LOCATION, header::CONTENT_LOCATION].into_iter().filter_map(|name| named(target, response, &name));
    done.then(|| std::iter::once(target.clone()).chain(named)).into_iter().flatten()
}

/// Whether the response to a POST also answers a later GET: it says that it is what its own target holds
/// ([RFC 9110 §9.3.3](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.3)).
pub(super) fn represents_its_target(target: &Uri, response: &HeaderMap) -> bool {
    named(target, response, &header::CONTENT_LOCATION).is_some_and(|location| {
        location.path_and_query().map(PathAndQuery::as_str) == target.path_and_query().map(PathAndQuery::as_str)
    })
}

/// The URI that a field names; `None` if it is of another origin, or none at all.
fn named(target: &Uri, response: &HeaderMap, name: &HeaderName) -> Option<Uri> {
    resolve(target, only(response, name)?.to_str().ok()?)
}

/// Resolves a reference within the origin of `target` ([RFC 3986 §5.2](https://www.rfc-editor.org/rfc/rfc3986#section-5.2)). A target in
/// origin-form has an authority that is not in it: then a reference that has one is taken to be of that origin only by whoever compares
/// the keys, so it is returned with its own.
fn resolve(target: &Uri, reference: &str) -> Option<Uri> {
    let reference = reference.split('#').next().unwrap_or_default().trim();
    if has_scheme(reference) || reference.starts_with("//") {
        let absolute = if has_scheme(reference) { reference.parse() } else { format!("http:{reference}").parse() };
        return absolute.ok().filter(|uri: &Uri| uri.scheme().is_some() && uri.host().is_some());
    }
    let base = target.path();
    let (path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (reference, None),
    };
    let (path, query) = match path {
        "" => (base.to_owned(), query.or(target.query())),
        path if path.starts_with('/') => (without_dots(path), query),
        path => (without_dots(&format!("{}{path}", base.get(..=base.rfind('/')?)?)), query),
    };
    let relative = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
    let mut parts = target.clone().into_parts();
    parts.path_and_query = Some(relative.parse().ok()?);
    Uri::from_parts(parts).ok()
}

fn has_scheme(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    })
}

/// An absolute path without `.` and `..` ([RFC 3986 §5.2.4](https://www.rfc-editor.org/rfc/rfc3986#section-5.2.4)).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn resolved(target: &str, reference: &str) -> Option<String> {
        resolve(&target.parse().unwrap(), reference).map(|uri| uri.to_string())
    }

    #[test]
    fn references() {
        for (name, target, reference, expected) in [
            ("an absolute path", "/a/b", "/c", Some("/c")),
            ("a relative path", "/a/b", "c", Some("/a/c")),
            ("one up", "/a/b/c", "../d", Some("/a/d")),
            ("above the root", "/a", "../../d", Some("/d")),
            ("this", "/a/b", ".", Some("/a/")),
            ("only a query", "/a/b?x", "?y", Some("/a/b?y")),
            ("nothing", "/a/b?x", "", Some("/a/b?x")),
            ("a fragment", "/a/b", "c#d", Some("/a/c")),
            ("of a target in absolute-form", "http://h/a/b", "c", Some("http://h/a/c")),
            ("absolute", "/a", "http://other/x", Some("http://other/x")),
            ("without a scheme", "/a", "//other/x", Some("http://other/x")),
            ("of no host", "/a", "mailto:a@b", None),
            ("no reference", "/a", "http://[", None),
            ("a colon in a path", "/a/b", "./c:d", Some("/a/c:d")),
        ] {
            assert_eq!(resolved(target, reference).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn writes() {
        let target: Uri = "/a/b".parse().unwrap();
        let named = |location: &'static str, content_location: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, HeaderValue::from_static(location));
            headers.insert(header::CONTENT_LOCATION, HeaderValue::from_static(content_location));
            headers
        };
        for (name, status, headers, expected) in [
            ("nothing named", 200, HeaderMap::new(), &["/a/b"][..]),
            ("both named", 201, named("/c", "d"), &["/a/b", "/c", "/a/d"]),
            ("a redirection", 303, named("/c", "http://["), &["/a/b", "/c"]),
            ("refused", 403, named("/c", "d"), &[]),
            ("failed", 500, named("/c", "d"), &[]),
        ] {
            let uris: Vec<_> =
                invalidated(&target, StatusCode::from_u16(status).unwrap(), &headers).map(|uri| uri.to_string()).collect();
            assert_eq!(uris, expected, "{name}");
        }
    }

    #[test]
    fn an_answer_that_is_what_its_target_holds() {
        let target: Uri = "/a/b?c".parse().unwrap();
        for (location, expected) in [("/a/b?c", true), ("b?c", true), ("", true), ("/a/b", false), ("/x", false)] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_LOCATION, HeaderValue::from_static(location));
            assert_eq!(represents_its_target(&target, &headers), expected, "{location}");
        }
        assert!(!represents_its_target(&target, &HeaderMap::new()));
    }

    proptest! {
        #[test]
        fn any_reference_is_resolved_without_a_panic(reference in "[a-z./?#:%-]{0,20}|\\PC{0,20}") {
            if let Some(uri) = resolved("/a/b/c?d", &reference) {
                prop_assert!(uri.starts_with('/') || uri.contains("://"));
            }
        }
    }
}
