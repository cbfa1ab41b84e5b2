//! How a socket ends, [RFC 6455 §7.4](https://www.rfc-editor.org/rfc/rfc6455#section-7.4).

use std::fmt;

use tokio_tungstenite::tungstenite::protocol as codec;

use super::utf8::Utf8Bytes;

/// A status code of a Close frame, of those that may be sent
/// ([RFC 6455 §7.4.2](https://www.rfc-editor.org/rfc/rfc6455#section-7.4.2), and
/// [IANA](https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number)).
///
/// ```
/// use donjon::ws_upgrade::CloseCode;
///
/// assert_eq!(CloseCode::new(1000), Some(CloseCode::NORMAL));
/// assert_eq!(CloseCode::new(4321).map(CloseCode::get), Some(4321));
/// assert_eq!(CloseCode::new(1006), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server goes down, or the page was left.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL: Self = Self(1002);
    /// 1003: a kind of data that cannot be accepted.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1007: data that is not what its kind says, such as text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// 1008: the peer broke a rule of the application.
    pub const POLICY: Self = Self(1008);
    /// 1009: a message that is too big.
    pub const TOO_BIG: Self = Self(1009);
    /// 1011: the server failed.
    pub const INTERNAL: Self = Self(1011);
    /// 1012: the server restarts; come back after a random delay.
    pub const RESTART: Self = Self(1012);
    /// 1013: the server is overloaded; come back later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 3000: no, or no longer, authenticated.
    pub const UNAUTHORIZED: Self = Self(3000);
    /// 3003: authenticated, and not allowed.
    pub const FORBIDDEN: Self = Self(3003);

    /// A code that may stand in a Close frame: 1000–1003, 1007–1013, and the ranges of libraries and applications, 3000–4999.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1013 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The content of a Close frame: a code, and a reason for people.
///
/// ```
/// use donjon::ws_upgrade::{CloseCode, CloseFrame};
///
/// let frame = CloseFrame::new(CloseCode::POLICY, "é".repeat(100));
/// assert_eq!(frame.reason().len(), 122, "cut at a character boundary");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CloseFrame {
    code: CloseCode,
    reason: Utf8Bytes,
}

impl CloseFrame {
    /// What fits into a control frame beside the code ([RFC 6455 §5.5](https://www.rfc-editor.org/rfc/rfc6455#section-5.5)).
    const MAX_REASON: usize = 123;

    /// A frame whose reason is cut to the 123 bytes that fit. The reason goes to the peer: no inner error, no secret.
    #[must_use]
    pub fn new(code: CloseCode, reason: impl Into<Utf8Bytes>) -> Self {
        Self { code, reason: cut(reason.into()) }
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason, empty if none was given. From a peer: foreign text.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    pub(super) const fn of(code: CloseCode, reason: &'static str) -> Self {
        Self { code, reason: Utf8Bytes::from_static(reason) }
    }

    /// `None` for a code that no peer may send; the codec has answered it as a violation already.
    pub(super) fn received(frame: codec::CloseFrame) -> Option<Self> {
        Some(Self { code: CloseCode::new(frame.code.into())?, reason: Utf8Bytes::received(frame.reason) })
    }

    pub(super) fn into_codec(self) -> codec::CloseFrame {
        codec::CloseFrame { code: self.code.0.into(), reason: self.reason.into_codec() }
    }
}

impl From<CloseCode> for CloseFrame {
    fn from(code: CloseCode) -> Self {
        Self::of(code, "")
    }
}

/// What the peer is told when something ends the socket.
///
/// For an error of your own: which code it is, and what of it the peer may read.
///
/// ```
/// use donjon::ws_upgrade::{CloseCode, CloseFrame, IntoCloseFrame, Message, WsSocket};
///
/// struct UnknownCommand(String);
///
/// impl IntoCloseFrame for UnknownCommand {
///     fn into_close_frame(self) -> CloseFrame {
///         CloseFrame::new(CloseCode::POLICY, format!("unknown command {}", self.0))
///     }
/// }
///
/// async fn handler(mut socket: WsSocket) {
///     if let Err(error) = commands(&mut socket).await {
///         socket.close(error).await;
///     }
/// }
///
/// async fn commands(socket: &mut WsSocket) -> Result<(), UnknownCommand> {
///     while let Some(Ok(message)) = socket.recv().await {
///         if let Message::Text(text) = message {
///             return Err(UnknownCommand(text.to_string()));
///         }
///     }
///     Ok(())
/// }
/// ```
pub trait IntoCloseFrame {
    /// The frame. Its reason goes to the peer: no inner error, no secret.
    fn into_close_frame(self) -> CloseFrame;
}

impl IntoCloseFrame for CloseFrame {
    fn into_close_frame(self) -> CloseFrame {
        self
    }
}

impl IntoCloseFrame for CloseCode {
    fn into_close_frame(self) -> CloseFrame {
        self.into()
    }
}

fn cut(reason: Utf8Bytes) -> Utf8Bytes {
    if reason.len() <= CloseFrame::MAX_REASON {
        return reason;
    }
    let end = (0..=CloseFrame::MAX_REASON).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or_default();
    reason.get(..end).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_reason_is_cut_no_shorter_than_it_must(reason in "\\PC{0,140}") {
            let frame = CloseFrame::new(CloseCode::NORMAL, reason.clone());
            prop_assert!(reason.starts_with(frame.reason()));
            prop_assert!(frame.reason().len() <= 123);
            prop_assert!(frame.reason() == reason || frame.reason().len() > 119);
        }

        #[test]
        fn the_codec_may_send_every_code(code in any::<u16>()) {
            if CloseCode::new(code).is_some() {
                prop_assert!(codec::frame::coding::CloseCode::from(code).is_allowed());
            }
        }
    }
}
