use tower_layer::Layer;

use super::service::ConditionalCache;
use crate::{
    conditional_cache::{
        partial::Cutter,
        range::Ranges,
        tagging::{EntityTags, Tagger},
    },
    core::{Clock, SharedClock},
};

/// Tags responses and answers conditional and range requests, and writes no `Cache-Control`.
///
/// [`ConditionalCacheLayer`](super::super::ConditionalCacheLayer) does the same and more. This one is for an app that has its policies
/// elsewhere, and for one route within it.
///
/// ```
/// use donjon::conditional_cache::PreconditionLayer;
/// use http::{Request, Response};
/// use http_body_util::{Empty, Full};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let service = ServiceBuilder::new()
///     .layer(PreconditionLayer::new())
///     .service(service_fn(|_: Request<Empty<bytes::Bytes>>| async {
///         Ok::<_, std::convert::Infallible>(Response::new(Full::new(bytes::Bytes::from("hello"))))
///     }));
///
/// let known = Request::get("/").header("if-none-match", "\"2cf24dba5fb0a30e26e83b2ac5b9e29e\"").body(Empty::new()).unwrap();
/// assert_eq!(service.oneshot(known).await.unwrap().status(), 304);
/// # });
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct PreconditionLayer {
    tagger: Tagger,
    cutter: Cutter,
}

impl PreconditionLayer {
    /// A layer that tags what it can within 256 KiB.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many bytes of a response may be held back to make its entity tag, as
    /// [`ConditionalCacheLayer::max_buffered`](super::super::ConditionalCacheLayer::max_buffered) does.
    pub fn max_buffered(mut self, bytes: usize) -> Self {
        self.tagger.limit = bytes;
        self
    }

    /// Sets whether and how entity tags are made.
    pub fn entity_tags(mut self, setting: EntityTags) -> Self {
        self.tagger.setting = setting;
        self
    }

    /// Sets whether requests for a part of a response are answered by the layer.
    pub fn ranges(mut self, setting: Ranges) -> Self {
        self.cutter.setting = setting;
        self
    }

    /// Sets the clock by which the dates of `If-Range` are judged; the system's if none is given.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.cutter.clock = Some(SharedClock::new(clock));
        self
    }
}

impl<S> Layer<S> for PreconditionLayer {
    type Service = ConditionalCache<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ConditionalCache::new(inner, None, self.tagger, self.cutter.clone())
    }
}
