use std::{error::Error as StdError, fmt, io};

use tokio_tungstenite::tungstenite::{Error as CodecError, error::ProtocolError};

use super::close::{CloseCode, CloseFrame, IntoCloseFrame};

/// Why a socket cannot go on, or a message was not sent.
///
/// Its texts never hold what was sent or received.
#[derive(Debug)]
pub struct WsError {
    kind: WsErrorKind,
    source: Option<CodecError>,
}

/// The kinds of [`WsError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WsErrorKind {
    /// The socket is closed, by either side.
    Closed,
    /// The principal's time is over; the peer is told 3000.
    Expired,
    /// The principal was revoked; the peer is told 3000.
    Revoked,
    /// A principal to [renew](super::WsHandle::renew) with is somebody else's; the socket stays open.
    OtherPrincipal,
    /// The peer broke the protocol; it is told 1002.
    Protocol,
    /// The peer sent text that is not UTF-8; it is told 1007.
    InvalidUtf8,
    /// The peer sent a compressed message that cannot be inflated; it is told 1007.
    Deflate,
    /// A received message is larger than the limit: the peer is told 1009. Or one to send is: it was not sent, and the socket
    /// stays open.
    TooBig,
    /// A ping or pong to send is larger than 125 bytes; it was not sent, and the socket stays open.
    ControlTooBig,
    /// The peer sent more, or in more pieces, than it may ([`Limits`](super::Limits)); it is told 1008.
    Flood,
    /// The peer takes less than it is sent, and [`SlowConsumer::Disconnect`](super::SlowConsumer::Disconnect) is the rule; it is told
    /// 1013.
    Slow,
    /// The peer gave no sign of life after a ping.
    Unresponsive,
    /// There was no message for too long; the peer is told 1001.
    Idle,
    /// What was to be sent has not left in time.
    WriteTimeout,
    /// The socket was open for as long as it may be; the peer is told 1001.
    Lifetime,
    /// The server goes down; the peer is told what [`Drain::start`](super::Drain::start) says.
    Draining,
    /// Too much waits for the peer already; the message was not sent, and the socket stays open.
    Full,
    /// The connection failed or ended without a Close frame.
    Connection,
}

impl WsError {
    pub(super) fn new(kind: WsErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> WsErrorKind {
        self.kind
    }
}

impl WsErrorKind {
    /// How many kinds there are.
    pub(super) const COUNT: usize = Self::Connection.index() + 1;

    /// A number below [`COUNT`](Self::COUNT).
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// What the peer is told when its own fault ends the socket
    /// ([RFC 6455 §7.4.1](https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1)).
    pub(super) fn close_code(self) -> Option<CloseCode> {
        match self {
            Self::Protocol => Some(CloseCode::PROTOCOL),
            Self::InvalidUtf8 | Self::Deflate => Some(CloseCode::INVALID_DATA),
            Self::TooBig => Some(CloseCode::TOO_BIG),
            Self::Flood => Some(CloseCode::POLICY),
            _ => None,
        }
    }
}

impl From<CodecError> for WsError {
    fn from(error: CodecError) -> Self {
        let kind = match &error {
            CodecError::ConnectionClosed | CodecError::AlreadyClosed | CodecError::Protocol(ProtocolError::SendAfterClosing) => {
                WsErrorKind::Closed
            }
            CodecError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => WsErrorKind::Connection,
            CodecError::Protocol(_) | CodecError::AttackAttempt => WsErrorKind::Protocol,
            CodecError::Capacity(_) => WsErrorKind::TooBig,
            CodecError::Utf8(_) => WsErrorKind::InvalidUtf8,
            // Holds the message that found no room: not chained, or its text would travel with the error.
            CodecError::WriteBufferFull(_) => return Self::new(WsErrorKind::Full),
            CodecError::Io(error) => Fault::within(error).unwrap_or(WsErrorKind::Connection),
            _ => WsErrorKind::Connection,
        };
        Self { kind, source: Some(error) }
    }
}

/// 1002, 1007, 1008 or 1009 for a fault of the peer, 1000 when it is over anyway, else 1011.
impl IntoCloseFrame for WsError {
    fn into_close_frame(self) -> CloseFrame {
        let code = match self.kind {
            WsErrorKind::Closed => CloseCode::NORMAL,
            kind => kind.close_code().unwrap_or(CloseCode::INTERNAL),
        };
        code.into()
    }
}

/// The text of a [`WsError`] of this kind.
impl fmt::Display for WsErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        WsError::new(*self).fmt(f)
    }
}

impl fmt::Display for WsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            WsErrorKind::Closed => "websocket is closed",
            WsErrorKind::Expired => "principal has expired",
            WsErrorKind::Revoked => "principal was revoked",
            WsErrorKind::OtherPrincipal => "principal is somebody else",
            WsErrorKind::Protocol => "peer broke the websocket protocol",
            WsErrorKind::InvalidUtf8 => "peer sent text that is not UTF-8",
            WsErrorKind::Deflate => "peer sent a message that cannot be inflated",
            WsErrorKind::TooBig => "message is larger than the limit",
            WsErrorKind::ControlTooBig => "control message is larger than 125 bytes",
            WsErrorKind::Flood => "peer sent more than it may",
            WsErrorKind::Slow => "peer is too slow",
            WsErrorKind::Unresponsive => "peer gave no sign of life",
            WsErrorKind::Idle => "no message for too long",
            WsErrorKind::WriteTimeout => "peer has not read in time",
            WsErrorKind::Lifetime => "maximum lifetime is over",
            WsErrorKind::Draining => "server is going down",
            WsErrorKind::Full => "too much waits for the peer",
            WsErrorKind::Connection => "connection failed",
        })
    }
}

impl StdError for WsError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

/// A fault of the peer on its way through the codec, which takes from beneath it only errors of the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault(WsErrorKind);

impl Fault {
    pub(super) fn new(kind: WsErrorKind) -> Self {
        Self(kind)
    }

    /// The fault that an error of the connection carries, if it does.
    fn within(error: &io::Error) -> Option<WsErrorKind> {
        error.get_ref()?.downcast_ref::<Self>().map(|fault| fault.0)
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Fault {}

/// What is wrong with the configuration of a [`WsUpgradeLayer`](super::WsUpgradeLayer), said when it is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    kind: ConfigErrorKind,
    value: String,
}

/// The kinds of [`ConfigError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// An allowed origin is none: no scheme, a path, `*`, `null`.
    Origin,
    /// A subprotocol is no token ([RFC 9110 §5.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2)).
    Subprotocol,
    /// A limit or a timeout is zero.
    Limit,
    /// A setting of [`Deflate`](super::Deflate) is out of its range.
    Deflate,
}

impl ConfigError {
    pub(super) fn new(kind: ConfigErrorKind, value: impl Into<String>) -> Self {
        Self { kind, value: value.into() }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ConfigErrorKind::Origin => write!(f, "not an origin such as https://example.com: {:?}", self.value),
            ConfigErrorKind::Subprotocol => write!(f, "not a subprotocol name: {:?}", self.value),
            ConfigErrorKind::Limit => write!(f, "limit or timeout is zero: {}", self.value),
            ConfigErrorKind::Deflate => write!(f, "deflate setting is out of its range: {}", self.value),
        }
    }
}

impl StdError for ConfigError {}
