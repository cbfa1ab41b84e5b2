//! What the fuzz targets call.

use std::{collections::BTreeMap, path::Component};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use super::{
    coding::{Choice, Coding, choose},
    css::{references, rewrite},
    name::{is_servable, requested},
    source::{Content, Source},
};

/// Rewriting changes names of files and nothing else that is referred to.
pub(in super::super) fn fuzz_stylesheet(css: &str) {
    let found = references(css);
    assert!(found.is_sorted_by(|one, other| one.range.end <= other.range.start));
    let mut sources = BTreeMap::from([
        ("a.css".to_owned(), Source::held(Bytes::from(css.to_owned()))),
        ("x".to_owned(), Source::held(Bytes::from_static(b"x"))),
    ]);
    rewrite(&mut sources, "/assets");
    let Some(Content::Held(bytes)) = sources.get("a.css").map(|source| &source.content) else { return };
    let after = references(std::str::from_utf8(bytes).unwrap_or_default());
    assert_eq!(found.len(), after.len());
    for (before, after) in found.iter().zip(&after) {
        assert!(before.url == after.url || after.url.contains(&hashed_x()));
    }
}

fn hashed_x() -> String {
    super::name::hashed("x", &Source::held(Bytes::from_static(b"x")).digest)
}

pub(in super::super) fn fuzz_path(path: &str) {
    if let Some(name) = requested(path) {
        assert!(is_servable(&name));
        assert!(std::path::Path::new(&*name).components().all(|part| matches!(part, Component::Normal(_))));
    }
}

pub(in super::super) fn fuzz_accept_encoding(data: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(data) {
        let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)]);
        assert_ne!(choose(&headers, |coding| coding == Coding::Gzip), Choice::Coded(Coding::Brotli));
    }
}
