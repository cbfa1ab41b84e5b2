use super::{policy::CachePolicy, range::Ranges, tagging::EntityTags};
use crate::core::SharedClock;

/// What the layer, its services and their futures share.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) policy: CachePolicy,
    pub(super) clock: SharedClock,
    pub(super) max_buffered: usize,
    pub(super) entity_tags: EntityTags,
    pub(super) ranges: Ranges,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            policy: CachePolicy::default(),
            clock: SharedClock::default(),
            max_buffered: 256 * 1024,
            entity_tags: EntityTags::default(),
            ranges: Ranges::default(),
        }
    }
}
