//! A cache of whole responses, shared by all who ask, so that what is fresh is not made again.
//!
//! # Rules
//!
//! 1. A response is stored if it says that it may be, and by its `Vary` only for requests that are like its own
//!    ([RFC 9111 §3](https://www.rfc-editor.org/rfc/rfc9111#section-3), [§4.1](https://www.rfc-editor.org/rfc/rfc9111#section-4.1)). How much is
//!    read into its silence is a matter of the [`Profile`]; the reasons against it are [`NotStored`].
//! 2. While it is fresh it answers GET and HEAD, with its `Age`
//!    ([§4.2](https://www.rfc-editor.org/rfc/rfc9111#section-4.2)). A condition of the client is answered by a 304 or a 412, a `Range` by a 206
//!    cut from what is stored.
//! 3. When it is stale, the inner service is asked whether it still holds, by its `ETag` and `Last-Modified`; a 304 freshens it, and the answer to
//!    a HEAD does so too ([§4.3](https://www.rfc-editor.org/rfc/rfc9111#section-4.3)).
//! 4. `stale-while-revalidate` and `stale-if-error` are heeded ([RFC 5861](https://www.rfc-editor.org/rfc/rfc5861)). An error of the inner service, a
//!    500, 502, 503 or 504 is a failure. `must-revalidate`, `proxy-revalidate`, `s-maxage` and `no-cache` forbid all use of what is stale
//!    ([§4.2.4](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.4)).
//! 5. A targeted field, `CDN-Cache-Control` unless others are named, counts in the place of `Cache-Control` and `Expires`
//!    ([RFC 9213](https://www.rfc-editor.org/rfc/rfc9213)).
//! 6. Of many requests for the same at the same time one asks the inner service, and the others read what comes as it comes. If it turns out not
//!    to be for all, each asks for itself. If the one that asked goes away or fails, exactly one takes its place, and one asks beside it if it
//!    hangs for longer than the [`patience`](SharedCacheLayer::patience).
//! 7. A response is stored while it streams by, never a part of one that was cut off. A 206 is stored as a part; it answers what lies
//!    within it, and the very `Range` that it came for ([§3.3](https://www.rfc-editor.org/rfc/rfc9111#section-3.3)). Parts are joined by a
//!    strong validator only ([§3.4](https://www.rfc-editor.org/rfc/rfc9111#section-3.4)).
//! 8. The answer to a write that succeeds takes away what is stored for its target and for the `Location` and `Content-Location` that it names in
//!    the same origin ([§4.4](https://www.rfc-editor.org/rfc/rfc9111#section-4.4)), and the groups that it lists
//!    ([RFC 9875](https://www.rfc-editor.org/rfc/rfc9875)). Nothing that was asked for before is stored after it, nor given to who comes after it;
//!    and so with every [`Purge`].
//! 9. Requests with content, with `Upgrade`, and of other methods pass. What did happen is told in `Cache-Status`, if that is wanted, under a name
//!    of the [deployment's own](CacheName)
//!    ([RFC 9211](https://www.rfc-editor.org/rfc/rfc9211)).
//!
//! # Example
//!
//! ```
//! use donjon::conditional_cache::shared::SharedCacheLayer;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Empty, Full};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let layer = SharedCacheLayer::new();
//! let service = ServiceBuilder::new().layer(layer.clone()).service(service_fn(|_: Request<Empty<bytes::Bytes>>| async {
//!     let response = Response::builder().header("cache-control", "max-age=60");
//!     Ok::<_, std::convert::Infallible>(response.body(Full::new(bytes::Bytes::from("hello"))).unwrap())
//! }));
//!
//! for _ in 0..2 {
//!     let request = Request::get("http://site.example/").body(Empty::new()).unwrap();
//!     let response = service.clone().oneshot(request).await.unwrap();
//!     assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
//! }
//! assert_eq!((layer.counters().misses, layer.counters().hits), (1, 1));
//! # });
//! ```
//!
//! # Customised
//!
//! ```
//! use donjon::conditional_cache::shared::{CacheStatus, KeyPolicy, MemoryStore, Partition, Profile, Purge, SharedCacheLayer, Store, Tags};
//! use http::{HeaderMap, Uri};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let layer = SharedCacheLayer::with_store(MemoryStore::new(256 * 1024 * 1024))
//!     .profile(Profile::Rfc9111)
//!     .keys(KeyPolicy::new().ignore_query(["utm_source", "utm_medium"]))
//!     .partition(Partition::ByPrincipal)
//!     .cache_status(CacheStatus::Detailed);
//!
//! // Whoever writes may purge: by URL, by the beginning of a path, by the tags that handlers gave.
//! let article = layer.key_policy().key(&Uri::from_static("http://site.example/articles/7"), &HeaderMap::new(), None);
//! layer.store().purge(&Purge::url(&article.expect("it has a host"))).await?;
//! layer.store().purge(&Purge::tags(Tags::new(["front page"])).soft()).await?;
//! # Ok::<_, std::convert::Infallible>(())
//! # });
//! ```
//!
//! A development server says with [`CacheStatus::Detailed`] why a response was not stored: `donjon; fwd=uri-miss; detail=set-cookie`.
//!
//! # Security
//!
//! What answers one person must not answer another. So a response that is `private` or sets a cookie is not stored, and neither is the answer to
//! a request with `Authorization`, with a cookie, or with a [`Principal`](crate::Principal) beside it or its answer, unless the response says that
//! it is for all: `public`, `s-maxage` or `must-revalidate`
//! ([RFC 9111 §3.5](https://www.rfc-editor.org/rfc/rfc9111#section-3.5)). [`Profile`] tells which of these are a matter of choice. With
//! [`Partition::ByPrincipal`] each caller, with the scopes that it comes with, has a store of its own.
//!
//! The key is the scheme, the authority, the path and the whole query, each with its length; a request with two hosts, or with a host other than
//! its target's, has none and passes. Whatever else an answer depends upon has to be in its `Vary`. At most 16 responses are kept for a key,
//! and a client cannot make the inner service work by `no-cache`, unless [`RequestDirectives::Honoured`].
//!
//! Memory is bounded three times: a response by [`largest`](SharedCacheLayer::largest), what is on its way to clients by
//! [`room`](SharedCacheLayer::room), what is stored by the [`MemoryStore`].
//!
//! A GET with content is never answered from the store, and its answer never stored: the content is no part of the key.
//!
//! # Ordering
//!
//! Inside `ErrorMapping`, so that an error of the inner service can be replaced by what is stored before it becomes a response; around
//! `ConditionalCache`, which makes the tags that are asked about. On either side of `TokenAuth`: outside, only what is for all is stored, and it
//! is given to all; inside, every request is verified before it is answered, and callers can be kept apart.
//!
//! A compressing layer stands beneath this one, around `ConditionalCache`: the work is done once, the response says `Vary: Accept-Encoding`, and
//! each coding is stored with the tag that it was given. Further out it must not stand unless it changes or weakens the tags of what it codes: a
//! tag that was made for a client without codings is strong, and a hit gives it as it is stored to one that accepts them. If the tag stays
//! strong on the compressed content, `If-Range` joins bytes of both
//! ([RFC 9110 §8.8.3.3](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3.3)). Where all tags are weak, as with
//! [`EntityTags::Weak`](super::EntityTags::Weak), it may.
//!
//! # Feature
//!
//! `conditional-cache-shared`. It needs a tokio runtime with its timers for what goes on after the client was answered, and to wait no longer than
//! its patience; without a runtime, nothing goes on, and who waits has no limit.

mod admission;
mod answer;
mod body;
mod cache_name;
mod cache_status;
mod collapse;
mod config;
mod counters;
mod directives;
mod fetch;
mod fields;
mod freshness;
mod future;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod groups;
mod invalidation;
mod keep;
mod key;
mod layer;
mod line;
mod look_up;
mod memo;
mod partial;
mod profile;
mod query;
mod receive;
mod request;
mod reuse;
mod service;
mod storability;
mod store;
mod tee;
mod terms;
mod validation;
mod vary;
mod write;

pub use self::{
    body::{BodyError, SharedCacheBody},
    cache_name::{CacheName, CacheNameError, CacheNameErrorKind},
    cache_status::CacheStatus,
    config::Partition,
    counters::CacheCounters,
    future::ResponseFuture,
    key::{CacheKey, KeyPolicy},
    layer::SharedCacheLayer,
    profile::{Profile, RequestDirectives},
    service::SharedCache,
    storability::NotStored,
    store::{Kept, MemoryStore, Purge, PurgeMode, Selecting, Store, StoreStats, StoredBody, StoredHead, Tags, Variant, Variants},
};
