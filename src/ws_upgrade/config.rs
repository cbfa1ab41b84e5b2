use super::{deflate::Extension, limits::Limits, origin::OriginPolicy, subprotocol::Subprotocols};
use crate::core::SharedClock;

/// What the layer knows, held once for all its clones.
#[derive(Debug, Default)]
pub(super) struct Config {
    pub(super) origins: OriginPolicy,
    pub(super) subprotocols: Subprotocols,
    pub(super) limits: Limits,
    pub(super) deflate: Option<Extension>,
    pub(super) clock: SharedClock,
}
