//! What the fuzz targets call: each parser of bytes from outside, with what must hold of its result.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use super::{
    key::{CacheKey, KeyPolicy},
    structured::{Item, dictionary, list},
};

/// Strings that are read are groups, of their own origin alone; what is no list of strings names none.
pub fn groups(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let key = |uri| KeyPolicy::new().key(&Uri::from_static(uri), &HeaderMap::new(), None);
    let (Some(one), Some(other)) = (key("http://a.example/"), key("http://b.example/")) else { return };
    let headers = HeaderMap::from_iter([
        (HeaderName::from_static("cache-groups"), value.clone()),
        (HeaderName::from_static("cache-group-invalidation"), value),
    ]);
    let tags = super::groups::groups(&headers, &one);
    assert!(!tags.meet(&super::groups::groups(&headers, &other)));
    assert_eq!(super::groups::invalidated(&Method::POST, &headers, &one).is_some(), !tags.is_empty());
    assert!(super::groups::invalidated(&Method::GET, &headers, &one).is_none());
    let strings = list(data).filter(|members| members.iter().all(|member| matches!(member, Item::String(_))));
    assert_eq!(strings.is_some_and(|strings| !strings.is_empty()), !tags.is_empty());
}

/// A member of a dictionary is found once, and what is no dictionary has none.
pub fn structured(data: &[u8]) {
    let Some(members) = dictionary(data) else { return };
    for (number, (key, _)) in members.iter().enumerate() {
        assert!(members.iter().skip(number + 1).all(|(other, _)| other != key));
    }
}

/// A host, a path and a query, each on a line: the same request has the same key, which is read back as it was, and another path has another.
pub fn key(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let (Some(host), Some(uri)) = (lines.next().and_then(|host| HeaderValue::from_bytes(host).ok()), lines.next()) else {
        return;
    };
    let Ok(uri) = Uri::try_from(uri) else { return };
    let headers = HeaderMap::from_iter([(header::HOST, host)]);
    for policy in [KeyPolicy::new(), KeyPolicy::new().ignore_query(["a", "b"]), KeyPolicy::new().only_query(["a"])] {
        let Some(key) = policy.key(&uri, &headers, None) else { continue };
        assert_eq!(policy.key(&uri, &headers, None).as_ref(), Some(&key));
        assert_eq!(CacheKey::from_bytes(key.as_bytes()).as_ref(), Some(&key));
        assert!(key.same_url(&key) && key.is_below(&key) && !key.is_divided());
    }
    if let Some(key) = CacheKey::from_bytes(data) {
        assert_eq!(key.as_bytes(), data);
    }
}
