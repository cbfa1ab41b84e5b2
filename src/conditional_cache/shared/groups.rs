//! Cache groups, [RFC 9875](https://www.rfc-editor.org/rfc/rfc9875).

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, Method};

use super::{
    key::CacheKey,
    store::{Purge, Tags},
};
use crate::core::structured::{Item, list};

const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
const CACHE_GROUP_INVALIDATION: HeaderName = HeaderName::from_static("cache-group-invalidation");

/// The groups that a response belongs to ([§2](https://www.rfc-editor.org/rfc/rfc9875#section-2)).
pub(super) fn groups(response: &HeaderMap, key: &CacheKey) -> Tags {
    named(response, &CACHE_GROUPS, key)
}

/// The groups that a response makes invalid; none if the method is safe, for then the field is to be ignored
/// ([§3](https://www.rfc-editor.org/rfc/rfc9875#section-3)).
pub(super) fn invalidated(method: &Method, response: &HeaderMap, key: &CacheKey) -> Option<Purge> {
    let tags = if method.is_safe() { Tags::default() } else { named(response, &CACHE_GROUP_INVALIDATION, key) };
    (!tags.is_empty()).then(|| Purge::tags(tags))
}

/// A list of strings, in the origin of the key ([§2.1](https://www.rfc-editor.org/rfc/rfc9875#section-2.1)). With any other member in it the
/// whole field is ignored ([RFC 9651 §2](https://www.rfc-editor.org/rfc/rfc9651#section-2)).
fn named(response: &HeaderMap, name: &HeaderName, key: &CacheKey) -> Tags {
    if !response.contains_key(name) {
        return Tags::default();
    }
    let lines: Vec<&[u8]> = response.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
    let text = lines.join(&b","[..]);
    let strings: Option<Vec<Cow<'_, str>>> = list(&text).and_then(|members| {
        let strings = members.into_iter().map(|member| match member {
            Item::String(string) => Some(string),
            _ => None,
        });
        strings.collect()
    });
    Tags::groups(&key.origin_text(), strings.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditional_cache::shared::key::KeyPolicy;
    use http::Uri;
    use proptest::prelude::*;

    fn key(uri: &str) -> CacheKey {
        KeyPolicy::new().key(&uri.parse::<Uri>().unwrap(), &HeaderMap::new(), None).unwrap()
    }

    fn of(lines: &[&str]) -> Tags {
        let headers = lines.iter().map(|line| (CACHE_GROUPS, line.parse().unwrap())).collect();
        groups(&headers, &key("http://a.example/"))
    }

    #[test]
    fn lists_of_strings() {
        let one = Tags::groups("http://a.example", ["a"]);
        let two = Tags::groups("http://a.example", ["a", "b"]);
        for (name, lines, expected) in [
            ("no field", &[][..], Tags::default()),
            ("an empty field", &[""], Tags::default()),
            ("one", &["\"a\""], one.clone()),
            ("two", &["\"b\", \"a\""], two.clone()),
            ("two lines", &["\"a\"", "\"b\""], two),
            ("the same twice", &["\"a\",\"a\""], one.clone()),
            ("with parameters", &["\"a\";x=1;y"], one),
            ("an escape", &["\"a\\\"b\""], Tags::groups("http://a.example", ["a\"b"])),
            ("letter case", &["\"A\""], Tags::groups("http://a.example", ["A"])),
            ("a token", &["\"a\", b"], Tags::default()),
            ("an inner list", &["(\"a\")"], Tags::default()),
            ("no list", &["\"a\" \"b\""], Tags::default()),
            ("a comma at the end", &["\"a\","], Tags::default()),
        ] {
            assert_eq!(of(lines), expected, "{name}");
        }
        let many: Vec<String> = (0..32).map(|number| format!("\"{number:032}\"")).collect();
        assert_eq!(of(&[&many.join(", ")]).iter().count(), 32);
    }

    #[test]
    fn a_group_belongs_to_its_origin() {
        let headers = HeaderMap::from_iter([(CACHE_GROUPS, "\"a\"".parse().unwrap())]);
        let of = |uri| groups(&headers, &key(uri));
        assert_eq!(of("http://a.example/1"), of("http://A.example:80/2"));
        for other in ["https://a.example/", "http://b.example/", "http://a.example:8080/"] {
            assert!(!of("http://a.example/").meet(&of(other)), "{other}");
        }
        assert!(!of("http://a.example/").meet(&Tags::new(["a"])));
    }

    #[test]
    fn only_unsafe_methods_invalidate() {
        let headers = HeaderMap::from_iter([(CACHE_GROUP_INVALIDATION, "\"a\"".parse().unwrap())]);
        for (method, invalidates) in
            [(Method::POST, true), (Method::DELETE, true), (Method::GET, false), (Method::HEAD, false), (Method::OPTIONS, false)]
        {
            assert_eq!(invalidated(&method, &headers, &key("http://a.example/")).is_some(), invalidates, "{method}");
        }
        assert!(invalidated(&Method::POST, &HeaderMap::new(), &key("http://a.example/")).is_none());
    }

    proptest! {
        #[test]
        fn strings_of_any_kind_come_back(names in prop::collection::vec("[ -~]{0,8}", 0..5)) {
            let field = names.iter().map(|name| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))).collect::<Vec<_>>();
            prop_assert_eq!(of(&[&field.join(",")]), Tags::groups("http://a.example", &names));
        }

        #[test]
        fn two_origins_never_meet(one in "[a-z0-9 :/]{1,6}", other in "[a-z0-9 :/]{1,6}", first in "[a-z0-9 :/]{0,6}", second in "[a-z0-9 :/]{0,6}") {
            let met = Tags::groups(&one, [&first]).meet(&Tags::groups(&other, [&second]));
            prop_assert_eq!(met, one == other && first == second);
        }
    }
}
