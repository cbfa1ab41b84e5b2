use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::error::WsErrorKind;

/// What has happened to the sockets of a layer, counted since it was built. For a metrics exporter to read.
///
/// ```
/// use donjon::ws_upgrade::{WsErrorKind, WsUpgradeLayer};
///
/// let layer = WsUpgradeLayer::new();
/// let counters = layer.counters();
/// assert_eq!((counters.opened(), counters.open(), counters.ended(WsErrorKind::Unresponsive)), (0, 0, 0));
/// ```
#[derive(Clone, Default)]
pub struct Counters(Arc<Counts>);

#[derive(Default)]
struct Counts {
    refused: AtomicU64,
    failed: AtomicU64,
    opened: AtomicU64,
    panicked: AtomicU64,
    dropped: AtomicU64,
    ended: [AtomicU64; WsErrorKind::COUNT],
}

/// Nothing hangs on the order in which counts are seen.
const ORDER: Ordering = Ordering::Relaxed;

impl Counters {
    /// Handshakes that the layer refused.
    #[must_use]
    pub fn refused_handshakes(&self) -> u64 {
        self.0.refused.load(ORDER)
    }

    /// Handshakes that were accepted and whose connection never became a WebSocket.
    #[must_use]
    pub fn failed_upgrades(&self) -> u64 {
        self.0.failed.load(ORDER)
    }

    /// Sockets that were opened.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.0.opened.load(ORDER)
    }

    /// Sockets that are open now.
    #[must_use]
    pub fn open(&self) -> u64 {
        let ended = self.0.ended.iter().map(|count| count.load(ORDER)).sum();
        self.opened().saturating_sub(ended)
    }

    /// Sockets that ended for this reason; [`Closed`](WsErrorKind::Closed) is the regular end.
    #[must_use]
    pub fn ended(&self, reason: WsErrorKind) -> u64 {
        self.0.ended.get(reason.index()).map_or(0, |count| count.load(ORDER))
    }

    /// Handlers that panicked.
    #[must_use]
    pub fn panicked_handlers(&self) -> u64 {
        self.0.panicked.load(ORDER)
    }

    /// Messages that were dropped because their receiver was too slow ([`SlowConsumer::DropOldest`](super::SlowConsumer::DropOldest)).
    #[must_use]
    pub fn dropped_messages(&self) -> u64 {
        self.0.dropped.load(ORDER)
    }

    pub(super) fn refused(&self) {
        self.0.refused.fetch_add(1, ORDER);
    }

    pub(super) fn upgrade_failed(&self) {
        self.0.failed.fetch_add(1, ORDER);
    }

    pub(super) fn socket_opened(&self) {
        self.0.opened.fetch_add(1, ORDER);
    }

    pub(super) fn socket_ended(&self, reason: WsErrorKind) {
        if let Some(count) = self.0.ended.get(reason.index()) {
            count.fetch_add(1, ORDER);
        }
    }

    pub(super) fn handler_panicked(&self) {
        self.0.panicked.fetch_add(1, ORDER);
    }

    pub(super) fn messages_dropped(&self, messages: u64) {
        self.0.dropped.fetch_add(messages, ORDER);
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters").field("opened", &self.opened()).field("open", &self.open()).finish_non_exhaustive()
    }
}
