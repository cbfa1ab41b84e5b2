use http::{HeaderMap, HeaderName, header};

/// What describes the content ([RFC 9110 §8](https://www.rfc-editor.org/rfc/rfc9110#section-8)) or how it was framed, and goes when the
/// content goes. The digests have no names in `http`; [RFC 9530](https://www.rfc-editor.org/rfc/rfc9530) has replaced `digest`, and
/// [RFC 7231](https://www.rfc-editor.org/rfc/rfc7231#appendix-B) dropped `content-md5`; both are still sent.
const CONTENT: [HeaderName; 12] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_RANGE,
    header::CONTENT_DISPOSITION,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// What describes the representation beyond its content: which one it is, and how long it may be kept. The last two overrule `no-store` in the
/// caches that know them ([Edge Architecture](https://www.w3.org/TR/edge-arch/), nginx).
const SELECTED: [HeaderName; 7] = [
    header::CONTENT_LOCATION,
    header::ACCEPT_RANGES,
    header::ETAG,
    header::LAST_MODIFIED,
    header::EXPIRES,
    HeaderName::from_static("surrogate-control"),
    HeaderName::from_static("x-accel-expires"),
];

/// Removes what speaks of content that is not sent.
pub(crate) fn remove_content(headers: &mut HeaderMap) {
    for name in &CONTENT {
        headers.remove(name);
    }
}

/// Removes what speaks of a representation that another takes the place of. `Cache-Control` stays: whoever replaces has a word of its own.
pub(crate) fn remove_representation(headers: &mut HeaderMap) {
    remove_content(headers);
    for name in &SELECTED {
        headers.remove(name);
    }
    // A targeted field would overrule `no-store` in the cache that it is meant for. Their names all end alike (RFC 9213 §2).
    let targeted: Vec<_> = headers.keys().filter(|name| name.as_str().ends_with("-cache-control")).cloned().collect();
    for name in &targeted {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn what_stays() {
        let names = [
            "content-type",
            "digest",
            "content-md5",
            "etag",
            "cdn-cache-control",
            "x-cache-control",
            "surrogate-control",
            "x-accel-expires",
            "cache-control",
            "set-cookie",
            "vary",
        ];
        let full = HeaderMap::from_iter(names.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("x"))));
        for (name, remove, left) in [
            ("content", remove_content as fn(&mut HeaderMap), &names[3..]),
            ("representation", remove_representation, &names[8..]),
        ] {
            let mut headers = full.clone();
            remove(&mut headers);
            let mut kept: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
            kept.sort_by_key(|kept| names.iter().position(|name| name == kept));
            assert_eq!(kept, left, "{name}");
        }
    }
}
