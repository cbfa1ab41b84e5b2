/// How messages are compressed with clients that can ([RFC 7692](https://www.rfc-editor.org/rfc/rfc7692)); given to
/// [`WsUpgradeBuilder::deflate`](crate::ws_upgrade::WsUpgradeBuilder::deflate), without which nothing is.
///
/// Compression pays where bytes are dear and messages repeat themselves, as JSON does. What it costs is memory and time:
/// [`new`](Self::new) keeps what was sent and received last for every connection, to refer back to it, some 300 KiB each;
/// [`lean`](Self::lean) keeps nothing between two messages, shares its compressors between all connections, and compresses less well.
/// A message is compressed in the task that sends it, and one that inflates beyond
/// [`max_message_size`](crate::ws_upgrade::Limits::max_message_size) is refused as it passes the limit.
///
/// A secret and text of an attacker's choosing in one compressed message, or in two of a connection that keeps its context, let an
/// onlooker guess the secret by the size (CRIME, BREACH): leave compression off there.
///
/// ```
/// use donjon::ws_upgrade::{Deflate, WsUpgradeLayer};
///
/// let layer = WsUpgradeLayer::builder().deflate(Deflate::lean().threshold(256)).build()?;
/// # Ok::<_, donjon::ws_upgrade::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Deflate {
    pub(super) takeover: bool,
    pub(super) level: u32,
    pub(super) threshold: usize,
    pub(super) server_max_window_bits: u8,
    pub(super) client_max_window_bits: u8,
}

/// The largest window, 32 KiB ([RFC 7692 §7.1.2](https://www.rfc-editor.org/rfc/rfc7692#section-7.1.2)).
pub(super) const MAX_WINDOW_BITS: u8 = 15;
/// The smallest that the compressor has; the standard allows 8.
pub(super) const MIN_WINDOW_BITS: u8 = 9;

impl Deflate {
    /// Compresses each message with the ones before it in mind, unless the client asks otherwise.
    pub fn new() -> Self {
        Self {
            takeover: true,
            level: 3,
            threshold: 64,
            server_max_window_bits: MAX_WINDOW_BITS,
            client_max_window_bits: MAX_WINDOW_BITS,
        }
    }

    /// Compresses each message by itself, in both directions (`server_no_context_takeover`, `client_no_context_takeover`): an idle
    /// connection holds no compressor.
    pub fn lean() -> Self {
        Self { takeover: false, ..Self::new() }
    }

    /// From 0, which compresses nothing, over 1, the fastest, to 9, the smallest; 3 if not set.
    pub fn level(mut self, level: u32) -> Self {
        self.level = level;
        self
    }

    /// Messages of fewer bytes are sent as they are; 64 if not set.
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// The largest window that we compress with, as a power of two, from 9 to 15; 15 if not set. Smaller takes less memory here and at
    /// the client.
    pub fn server_max_window_bits(mut self, bits: u8) -> Self {
        self.server_max_window_bits = bits;
        self
    }

    /// The largest window that a client may compress with if it lets us say, from 9 to 15; 15 if not set.
    pub fn client_max_window_bits(mut self, bits: u8) -> Self {
        self.client_max_window_bits = bits;
        self
    }

    /// The name of the first setting that is out of its range.
    pub(in crate::ws_upgrade) fn out_of_range(&self) -> Option<&'static str> {
        let bits = MIN_WINDOW_BITS..=MAX_WINDOW_BITS;
        [
            ("level", self.level <= 9),
            ("server_max_window_bits", bits.contains(&self.server_max_window_bits)),
            ("client_max_window_bits", bits.contains(&self.client_max_window_bits)),
        ]
        .into_iter()
        .find_map(|(name, within)| (!within).then_some(name))
    }
}

impl Default for Deflate {
    fn default() -> Self {
        Self::new()
    }
}
