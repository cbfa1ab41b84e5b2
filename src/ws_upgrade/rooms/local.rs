//! The rooms of one process.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::super::{
    handle::WsHandle,
    link::{Offered, SlowConsumer},
    message::Parcel,
};

/// What became of a broadcast, in exact counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// Members whose queue has the message.
    pub queued: usize,
    /// Older messages that made room for it ([`SlowConsumer::DropOldest`](crate::ws_upgrade::SlowConsumer::DropOldest)).
    pub dropped: usize,
    /// Members that were too slow and are disconnected for it
    /// ([`SlowConsumer::Disconnect`](crate::ws_upgrade::SlowConsumer::Disconnect)).
    pub disconnected: usize,
}

#[derive(Default)]
pub(super) struct Local {
    /// Whoever holds this may take the lock of a room's members, never the other way round.
    rooms: Mutex<HashMap<Arc<str>, Arc<Room>>>,
}

pub(super) struct Room {
    name: Arc<str>,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    next: u64,
    by_id: BTreeMap<u64, WsHandle>,
}

impl Room {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Local {
    fn locked(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Room>>> {
        // A map of handles is whole after any panic.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn join(&self, name: &str, socket: WsHandle) -> (Arc<Room>, u64) {
        let mut rooms = self.locked();
        let room = match rooms.get(name) {
            Some(room) => Arc::clone(room),
            None => {
                let name: Arc<str> = name.into();
                let room = Arc::new(Room { name: Arc::clone(&name), members: Mutex::default() });
                rooms.insert(name, Arc::clone(&room));
                room
            }
        };
        let mut members = room.members();
        members.next += 1;
        let id = members.next;
        members.by_id.insert(id, socket);
        drop(members);
        (room, id)
    }

    pub(super) fn leave(&self, room: &Arc<Room>, id: u64) {
        let mut rooms = self.locked();
        let mut members = room.members();
        let left = members.by_id.remove(&id);
        if members.by_id.is_empty() {
            rooms.remove(&room.name);
        }
        drop((members, rooms));
        drop(left);
    }

    /// Gives the message to all who take it at once, and returns those who want to be waited for.
    pub(super) fn offer(&self, room: &str, parcel: &Parcel, except: Option<u64>) -> (Delivery, Vec<WsHandle>) {
        let (mut delivery, mut waiting) = (Delivery::default(), Vec::new());
        let Some(room) = self.locked().get(room).cloned() else { return (delivery, waiting) };
        for (_, member) in room.members().by_id.iter().filter(|(id, _)| Some(**id) != except) {
            match member.offer(parcel.clone()) {
                Ok(Offered::Queued { dropped }) => {
                    delivery.queued += 1;
                    delivery.dropped += dropped;
                }
                Ok(Offered::Full) if member.policy() == SlowConsumer::Disconnect => delivery.disconnected += 1,
                Ok(Offered::Full) => waiting.push(member.clone()),
                // Has ended and not left yet, or may not be sent so much.
                Ok(Offered::Ended) | Err(_) => {}
            }
        }
        (delivery, waiting)
    }

    /// Gives the message to those who want to be waited for.
    pub(super) async fn wait(waiting: Vec<WsHandle>, parcel: &Parcel, mut delivery: Delivery) -> Delivery {
        for member in waiting {
            delivery.queued += usize::from(member.deliver(parcel).await.is_ok());
        }
        delivery
    }

    pub(super) fn members(&self, room: &str) -> usize {
        let room = self.locked().get(room).cloned();
        room.map_or(0, |room| room.members().by_id.len())
    }

    pub(super) fn rooms(&self) -> usize {
        self.locked().len()
    }
}
