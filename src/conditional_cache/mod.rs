//! Entity tags, conditional requests and `Cache-Control`, so that what a client has is not sent again and what it must not keep is not
//! kept.
//!
//! # Rules
//!
//! 1. A 200 to GET without `ETag` gets one, made from its content: SHA-256 cut to 128 bits
//!    ([RFC 9110 §8.8.3](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3)). The handler's own `ETag` and `Last-Modified` always win.
//!    Event streams, `no-store`, `no-transform`, empty and larger responses are left as they are.
//! 2. To make the tag the content is held back, up to [`max_buffered`](ConditionalCacheLayer::max_buffered). A response whose size is
//!    unknown is held only as long as it is ready; the moment it lets us wait, it is streamed. What is known to be too large is never held.
//! 3. The tag is weak if the client accepts a content coding and the response has none, so that under a compressing layer the plain and
//!    the compressed content are never strongly equal ([RFC 9110 §8.8.3.3](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3.3)).
//! 4. `If-Match`, `If-Unmodified-Since`, `If-None-Match` and `If-Modified-Since` of GET and HEAD are evaluated on a 200, and on a 206 of the
//!    handler's own, in the order of [RFC 9110 §13.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2); the answer is that, a 304
//!    or a 412. Any other answer of the handler comes before them ([§13.2.1](https://www.rfc-editor.org/rfc/rfc9110#section-13.2.1)).
//! 5. A 304 has no content and none of the fields that describe it
//!    ([RFC 9110 §15.4.5](https://www.rfc-editor.org/rfc/rfc9110#section-15.4.5)); neither it nor an answer to HEAD tells a length that is
//!    not that of a GET ([§8.6](https://www.rfc-editor.org/rfc/rfc9110#section-8.6)).
//! 6. A GET with `Range: bytes=…` gets its part of a 200 whose length is known: a 206, of `multipart/byteranges` for several parts, or a
//!    416 ([RFC 9110 §14](https://www.rfc-editor.org/rfc/rfc9110#section-14)). `If-Range` is compared strongly; if it does not hold, the
//!    whole is sent ([§13.1.5](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.5)). A stream is skipped through, never buffered. A 206
//!    or 416 of the handler's own passes, `Accept-Ranges: none` is heeded; see [`Ranges`].
//! 7. Ranges that overlap or nearly touch become one. The whole is sent where ranges are malformed, more than 64, in no order, or would
//!    come to more than it ([RFC 9110 §14.2](https://www.rfc-editor.org/rfc/rfc9110#section-14.2)), and for several parts of coded content.
//! 8. Other methods pass untouched, for when their answer is there, their work is done. A handler asks [`Preconditions`] *before* it
//!    writes: 412 if they fail, 428 if it demands them ([RFC 6585 §3](https://www.rfc-editor.org/rfc/rfc6585#section-3)). `If-Match` is matched
//!    by strong tags only, so what is written to gives one of its own, as by [`Version::with_strong_tag`].
//! 9. HEAD has no content to hash. It is answered with the handler's validators; a tag is made only where the content is still there, as
//!    for a GET handler of axum, which strips it further out.
//! 10. `Cache-Control`, `Expires` and `Vary` are written on answers to GET and HEAD that do not speak of caching, by [`CachePolicy`]
//!     ([RFC 9111 §5.2](https://www.rfc-editor.org/rfc/rfc9111#section-5.2)), and so are fields for one kind of cache such as
//!     `CDN-Cache-Control` ([RFC 9213](https://www.rfc-editor.org/rfc/rfc9213)).
//! 11. What has a [`Version`] that is known beforehand need not be made to be answered by 304: a handler asks [`Version::respond`], or
//!     [`FromVersionLayer`] stands before it.
//!
//! [`PreconditionLayer`] is rules 1 to 9 alone, [`CachePolicyLayer`] rule 10.
//!
//! # Example
//!
//! ```
//! use donjon::conditional_cache::ConditionalCacheLayer;
//! use http::{Request, Response};
//! use http_body_util::{Empty, Full};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let service = ServiceBuilder::new()
//!     .layer(ConditionalCacheLayer::new())
//!     .service(service_fn(|_: Request<Empty<bytes::Bytes>>| async {
//!         Ok::<_, std::convert::Infallible>(Response::new(Full::new(bytes::Bytes::from("hello"))))
//!     }));
//!
//! let first = service.clone().oneshot(Request::get("/").body(Empty::new()).unwrap()).await.unwrap();
//! let tag = first.headers()["etag"].clone();
//! let again = Request::get("/").header("if-none-match", tag).body(Empty::new()).unwrap();
//! assert_eq!(service.oneshot(again).await.unwrap().status(), 304);
//! # });
//! ```
//!
//! # Customised
//!
//! ```
//! use std::time::Duration;
//! use donjon::conditional_cache::{CacheControl, CachePolicy, CacheRule, ConditionalCacheLayer, EntityTags};
//!
//! let prices = CacheControl::new()
//!     .with_public()
//!     .with_max_age(Duration::from_secs(30))
//!     .with_stale_while_revalidate(Duration::from_secs(300));
//! let layer = ConditionalCacheLayer::new()
//!     .policy(
//!         CachePolicy::builder()
//!             .rule(CacheRule::new(CacheControl::versioned()).path("/assets/**"))
//!             .rule(CacheRule::new(prices).path("/prices/*").content_type("application/json"))
//!             .build()?,
//!     )
//!     .max_buffered(1024 * 1024)
//!     .entity_tags(EntityTags::Weak);
//! # Ok::<_, donjon::conditional_cache::PolicyError>(())
//! ```
//!
//! # Security
//!
//! A rule never makes an answer public that is meant for one reader: one to a request with `Authorization`, one with a
//! [`Principal`](crate::Principal) beside it, one that sets a cookie. Such answers become `private`, and vary by `Authorization` and
//! `Cookie` where they may be reused without asking. Errors are `no-store`. A path that a router and a cache might read differently
//! fits no rule. What the layer cannot see it cannot protect: a handler that tells readers apart by other means, such as a session cookie
//! of its own or a client's address, must say `private` itself, and a layer that sets cookies belongs within this one.
//!
//! A part is cut out of what the handler makes, so a range at the end costs the handler all that comes before, and no client has to take it
//! at the speed at which it is made. Where content is long and dear, the handler should seek by [`ByteRanges`] itself or say
//! `Accept-Ranges: none`.
//!
//! A tag tells whether two contents are the same. Where that itself is a secret, answer with `no-store`, or set [`EntityTags::Off`].
//!
//! A stranger's answer is as public as its rule says, and has no `Vary`: a page that looks different for callers who are logged in must
//! send `Vary: Authorization, Cookie` itself, or be left out of public rules.
//!
//! # Ordering
//!
//! Inside `TokenAuth`, so that the principal is known, and inside `ErrorMapping`, which renders the 412. A compressing layer may stand on
//! either side; further out is better, since then the tag is made before the work of compressing is done, but not further out than a
//! `SharedCache`, whose hits have the tag that was made for another client. Every other order is correct too: a principal is also found in
//! the response.
//!
//! # Feature
//!
//! `conditional-cache`. Files under URLs that change with their content are served by `Assets`, which has a guide of its own and the feature
//! `conditional-cache-assets`.
//! A cache of whole responses, shared by all who ask, is in the module `shared`, behind `conditional-cache-shared`.

mod asked;
#[cfg(feature = "conditional-cache-assets")]
mod assets;
mod body;
mod cache_control;
mod cache_policy;
mod entity_tag;
mod evaluation;
mod from_version;
mod hold;
mod http_date;
mod if_range;
mod layer;
mod partial;
mod policy;
mod precondition;
mod range;
mod tagging;
mod validators;
mod version;

#[cfg(feature = "conditional-cache-shared")]
pub mod shared;

#[cfg(feature = "conditional-cache-assets")]
#[cfg_attr(docsrs, doc(cfg(feature = "conditional-cache-assets")))]
pub use self::assets::{
    AssetFuture, AssetMode, AssetService, Assets, AssetsBuilder, AssetsError, AssetsErrorKind, CssUrls, FileBody,
};
pub use self::{
    body::ResponseBody,
    cache_control::CacheControl,
    cache_policy::{CachePolicyFuture, CachePolicyLayer, CachePolicyService},
    entity_tag::{EntityTag, EntityTagError},
    evaluation::{ConditionalCache, PreconditionLayer, ResponseFuture},
    from_version::{FromVersion, FromVersionFuture, FromVersionLayer},
    layer::ConditionalCacheLayer,
    policy::{CacheDirectives, CachePolicy, CachePolicyBuilder, CacheRule, PolicyError, PolicyErrorKind},
    precondition::{Evaluation, Preconditions},
    range::{ByteRanges, Ranges, Selection},
    tagging::EntityTags,
    validators::Validators,
    version::Version,
};

/// What the fuzz targets call: each parser of bytes from outside, with what must hold of its result.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing {
    use std::time::SystemTime;

    use http::{HeaderMap, HeaderValue, Method, header};

    use super::{
        ByteRanges, CacheControl, EntityTag, Evaluation, Preconditions, Selection, Validators, entity_tag, http_date, policy,
    };

    /// What is read as a tag is a tag when read alone, and lists hold no more tags than quotes.
    pub fn entity_tag(data: &[u8]) {
        if let Ok(tag) = EntityTag::parse(data) {
            assert_eq!(HeaderValue::from(&tag).as_bytes(), data);
            assert!(tag.weakly_equals(&tag));
        }
        let quotes = data.iter().filter(|byte| **byte == b'"').count();
        assert!(entity_tag::list(data).count() * 2 <= quotes);
    }

    /// What is read and written is read the same again.
    pub fn cache_control(data: &[u8]) {
        let read = CacheControl::parse(data);
        assert_eq!(CacheControl::parse(HeaderValue::from(&read).as_bytes()), read);
        // A targeted field may have to leave extensions out, and nothing else.
        let told = CacheControl::parse(read.to_dictionary().as_bytes());
        let meant = |one: &CacheControl| (one.max_age(), one.s_maxage(), one.is_no_store(), one.is_private(), one.is_no_cache());
        assert_eq!(meant(&told), meant(&read));
    }

    /// A date that is read and written is the same.
    pub fn http_date(data: &[u8]) {
        if let Some(time) = http_date::parse(data) {
            assert_eq!(http_date::parse(http_date::render(time).as_bytes()), Some(time));
        }
    }

    /// A length in eight bytes, then the value of a `Range`. What is selected lies within the content, in order, and is not empty.
    pub fn ranges(data: &[u8]) {
        let Some((length, value)) = data.split_first_chunk() else { return };
        let length = u64::from_be_bytes(*length);
        let Some(ranges) = ByteRanges::parse(value) else { return };
        let parts = match ranges.select(length) {
            Selection::Part(part) => vec![part],
            Selection::Parts(parts) => parts,
            Selection::Whole | Selection::Unsatisfiable => return,
        };
        assert!(parts.iter().all(|part| part.start < part.end && part.end <= length));
        assert!(parts.iter().zip(parts.iter().skip(1)).all(|(one, next)| one.end < next.start));
    }

    /// A pattern and a path, apart by a line feed.
    pub fn path_pattern(data: &[u8]) {
        if let Some((pattern, path)) = std::str::from_utf8(data).ok().and_then(|text| text.split_once('\n')) {
            policy::fuzz_path(pattern, path);
        }
    }

    /// What is found in a stylesheet stands there, in order, and naming hashed files changes nothing else.
    #[cfg(feature = "conditional-cache-assets")]
    pub fn stylesheet(data: &[u8]) {
        if let Ok(css) = std::str::from_utf8(data) {
            super::assets::fuzz_stylesheet(css);
        }
    }

    /// A path names nothing that a folder of assets cannot hold.
    #[cfg(feature = "conditional-cache-assets")]
    pub fn asset_path(data: &[u8]) {
        if let Ok(path) = std::str::from_utf8(data) {
            super::assets::fuzz_path(path);
        }
    }

    /// `Accept-Encoding` chooses only what is there.
    #[cfg(feature = "conditional-cache-assets")]
    pub fn accept_encoding(data: &[u8]) {
        super::assets::fuzz_accept_encoding(data);
    }

    /// A write is never answered by "not modified".
    pub fn preconditions(data: &[u8]) {
        let names =
            [header::IF_MATCH, header::IF_UNMODIFIED_SINCE, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_RANGE];
        let mut headers = HeaderMap::new();
        for (line, name) in data.split(|byte| *byte == b'\n').zip(names.iter().cycle()) {
            if let Ok(value) = HeaderValue::from_bytes(line) {
                headers.append(name, value);
            }
        }
        let preconditions = Preconditions::from_headers(&headers);
        let current = Validators::existing().with_entity_tag(EntityTag::of(b"x"));
        assert_ne!(preconditions.evaluate(&Method::PUT, &current), Evaluation::NotModified);
        // Nothing but the very tag lets a part be sent.
        let applies = preconditions.allow_range(&current, SystemTime::UNIX_EPOCH);
        let supposed: Vec<_> = headers.get_all(header::IF_RANGE).iter().collect();
        assert_eq!(applies, supposed.is_empty() || supposed == [&HeaderValue::from(EntityTag::of(b"x"))]);
    }
}
