//! A token in the query of the URL, [RFC 6750 §2.3](https://www.rfc-editor.org/rfc/rfc6750#section-2.3).

use http::{Uri, uri::PathAndQuery};

use super::candidates::{Candidates, FoundAt};

pub(super) fn find<'a>(uri: &'a Uri, name: &str, seen: &mut Candidates<'a>) {
    let pairs = uri.query().into_iter().flat_map(|query| query.split('&'));
    for value in pairs.filter_map(|pair| value_of(pair, name)).filter(|value| !value.is_empty()) {
        seen.add(value.as_bytes(), FoundAt::Query);
    }
}

fn value_of<'a>(pair: &'a str, name: &str) -> Option<&'a str> {
    pair.strip_prefix(name)?.strip_prefix('=')
}

/// Takes the parameters of that name out of the URL. One without them stays as it is.
pub(super) fn strip_query(uri: &mut Uri, name: &str) {
    let is_token = |pair: &str| value_of(pair, name).is_some();
    let Some(query) = uri.query().filter(|query| query.split('&').any(is_token)) else { return };
    let mut stripped = String::from(uri.path());
    let mut separator = '?';
    for pair in query.split('&').filter(|pair| !is_token(pair)) {
        stripped.push(separator);
        stripped.push_str(pair);
        separator = '&';
    }
    let mut parts = std::mem::take(uri).into_parts();
    // A part of a path and query is one; and without one there is nothing to leak.
    parts.path_and_query = Some(PathAndQuery::try_from(stripped).unwrap_or(PathAndQuery::from_static("/")));
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stripped(uri: &str) -> String {
        let mut uri = uri.parse().unwrap();
        strip_query(&mut uri, "t");
        uri.to_string()
    }

    #[test]
    fn the_token_goes_and_the_rest_stays() {
        for (name, uri, expected) in [
            ("alone", "/a?t=x", "/a"),
            ("first", "/a?t=x&y=1", "/a?y=1"),
            ("last", "/a?y=1&t=x", "/a?y=1"),
            ("twice", "/a?t=x&y=1&t=z", "/a?y=1"),
            ("absolute", "https://api.example/a?t=x&y", "https://api.example/a?y"),
            ("no path", "https://api.example?t=x", "https://api.example/"),
            ("none", "/a?tt=x&T=y", "/a?tt=x&T=y"),
            ("no query", "/a", "/a"),
        ] {
            assert_eq!(stripped(uri), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_the_token_goes(pairs in prop::collection::vec("(t|u)=[a-z]{0,4}", 0..6)) {
            let rest: Vec<_> = pairs.iter().filter(|pair| !pair.starts_with('t')).cloned().collect();
            let expected = if rest.is_empty() { "/p".to_owned() } else { format!("/p?{}", rest.join("&")) };
            prop_assume!(!pairs.is_empty());
            prop_assert_eq!(stripped(&format!("/p?{}", pairs.join("&"))), expected);
        }
    }
}
