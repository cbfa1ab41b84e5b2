//! What the fuzz targets call: each parser of bytes from outside, with what must hold of its result.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use super::{
    directives::{Directives, Source},
    invalidation,
    key::{CacheKey, KeyPolicy},
    partial::Place,
    profile::Likeness,
    vary::{self, Vary},
};
use crate::core::structured::{Item, dictionary, list};

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

/// A targeted field counts if it is a dictionary with members, and of nothing that it says is anything lost by reading it twice.
pub fn directives(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let name = HeaderName::from_static("cdn-cache-control");
    let headers = HeaderMap::from_iter([(name.clone(), value.clone()), (header::CACHE_CONTROL, value)]);
    let read = Directives::of(&headers, &[name]);
    let is_dictionary = dictionary(data).is_some_and(|members| !members.is_empty());
    assert!(is_dictionary || read.source == Source::CacheControl);
    assert!(read.control.max_age().is_none_or(|age| age.as_secs() <= 1 << 31));
}

/// `Vary`, then fields of a request, each on a line: a request is like itself, and like one in which they come in the same lines again.
pub fn vary(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n').map(HeaderValue::from_bytes);
    let Some(Ok(varies)) = lines.next() else { return };
    let vary = Vary::of(&HeaderMap::from_iter([(header::VARY, varies)]));
    let names = [header::ACCEPT, header::ACCEPT_LANGUAGE, header::ACCEPT_ENCODING, HeaderName::from_static("x")];
    let mut request = HeaderMap::new();
    for (name, value) in names.iter().cycle().zip(lines.flatten()) {
        request.append(name, value);
    }
    for likeness in [Likeness::Exact, Likeness::Wide] {
        let selecting = vary.selecting(&request, likeness);
        assert!(vary::selects(&selecting, &request, likeness));
        assert_eq!(vary.selecting(&request, likeness), selecting);
    }
}

/// A part lies within its whole.
pub fn content_range(data: &[u8]) {
    if let Some(Place { start, end, complete_length }) = Place::parse(data) {
        assert!(start < end && complete_length.is_none_or(|length| end <= length));
    }
}

/// A reference is resolved to a path or to another URI, never to nothing in between.
pub fn reference(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let headers = HeaderMap::from_iter([(header::LOCATION, value)]);
    let target = Uri::from_static("/a/b/c?d");
    for uri in invalidation::invalidated(&target, http::StatusCode::OK, &headers) {
        assert!(uri.path().starts_with('/') || uri.host().is_some());
    }
}
