//! permessage-deflate, [RFC 7692](https://www.rfc-editor.org/rfc/rfc7692).

mod agreement;
mod deflater;
mod inflater;
mod pool;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use self::{agreement::Agreement, pool::Pool};
pub(super) use self::{
    deflater::Deflater,
    inflater::{Inflated, Inflater},
};

/// How messages are compressed with clients that can ([RFC 7692](https://www.rfc-editor.org/rfc/rfc7692)); given to
/// [`WsUpgradeBuilder::deflate`](super::WsUpgradeBuilder::deflate), without which nothing is.
///
/// Compression pays where bytes are dear and messages repeat themselves, as JSON does. What it costs is memory and time:
/// [`new`](Self::new) keeps what was sent and received last for every connection, to refer back to it, some 300 KiB each;
/// [`lean`](Self::lean) keeps nothing between two messages, shares its compressors between all connections, and compresses less well.
/// A message is compressed in the task that sends it, and one that inflates beyond
/// [`max_message_size`](super::Limits::max_message_size) is refused as it passes the limit.
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
    takeover: bool,
    level: u32,
    threshold: usize,
    server_max_window_bits: u8,
    client_max_window_bits: u8,
}

/// The largest window, 32 KiB ([RFC 7692 §7.1.2](https://www.rfc-editor.org/rfc/rfc7692#section-7.1.2)).
const MAX_WINDOW_BITS: u8 = 15;
/// The smallest that the compressor has; the standard allows 8.
const MIN_WINDOW_BITS: u8 = 9;

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
    pub(super) fn out_of_range(&self) -> Option<&'static str> {
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

/// The extension as a layer has it.
#[derive(Clone, Debug)]
pub(super) struct Extension {
    config: Deflate,
    pool: Arc<Pool>,
}

/// The extension as one connection has it.
#[derive(Debug)]
pub(super) struct Negotiated {
    agreement: Agreement,
    extension: Extension,
}

impl Extension {
    pub(super) fn new(config: Deflate) -> Self {
        Self { config, pool: Arc::default() }
    }

    /// What a client that sends `headers` and we can agree on, if anything.
    pub(super) fn negotiate(&self, headers: &HeaderMap) -> Option<Negotiated> {
        let agreement = Agreement::reach(&self.config, headers)?;
        Some(Negotiated { agreement, extension: self.clone() })
    }
}

impl Negotiated {
    /// What the client is told in `Sec-WebSocket-Extensions`.
    pub(super) fn header_value(&self) -> Option<HeaderValue> {
        self.agreement.header_value()
    }

    pub(super) fn inflater(&self) -> Inflater {
        Inflater::new(&self.agreement, Arc::clone(&self.extension.pool))
    }

    pub(super) fn deflater(&self) -> Deflater {
        Deflater::new(&self.extension.config, &self.agreement, Arc::clone(&self.extension.pool))
    }
}

impl Default for Deflate {
    fn default() -> Self {
        Self::new()
    }
}
