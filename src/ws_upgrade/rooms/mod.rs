//! Rooms: one message for many sockets, encoded once.

mod bus;
mod local;

use std::{fmt, sync::Arc};

use self::local::{Local, Room};
pub use self::{
    bus::{Bus, InProcess, Inbox},
    local::Delivery,
};
use super::{
    handle::WsHandle,
    message::{Message, Parcel},
};

/// Who is in which room, and a way to speak to all of them.
///
/// A message is copied to nobody: all members share its bytes, and where it is compressed those of the same parameters share the result
/// too, unless they keep a context ([`Deflate::lean`](super::Deflate::lean) keeps none). Each member's own queue takes it
/// ([`Limits::queue_messages`](super::Limits::queue_messages)) and its socket's own task sends it, so that one who does not read
/// holds up nobody; what happens to that one says [`SlowConsumer`](super::SlowConsumer).
///
/// Clones are handles to the same rooms. A room is there as long as somebody is in it. Over several processes rooms are joined by a
/// [`Bus`].
///
/// ```
/// use donjon::ws_upgrade::{Message, Rooms, WsSocket};
///
/// async fn chat(rooms: Rooms, mut socket: WsSocket) {
///     let lobby = rooms.join("lobby", &socket.handle());
///     while let Some(Ok(message)) = socket.recv().await {
///         if let Message::Text(_) = message {
///             rooms.broadcast_others(&lobby, message).await;
///         }
///     }
///     // Leaves by dropping `lobby`.
/// }
/// ```
pub struct Rooms<B = InProcess> {
    local: Arc<Local>,
    bus: Arc<B>,
}

impl Rooms {
    /// Rooms of this process alone.
    #[must_use]
    pub fn new() -> Self {
        Self::over(InProcess::new())
    }
}

impl Default for Rooms {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Bus> Rooms<B> {
    /// Rooms that share what is said in them with all others on the same bus.
    #[must_use]
    pub fn over(bus: B) -> Self {
        let local = Arc::new(Local::default());
        bus.attach(Inbox::new(&local));
        Self { local, bus: Arc::new(bus) }
    }

    /// Brings a socket into a room, until the membership is dropped.
    ///
    /// A socket may be in many rooms, and in one room twice; then it hears everything twice.
    #[must_use = "dropping the membership leaves the room"]
    pub fn join(&self, room: &str, socket: &WsHandle) -> Membership {
        let (room, id) = self.local.join(room, socket.clone());
        Membership { local: Arc::clone(&self.local), room, id }
    }

    /// Sends a message to everybody in a room, here and on the bus.
    ///
    /// Waits only for members whose policy is [`SlowConsumer::Wait`](super::SlowConsumer::Wait), and after all others and the bus have it. The
    /// answer counts the members of this process.
    pub async fn broadcast(&self, room: &str, message: impl Into<Message>) -> Delivery {
        self.spread(room, message.into(), None).await
    }

    /// Sends a message to everybody in the sender's room but the sender.
    pub async fn broadcast_others(&self, sender: &Membership, message: impl Into<Message>) -> Delivery {
        self.spread(sender.room(), message.into(), Some(sender.id)).await
    }

    async fn spread(&self, room: &str, message: Message, except: Option<u64>) -> Delivery {
        let parcel = Parcel::for_many(message);
        let (delivery, waiting) = self.local.offer(room, &parcel, except);
        self.bus.publish(&Inbox::new(&self.local), room, &parcel.message).await;
        Local::wait(waiting, &parcel, delivery).await
    }

    /// How many members a room has in this process.
    #[must_use]
    pub fn members(&self, room: &str) -> usize {
        self.local.members(room)
    }

    /// How many rooms somebody is in.
    #[must_use]
    pub fn rooms(&self) -> usize {
        self.local.rooms()
    }
}

impl<B> Clone for Rooms<B> {
    fn clone(&self) -> Self {
        Self { local: Arc::clone(&self.local), bus: Arc::clone(&self.bus) }
    }
}

impl<B> fmt::Debug for Rooms<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rooms").field("rooms", &self.local.rooms()).finish_non_exhaustive()
    }
}

/// A socket's place in a room; dropping it leaves.
#[must_use = "dropping the membership leaves the room"]
pub struct Membership {
    local: Arc<Local>,
    room: Arc<Room>,
    id: u64,
}

impl Membership {
    /// The room.
    #[must_use]
    pub fn room(&self) -> &str {
        self.room.name()
    }

    /// Leaves the room.
    pub fn leave(self) {}
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.local.leave(&self.room, self.id);
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").field("room", &self.room()).finish_non_exhaustive()
    }
}
