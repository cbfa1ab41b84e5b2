use std::time::Duration;

/// How long a socket may do nothing, or too little.
///
/// One timer per socket watches them all.
///
/// ```
/// use std::time::Duration;
/// use donjon::ws_upgrade::Timeouts;
///
/// let timeouts = Timeouts::default()
///     .heartbeat(Duration::from_secs(15), Duration::from_secs(5))
///     .idle(Duration::from_secs(600))
///     .lifetime(Duration::from_secs(24 * 60 * 60));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Timeouts {
    pub(super) heartbeat: Option<Heartbeat>,
    pub(super) idle: Option<Duration>,
    pub(super) write: Option<Duration>,
    pub(super) lifetime: Option<Duration>,
    pub(super) close: Duration,
    pub(super) opening: Duration,
    pub(super) notice: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heartbeat {
    pub(super) every: Duration,
    pub(super) timeout: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            // Proxies commonly give up on a connection that is silent for 60 s.
            heartbeat: Some(Heartbeat { every: Duration::from_secs(25), timeout: Duration::from_secs(20) }),
            idle: None,
            write: Some(Duration::from_secs(30)),
            lifetime: None,
            close: Duration::from_secs(5),
            opening: Duration::from_secs(10),
            notice: Duration::from_secs(60),
        }
    }
}

impl Timeouts {
    /// A ping goes out this often, and a peer of which then nothing is heard for `timeout` is gone
    /// ([RFC 6455 §5.5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.5.2)); 25 and 20 seconds by default.
    ///
    /// Whatever comes is a sign of life, not the pong alone, and be it a part of a message: in the middle of a frame no peer can answer.
    pub fn heartbeat(mut self, every: Duration, timeout: Duration) -> Self {
        self.heartbeat = Some(Heartbeat { every, timeout });
        self
    }

    /// No pings. A peer that vanished is then found only by writing to it.
    pub fn without_heartbeat(mut self) -> Self {
        self.heartbeat = None;
        self
    }

    /// How long there may be no message, in either direction, before the socket is closed with 1001; pings are none. Unlimited by
    /// default.
    pub fn idle(mut self, timeout: Duration) -> Self {
        self.idle = Some(timeout);
        self
    }

    /// How long a peer may take nothing of what waits to be sent, until the connection is dropped; 30 seconds by default. Whoever sends
    /// it, and answers to pings as well. One that reads slowly is waited for.
    pub fn write(mut self, timeout: Duration) -> Self {
        self.write = Some(timeout);
        self
    }

    /// How long a socket may be open at all before it is closed with 1001; unlimited by default.
    pub fn lifetime(mut self, timeout: Duration) -> Self {
        self.lifetime = Some(timeout);
        self
    }

    /// How long the peer may take to answer a Close frame; 5 seconds by default. The standard names no time
    /// ([RFC 6455 §7.1.1](https://www.rfc-editor.org/rfc/rfc6455#section-7.1.1)).
    pub fn close(mut self, timeout: Duration) -> Self {
        self.close = timeout;
        self
    }

    /// How long an accepted handshake may take to become a WebSocket; 10 seconds by default.
    pub fn opening(mut self, timeout: Duration) -> Self {
        self.opening = timeout;
        self
    }

    /// How long before the principal expires [`WsHandle::expiring`](super::WsHandle::expiring) completes; 60 seconds by default.
    pub fn expiry_notice(mut self, before: Duration) -> Self {
        self.notice = before;
        self
    }

    /// The name of the first with which no socket could live.
    pub(super) fn zero(&self) -> Option<&'static str> {
        [
            ("heartbeat", self.heartbeat.map(|heartbeat| heartbeat.every.min(heartbeat.timeout))),
            ("idle", self.idle),
            ("write", self.write),
            ("lifetime", self.lifetime),
            ("close", Some(self.close)),
            ("opening", Some(self.opening)),
        ]
        .into_iter()
        .find_map(|(name, timeout)| (timeout == Some(Duration::ZERO)).then_some(name))
    }
}
