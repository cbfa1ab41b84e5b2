use tower_layer::Layer;

use super::{
    cache_policy::Writer,
    evaluation::ConditionalCache,
    partial::Cutter,
    policy::CachePolicy,
    range::Ranges,
    tagging::{EntityTags, Tagger},
};
use crate::core::{Clock, SharedClock};

/// Answers conditional and range requests, tags responses and writes their `Cache-Control`. See the [module](self::super) for the rules.
///
/// It is a [`CachePolicyLayer`](super::CachePolicyLayer) within a [`PreconditionLayer`](super::PreconditionLayer), in one service that
/// reads each request once. Cloning is a reference count.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ConditionalCacheLayer {
    writer: Writer,
    tagger: Tagger,
    cutter: Cutter,
}

impl ConditionalCacheLayer {
    /// A layer that tags what it can within 256 KiB and writes no more than the defaults of [`CachePolicy`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what is written into `Cache-Control`, `Expires`, `Vary` and the targeted fields.
    pub fn policy(mut self, policy: CachePolicy) -> Self {
        self.writer.set_policy(policy);
        self
    }

    /// Sets the clock from which `Expires` is told and the dates of `If-Range` are judged; the system's if none is given.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        let clock = SharedClock::new(clock);
        self.writer.set_clock(clock.clone());
        self.cutter.clock = Some(clock);
        self
    }

    /// Sets how many bytes of a response may be held back to make its entity tag; 256 KiB if not set. A larger response is streamed and
    /// gets no tag.
    ///
    /// Every request in progress may hold this much.
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
}

impl<S> Layer<S> for ConditionalCacheLayer {
    type Service = ConditionalCache<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ConditionalCache::new(inner, Some(self.writer.clone()), self.tagger, self.cutter.clone())
    }
}
