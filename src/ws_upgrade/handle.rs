use std::fmt;

use super::{
    close::{CloseCode, IntoCloseFrame},
    ending::Ending,
    error::{WsError, WsErrorKind},
    link::{Offered, SlowConsumer},
    message::{Message, Parcel, check_size},
    wire::Wire,
};
use crate::core::Principal;

/// A socket as everybody else sees it: to send to, to close, to keep informed about who is there.
///
/// Handles are cloned freely, outlive the socket and keep nothing open. What is sent by one waits in a bounded queue
/// ([`Limits::queue_messages`](super::Limits::queue_messages)) that the socket's own task empties, while the handler does something
/// else; [`SlowConsumer`] says what happens when it is full.
///
/// ```
/// use donjon::ws_upgrade::{WsError, WsSocket};
///
/// async fn handler(mut socket: WsSocket) {
///     let handle = socket.handle();
///     tokio::spawn(async move { handle.send("from elsewhere").await });
///     while let Some(Ok(message)) = socket.recv().await {
///         // ...
///     }
/// }
/// ```
#[derive(Clone)]
pub struct WsHandle(Wire);

impl WsHandle {
    pub(super) fn new(wire: Wire) -> Self {
        Self(wire)
    }

    /// Queues a message; with [`SlowConsumer::Wait`] it waits until there is room.
    ///
    /// # Errors
    /// When the socket has ended, or ends by this; or when the message is too large, and the socket stays open.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), WsError> {
        self.deliver(&message.into().into()).await
    }

    pub(super) async fn deliver(&self, parcel: &Parcel) -> Result<(), WsError> {
        loop {
            match self.try_deliver(parcel.clone()) {
                Err(error) if error.kind() == WsErrorKind::Full => self.0.link().room(parcel.message.as_bytes().len()).await,
                sent => return sent,
            }
        }
    }

    /// Queues a message, or fails with [`Full`](WsErrorKind::Full) where [`send`](Self::send) would wait.
    ///
    /// # Errors
    /// As of [`send`](Self::send), and [`Full`](WsErrorKind::Full).
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), WsError> {
        self.try_deliver(message.into().into())
    }

    fn try_deliver(&self, parcel: Parcel) -> Result<(), WsError> {
        match self.offer(parcel)? {
            Offered::Queued { .. } => Ok(()),
            Offered::Full if self.0.link().policy() == SlowConsumer::Disconnect => Err(WsError::new(WsErrorKind::Slow)),
            Offered::Full => Err(WsError::new(WsErrorKind::Full)),
            Offered::Ended => Err(WsError::new(self.0.cause())),
        }
    }

    /// Queues a message and does what the policy wants if it cannot.
    pub(super) fn offer(&self, parcel: Parcel) -> Result<Offered, WsError> {
        check_size(&parcel.message, &self.0.config().limits)?;
        if let Message::Close(frame) = parcel.message {
            self.close(frame.unwrap_or(CloseCode::NORMAL.into()));
            return Ok(Offered::Queued { dropped: 0 });
        }
        let offered = self.0.link().offer(parcel);
        match offered {
            Offered::Queued { dropped } if dropped > 0 => self.0.config().counters.messages_dropped(dropped as u64),
            Offered::Full if self.0.link().policy() == SlowConsumer::Disconnect => self.0.end(Ending::slow()),
            _ => {}
        }
        Ok(offered)
    }

    /// What happens when the queue is full.
    pub(super) fn policy(&self) -> SlowConsumer {
        self.0.link().policy()
    }

    /// Says goodbye once everything that was queued has been sent. Does nothing to a socket that has ended.
    pub fn close(&self, frame: impl IntoCloseFrame) {
        self.0.end(Ending::ours(frame.into_close_frame()));
    }

    /// Whether the socket has ended: nothing more will be sent or received.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.link().has_ended()
    }

    /// Completes when the socket has ended, whoever ended it, and says why; [`Closed`](WsErrorKind::Closed) is the regular end.
    pub async fn closed(&self) -> WsErrorKind {
        self.0.link().ended().await;
        self.0.cause()
    }

    /// How many messages wait in the queue.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.0.link().queued()
    }

    /// How many messages were dropped because the peer was too slow ([`SlowConsumer::DropOldest`]).
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.link().dropped()
    }

    /// Who is connected, if a layer around or beneath has said so.
    #[must_use]
    pub fn principal(&self) -> Option<Principal> {
        self.0.link().principal()
    }

    /// Completes when the principal expires soon, [`Timeouts::expiry_notice`](super::Timeouts::expiry_notice) before it does, or the
    /// socket has ended. The moment to ask the client for a new token, and to [`renew`](Self::renew).
    pub async fn expiring(&self) {
        self.0.link().expiring().await;
    }

    /// Follows a newer principal of the same issuer and subject: the socket lives as long as this one does. One without a subject is
    /// nobody's newer one; where nobody was known, anybody may come. [`Admission`](super::Admission) does not count them anew.
    ///
    /// The handler has verified it, from a token that the client sent in a message.
    ///
    /// # Errors
    /// [`OtherPrincipal`](WsErrorKind::OtherPrincipal) if it is somebody else's, and the socket goes on as before; or when the socket
    /// has ended.
    pub fn renew(&self, principal: Principal) -> Result<(), WsError> {
        self.0
            .link()
            .renew(principal)
            .map_err(|kind| WsError::new(if kind == WsErrorKind::Closed { self.0.cause() } else { kind }))
    }
}

impl fmt::Debug for WsHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsHandle").field("closed", &self.is_closed()).field("queued", &self.queued()).finish_non_exhaustive()
    }
}
