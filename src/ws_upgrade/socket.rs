use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use futures_sink::Sink;
use http::HeaderValue;

use super::{
    close::{CloseCode, IntoCloseFrame},
    ending::Ending,
    error::WsError,
    handle::WsHandle,
    message::{Message, check_size},
    wakers::Writer,
    wire::Wire,
};
use crate::core::Principal;

/// An open WebSocket.
///
/// It is a [`Stream`] of what the peer sends and a [`Sink`] of what it is sent, so that it can be split, forwarded and selected
/// over; and has methods for the plain case.
///
/// # The end
/// Whatever ends it, the peer is told why, and the connection is dropped when the peer has answered, or after
/// [`Timeouts::close`](super::Timeouts::close): dropping the socket says 1000, a panic of the handler 1011, a fault of the peer its own
/// code, the end of the [`Principal`]'s validity 3000, and a [`Drain`](super::Drain) what it is told to. The handler learns of it by
/// [`recv`](Self::recv), which returns one error, if it was not the peer's goodbye, and then `None`; and by every attempt to send.
///
/// ```
/// use donjon::ws_upgrade::{Message, WsSocket};
///
/// async fn echo(mut socket: WsSocket) {
///     while let Some(Ok(message)) = socket.recv().await {
///         if let Message::Text(_) | Message::Binary(_) = message
///             && socket.send(message).await.is_err()
///         {
///             return;
///         }
///     }
/// }
/// ```
pub struct WsSocket {
    wire: Wire,
    subprotocol: Option<HeaderValue>,
}

impl WsSocket {
    pub(super) fn new(wire: Wire, subprotocol: Option<HeaderValue>) -> Self {
        Self { wire, subprotocol }
    }

    /// The same socket for others: to send to it, close it, renew its principal while the handler receives.
    #[must_use]
    pub fn handle(&self) -> WsHandle {
        WsHandle::new(self.wire.clone())
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_ref()?.to_str().ok()
    }

    /// Who is connected, if a layer around or beneath has said so. The socket closes when its validity ends.
    #[must_use]
    pub fn principal(&self) -> Option<Principal> {
        self.wire.link().principal()
    }

    /// The next message; `None` when there will be no more.
    ///
    /// Cancel safe: a future that is dropped has lost nothing. Pings are answered and Close frames acknowledged by the next call. While
    /// nobody receives, the heartbeat may have looked for a sign of life and taken pings and pongs for it, which then do not appear
    /// here.
    ///
    /// # Errors
    /// Once, with the reason, if the socket ended otherwise than by a Close frame of either side.
    pub async fn recv(&mut self) -> Option<Result<Message, WsError>> {
        poll_fn(|cx| self.wire.poll_receive(cx)).await
    }

    /// Sends a message, waiting while the peer is slow.
    ///
    /// A future that is dropped has sent the message or has not. What of it was not yet taken then leaves while the handler receives, or
    /// at the latest when [`Timeouts::write`](super::Timeouts::write) has passed.
    ///
    /// # Errors
    /// When the socket has ended, with the reason; or when the message is too large, and the socket stays open.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), WsError> {
        let message = message.into();
        if let Message::Close(_) = message {
            poll_fn(|cx| self.wire.poll_ready(cx)).await?;
            Pin::new(&mut *self).start_send(message)?;
            return poll_fn(|cx| self.wire.poll_flush(Writer::Handler, cx)).await;
        }
        check_size(&message, &self.wire.config().limits)?;
        let mut parcel = Some(message.into());
        poll_fn(|cx| self.wire.poll_deliver(&mut parcel, cx)).await
    }

    /// Says goodbye and waits until the connection is gone: the peer has answered, or [`Timeouts::close`](super::Timeouts::close) has
    /// passed. What it still sends is discarded. Does nothing on a socket that has ended.
    ///
    /// Takes a code, a frame, or an error that knows what to say to the peer: [`IntoCloseFrame`].
    pub async fn close(self, frame: impl IntoCloseFrame) {
        self.wire.end(Ending::ours(frame.into_close_frame()));
        poll_fn(|cx| self.wire.poll_gone(cx)).await;
    }
}

impl Stream for WsSocket {
    type Item = Result<Message, WsError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.wire.poll_receive(cx)
    }
}

impl Sink<Message> for WsSocket {
    type Error = WsError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        self.wire.poll_ready(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), WsError> {
        match message {
            Message::Close(frame) => {
                self.wire.end(Ending::ours(frame.unwrap_or(CloseCode::NORMAL.into())));
                Ok(())
            }
            message => {
                check_size(&message, &self.wire.config().limits)?;
                self.wire.start_send(message.into())
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        self.wire.poll_flush(Writer::Handler, cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        self.wire.end(Ending::ours(CloseCode::NORMAL.into()));
        self.wire.poll_gone(cx).map(Ok)
    }
}

impl Drop for WsSocket {
    fn drop(&mut self) {
        let code = if std::thread::panicking() { CloseCode::INTERNAL } else { CloseCode::NORMAL };
        self.wire.end(Ending::ours(code.into()));
    }
}

impl fmt::Debug for WsSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsSocket")
            .field("subprotocol", &self.subprotocol())
            .field("principal", &self.principal())
            .finish_non_exhaustive()
    }
}
