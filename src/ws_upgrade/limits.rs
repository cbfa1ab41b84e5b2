use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// How much one socket may take, in bytes.
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
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_message_size: 1024 * 1024, max_frame_size: None, read_buffer_size: 4 * 1024, write_buffer_size: 128 * 1024 }
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

    /// How much is read at a time; 4 KiB by default, held by every connection. Larger is faster for large messages.
    pub fn read_buffer_size(mut self, bytes: usize) -> Self {
        self.read_buffer_size = bytes;
        self
    }

    /// How much may wait for a slow peer beside one message: small messages and the answers to its pings; 128 KiB by default,
    /// reserved only when needed.
    pub fn write_buffer_size(mut self, bytes: usize) -> Self {
        self.write_buffer_size = bytes;
        self
    }

    /// The name of the first setting with which nothing could be sent or received.
    pub(super) fn zero(&self) -> Option<&'static str> {
        [
            ("max_message_size", self.max_message_size),
            ("max_frame_size", self.max_frame_size.unwrap_or(1)),
            ("read_buffer_size", self.read_buffer_size),
            ("write_buffer_size", self.write_buffer_size),
        ]
        .into_iter()
        .find_map(|(name, bytes)| (bytes == 0).then_some(name))
    }

    pub(super) fn config(&self) -> WebSocketConfig {
        /// Small messages are gathered up to this size before they are written.
        const GATHER: usize = 4 * 1024;
        /// The longest head of a frame ([RFC 6455 §5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)).
        const FRAME_HEAD: usize = 14;
        WebSocketConfig::default()
            .read_buffer_size(self.read_buffer_size)
            .write_buffer_size(GATHER)
            // One whole message must fit, or it could never be sent, even one that grows by an eighth when it is compressed; the
            // codec wants the sum larger than what is gathered.
            .max_write_buffer_size(
                self.max_message_size
                    .saturating_add(self.max_message_size / 8)
                    .saturating_add(self.write_buffer_size)
                    .saturating_add(GATHER + FRAME_HEAD),
            )
            .max_message_size(Some(self.max_message_size))
            .max_frame_size(Some(self.max_frame_size.unwrap_or(self.max_message_size).min(self.max_message_size)))
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
            assert_eq!(limits.zero(), None);
        }
        assert_eq!(Limits::default().max_frame_size(0).zero(), Some("max_frame_size"));
    }
}
