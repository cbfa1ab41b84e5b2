use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::budget::{Rate, Rates};

/// How much one socket may take, and how often.
///
/// The defaults keep an idle connection at a few kilobytes: the codec beneath would reserve 128 KiB to read into, and let what
/// waits for a peer that never reads grow without bound.
///
/// ```
/// use donjon::ws_upgrade::Limits;
///
/// let limits = Limits::default().max_message_size(64 * 1024).read_buffer_size(8 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Limits {
    max_message_size: usize,
    max_frame_size: Option<usize>,
    read_buffer_size: usize,
    write_buffer_size: usize,
    queue_messages: usize,
    queue_bytes: usize,
    rates: Rates,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_size: 1024 * 1024,
            max_frame_size: None,
            read_buffer_size: 4 * 1024,
            write_buffer_size: 128 * 1024,
            queue_messages: 256,
            queue_bytes: 1024 * 1024,
            rates: Rates::default(),
        }
    }
}

impl Limits {
    /// The largest message, its fragments put together, in either direction; 1 MiB by default.
    ///
    /// A peer that sends a larger one is told [`TOO_BIG`](super::CloseCode::TOO_BIG) (1009), by the declared length of the frame
    /// and before anything is reserved for it. Sending a larger one fails and leaves the socket open.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.max_message_size = bytes;
        self
    }

    /// The largest single frame of a peer; as large as a message by default.
    pub fn max_frame_size(mut self, bytes: usize) -> Self {
        self.max_frame_size = Some(bytes);
        self
    }

    /// How much is read at a time; 4 KiB by default, and held only while something comes. Larger is faster for many
    /// messages at once; what is known to be large is read in larger pieces in any case.
    pub fn read_buffer_size(mut self, bytes: usize) -> Self {
        self.read_buffer_size = bytes;
        self
    }

    /// How much may wait for a slow peer beside one message of the handler and one of the queue: small messages and the answers to its
    /// pings; 128 KiB by default, reserved only when needed.
    pub fn write_buffer_size(mut self, bytes: usize) -> Self {
        self.write_buffer_size = bytes;
        self
    }

    /// How many messages sent by a [`WsHandle`](super::WsHandle) or a room may wait; 256 by default. Beyond it,
    /// [`SlowConsumer`](super::SlowConsumer) decides.
    pub fn queue_messages(mut self, messages: usize) -> Self {
        self.queue_messages = messages;
        self
    }

    /// How large the waiting messages may be together; 1 MiB by default. A single message may always wait.
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// How many pings and pongs a peer may send; 16 a second and 128 at once by default. One more is answered 1008.
    pub fn control_rate(mut self, rate: Rate) -> Self {
        self.rates.control_frames = rate;
        self
    }

    /// How many messages a peer may send; unlimited by default. One more is answered 1008.
    pub fn message_rate(mut self, rate: Rate) -> Self {
        self.rates.messages = Some(rate);
        self
    }

    /// How many bytes of messages a peer may send, as they come, that is before they are inflated; unlimited by default. The burst must
    /// hold the largest message. One more is answered 1008.
    pub fn byte_rate(mut self, rate: Rate) -> Self {
        self.rates.bytes = Some(rate);
        self
    }

    pub(super) fn queue(&self) -> (usize, usize) {
        (self.queue_messages, self.queue_bytes)
    }

    pub(super) fn rates(&self) -> &Rates {
        &self.rates
    }

    /// The name of the first setting with which nothing could be sent or received.
    pub(super) fn zero(&self) -> Option<&'static str> {
        [
            ("max_message_size", self.max_message_size),
            ("max_frame_size", self.max_frame_size.unwrap_or(1)),
            ("read_buffer_size", self.read_buffer_size),
            ("write_buffer_size", self.write_buffer_size),
            ("queue_messages", self.queue_messages),
            ("queue_bytes", self.queue_bytes),
            ("control_rate", usize::from(!self.rates.control_frames.is_zero())),
            ("message_rate", usize::from(!self.rates.messages.is_some_and(Rate::is_zero))),
            ("byte_rate", usize::from(!self.rates.bytes.is_some_and(Rate::is_zero))),
        ]
        .into_iter()
        .find_map(|(name, limit)| (limit == 0).then_some(name))
    }

    pub(super) fn config(&self) -> WebSocketConfig {
        /// Small messages are gathered up to this size before they are written.
        const GATHER: usize = 4 * 1024;
        /// The longest head of a frame ([RFC 6455 §5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)).
        const FRAME_HEAD: usize = 14;
        /// What the codec holds to read into. It is left with fragments and control frames.
        const CODEC: usize = 256;
        let one = self.max_message_size.saturating_add(self.max_message_size / 8).saturating_add(FRAME_HEAD);
        WebSocketConfig::default()
            .read_buffer_size(CODEC)
            .write_buffer_size(GATHER)
            // One whole message must fit, or it could never be sent, even one that grows by an eighth when it is compressed; and one of
            // each of the two who write, since both may have been told that there is room. The codec wants the sum larger than what
            // is gathered.
            .max_write_buffer_size(one.saturating_mul(2).saturating_add(self.write_buffer_size).saturating_add(GATHER))
            .max_message_size(Some(self.max_message_size))
            .max_frame_size(Some(self.max_frame()))
    }

    pub(super) fn max_frame(&self) -> usize {
        self.max_frame_size.unwrap_or(self.max_message_size).min(self.max_message_size)
    }

    pub(super) fn read_buffer(&self) -> usize {
        self.read_buffer_size
    }

    pub(super) fn max_message(&self) -> usize {
        self.max_message_size
    }

    pub(super) fn allows(&self, outgoing: usize) -> bool {
        outgoing <= self.max_message_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_never_allowed_more_than_a_message() {
        for (row, limits, expected) in [
            ("by default", Limits::default(), 1024 * 1024),
            ("smaller", Limits::default().max_frame_size(100), 100),
            ("larger", Limits::default().max_message_size(50).max_frame_size(100), 50),
        ] {
            assert_eq!(limits.config().max_frame_size, Some(expected), "{row}");
        }
    }

    #[test]
    fn the_codec_takes_any_limits() {
        for bytes in [1, 125, 4096, usize::MAX] {
            let limits =
                Limits::default().max_message_size(bytes).max_frame_size(bytes).read_buffer_size(1).write_buffer_size(bytes);
            let config = limits.config();
            assert!(config.max_write_buffer_size > config.write_buffer_size, "{bytes}");
            assert!(config.max_write_buffer_size >= bytes.saturating_mul(2), "{bytes}: one of each who writes");
            assert_eq!(limits.zero(), None);
        }
        assert_eq!(Limits::default().max_frame_size(0).zero(), Some("max_frame_size"));
    }
}
