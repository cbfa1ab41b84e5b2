use std::sync::Arc;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::{
    self as codec,
    protocol::frame::{
        Frame, FrameHeader,
        coding::{Data, OpCode},
    },
};

use super::{
    close::CloseFrame,
    deflate::{Deflater, Forms},
    error::{WsError, WsErrorKind},
    limits::Limits,
    utf8::Utf8Bytes,
};

/// What a WebSocket carries ([RFC 6455 §5.6](https://www.rfc-editor.org/rfc/rfc6455#section-5.6) and
/// [§5.5](https://www.rfc-editor.org/rfc/rfc6455#section-5.5)). Cloning is a reference count.
///
/// ```
/// use donjon::ws_upgrade::Message;
///
/// assert_eq!(Message::from("hello").as_text(), Some("hello"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the kinds are those of the protocol's version, which is final; a handler matches on all"
)]
pub enum Message {
    /// A text.
    Text(Utf8Bytes),
    /// Bytes.
    Binary(Bytes),
    /// A question whether the other side lives, at most 125 bytes. A received one is answered already.
    Ping(Bytes),
    /// The answer to a ping, at most 125 bytes; unasked, a sign of life. Those to the pings of the layer's own heartbeat are handed out as
    /// well, and are nothing for a handler to do: ignore them.
    Pong(Bytes),
    /// The end. A received one is answered already, and the last message.
    Close(Option<CloseFrame>),
}

impl Message {
    /// A text message.
    #[must_use]
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// A binary message.
    #[must_use]
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes of a text, binary, ping or pong message.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes,
            Self::Close(_) => &[],
        }
    }

    /// Whether it is for the other side's handler, and no control frame.
    pub(super) fn is_data(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Binary(_))
    }

    /// `None` for a bare frame, which the codec never reads as a message.
    pub(super) fn received(message: codec::Message) -> Option<Self> {
        Some(match message {
            codec::Message::Text(text) => Self::Text(Utf8Bytes::received(text)),
            codec::Message::Binary(bytes) => Self::Binary(bytes),
            codec::Message::Ping(bytes) => Self::Ping(bytes),
            codec::Message::Pong(bytes) => Self::Pong(bytes),
            codec::Message::Close(frame) => Self::Close(frame.and_then(CloseFrame::received)),
            codec::Message::Frame(_) => return None,
        })
    }

    /// As the codec takes it.
    pub(super) fn into_codec(self) -> codec::Message {
        match self {
            Self::Text(text) => codec::Message::Text(text.into_codec()),
            Self::Binary(bytes) => codec::Message::Binary(bytes),
            Self::Ping(bytes) => codec::Message::Ping(bytes),
            Self::Pong(bytes) => codec::Message::Pong(bytes),
            Self::Close(frame) => codec::Message::Close(frame.map(CloseFrame::into_codec)),
        }
    }
}

/// A message on its way out, and if it is for many, what others have compressed it to.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) message: Message,
    forms: Option<Arc<Forms>>,
}

impl Parcel {
    pub(super) fn for_many(message: Message) -> Self {
        Self { message, forms: Some(Arc::default()) }
    }

    /// As the codec takes it; compressed where that was agreed on and pays.
    pub(super) fn into_codec(self, deflater: Option<&mut Deflater>) -> codec::Message {
        let kind = match self.message {
            Message::Text(_) => Some(Data::Text),
            Message::Binary(_) => Some(Data::Binary),
            _ => None,
        };
        if let (Some(kind), Some(deflater)) = (kind, deflater)
            && let Some(deflated) = deflater.deflate(self.message.as_bytes(), self.forms.as_deref())
        {
            return compressed(kind, deflated);
        }
        self.message.into_codec()
    }
}

impl From<Message> for Parcel {
    fn from(message: Message) -> Self {
        Self { message, forms: None }
    }
}

/// RSV1 says that it is compressed ([RFC 7692 §6](https://www.rfc-editor.org/rfc/rfc7692#section-6)).
fn compressed(kind: Data, payload: Bytes) -> codec::Message {
    let head = FrameHeader { rsv1: true, opcode: OpCode::Data(kind), ..FrameHeader::default() };
    codec::Message::Frame(Frame::from_payload(head, payload))
}

/// A control frame carries at most 125 bytes ([RFC 6455 §5.5](https://www.rfc-editor.org/rfc/rfc6455#section-5.5)), which the
/// codec does not check.
pub(super) fn check_size(message: &Message, limits: &Limits) -> Result<(), WsError> {
    let bytes = message.as_bytes().len();
    match message {
        Message::Ping(_) | Message::Pong(_) if bytes > 125 => Err(WsError::new(WsErrorKind::ControlTooBig)),
        Message::Text(_) | Message::Binary(_) if !limits.allows(bytes) => Err(WsError::new(WsErrorKind::TooBig)),
        _ => Ok(()),
    }
}

macro_rules! message_from {
    ($($kind:ident: $($from:ty),+;)+) => {$($(
        impl From<$from> for Message {
            fn from(content: $from) -> Self {
                Self::$kind(content.into())
            }
        }
    )+)+};
}

message_from! {
    Text: Utf8Bytes, String, &str;
    Binary: Bytes, Vec<u8>, &'static [u8];
}
