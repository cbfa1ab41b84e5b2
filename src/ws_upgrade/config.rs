use std::sync::Arc;

use super::{
    admission::Door, close::CloseCode, counters::Counters, deflate::Extension, drain::Drain, limits::Limits, link::SlowConsumer,
    origin::OriginPolicy, subprotocol::Subprotocols, timeouts::Timeouts,
};
use crate::core::SharedClock;

/// What the layer knows, held once for all its clones.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) origins: OriginPolicy,
    pub(super) subprotocols: Subprotocols,
    pub(super) limits: Limits,
    pub(super) deflate: Option<Extension>,
    pub(super) timeouts: Timeouts,
    pub(super) slow_consumer: SlowConsumer,
    /// What a peer is told whose principal has ended.
    pub(super) principal_code: CloseCode,
    pub(super) clock: SharedClock,
    pub(super) door: Option<Arc<Door>>,
    pub(super) drain: Option<Drain>,
    pub(super) counters: Counters,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            origins: OriginPolicy::default(),
            subprotocols: Subprotocols::default(),
            limits: Limits::default(),
            deflate: None,
            timeouts: Timeouts::default(),
            slow_consumer: SlowConsumer::default(),
            principal_code: CloseCode::UNAUTHORIZED,
            clock: SharedClock::default(),
            door: None,
            drain: None,
            counters: Counters::default(),
        }
    }
}
