use std::{
    error::Error as StdError,
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use futures_sink::Sink;

use super::{
    close::{CloseCode, CloseFrame, IntoCloseFrame},
    error::WsError,
    handle::WsHandle,
    message::Message,
    socket::WsSocket,
};

/// How values of a type become messages, and messages values of another.
///
/// `Json`, of the feature `ws-upgrade-json`, is one.
///
/// ```
/// use donjon::ws_upgrade::{Message, MessageCodec};
///
/// /// Numbers in network byte order.
/// struct BigEndian;
///
/// impl MessageCodec<u32, u32> for BigEndian {
///     type Error = &'static str;
///
///     fn encode(&self, number: &u32) -> Result<Message, Self::Error> {
///         Ok(number.to_be_bytes().to_vec().into())
///     }
///
///     fn decode(&self, message: Message) -> Result<u32, Self::Error> {
///         message.as_bytes().try_into().map(u32::from_be_bytes).map_err(|_| "four bytes are expected")
///     }
/// }
/// # assert_eq!(BigEndian.decode(BigEndian.encode(&7)?)?, 7);
/// # Ok::<_, &str>(())
/// ```
pub trait MessageCodec<In, Out> {
    /// Why a value has no message, or a message no value.
    type Error;

    /// The message of a value.
    ///
    /// # Errors
    /// If the value has none.
    fn encode(&self, value: &Out) -> Result<Message, Self::Error>;

    /// The value of a text or binary message.
    ///
    /// # Errors
    /// If it is not the message of any.
    fn decode(&self, message: Message) -> Result<In, Self::Error>;
}

/// A socket that receives values of one type and sends those of another: a [`Stream`] of `In` and a [`Sink`] of `Out`.
///
/// Made by [`WsSocket::typed`]. Pings, pongs and Close frames do not appear.
pub struct TypedSocket<In, Out, C> {
    socket: WsSocket,
    codec: C,
    types: PhantomData<fn(Out) -> In>,
}

impl WsSocket {
    /// Sends and receives values in place of messages.
    #[must_use]
    pub fn typed<In, Out, C: MessageCodec<In, Out>>(self, codec: C) -> TypedSocket<In, Out, C> {
        TypedSocket { socket: self, codec, types: PhantomData }
    }
}

impl<In, Out, C: MessageCodec<In, Out>> TypedSocket<In, Out, C> {
    /// The next value; `None` when there will be no more. Cancel safe.
    ///
    /// # Errors
    /// If a message was not understood, and the socket stays open; or once, when it has ended otherwise than by a Close frame.
    pub async fn recv(&mut self) -> Option<Result<In, TypedError<C::Error>>> {
        std::future::poll_fn(|cx| self.poll_value(cx)).await
    }

    /// Sends a value, waiting while the peer is slow.
    ///
    /// # Errors
    /// If the value has no message, or the message could not be sent.
    pub async fn send(&mut self, value: &Out) -> Result<(), TypedError<C::Error>> {
        let message = self.codec.encode(value).map_err(TypedError::Codec)?;
        self.socket.send(message).await.map_err(TypedError::Socket)
    }

    /// Says goodbye, as [`WsSocket::close`].
    pub async fn close(self, frame: impl IntoCloseFrame) {
        self.socket.close(frame).await;
    }

    /// The same socket for others.
    #[must_use]
    pub fn handle(&self) -> WsHandle {
        self.socket.handle()
    }

    /// The socket as it was.
    #[must_use]
    pub fn into_inner(self) -> WsSocket {
        self.socket
    }

    fn poll_value(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<In, TypedError<C::Error>>>> {
        loop {
            return Poll::Ready(match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                None => None,
                Some(Err(error)) => Some(Err(TypedError::Socket(error))),
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    Some(self.codec.decode(message).map_err(TypedError::Codec))
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => continue,
            });
        }
    }
}

impl<In, Out, C: MessageCodec<In, Out> + Unpin> Stream for TypedSocket<In, Out, C> {
    type Item = Result<In, TypedError<C::Error>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_value(cx)
    }
}

impl<In, Out, C: MessageCodec<In, Out> + Unpin> Sink<Out> for TypedSocket<In, Out, C> {
    type Error = TypedError<C::Error>;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.socket).poll_ready(cx).map_err(TypedError::Socket)
    }

    fn start_send(mut self: Pin<&mut Self>, value: Out) -> Result<(), Self::Error> {
        let message = self.codec.encode(&value).map_err(TypedError::Codec)?;
        Pin::new(&mut self.socket).start_send(message).map_err(TypedError::Socket)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(TypedError::Socket)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.socket).poll_close(cx).map_err(TypedError::Socket)
    }
}

impl<In, Out, C> fmt::Debug for TypedSocket<In, Out, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedSocket").field(&self.socket).finish()
    }
}

/// Why a [`TypedSocket`] has no value, or did not send one.
#[derive(Debug)]
#[non_exhaustive]
pub enum TypedError<E> {
    /// The socket cannot go on, or did not take the message.
    Socket(WsError),
    /// The codec did not understand the message, or could not encode the value. The socket is open.
    Codec(E),
}

/// What the socket's error says, or 1007 for a message that was not understood.
impl<E> IntoCloseFrame for TypedError<E> {
    fn into_close_frame(self) -> CloseFrame {
        match self {
            Self::Socket(error) => error.into_close_frame(),
            Self::Codec(_) => CloseFrame::of(CloseCode::INVALID_DATA, "message not understood"),
        }
    }
}

impl<E> fmt::Display for TypedError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(error) => error.fmt(f),
            Self::Codec(_) => f.write_str("message does not fit its type"),
        }
    }
}

impl<E: StdError + 'static> StdError for TypedError<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Socket(error) => error.source(),
            Self::Codec(error) => Some(error),
        }
    }
}
