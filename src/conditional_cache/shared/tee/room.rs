use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// The room that all bodies have together while they come, so that many clients who stop reading cannot fill the memory. Cloning is a
/// reference count.
#[derive(Clone, Debug)]
pub(in super::super) struct Room {
    most: u64,
    held: Arc<AtomicU64>,
}

impl Room {
    /// For so many bytes.
    pub(in super::super) fn new(most: u64) -> Self {
        Self { most, held: Arc::default() }
    }
}

/// What one body holds.
#[derive(Debug)]
pub(super) struct Held {
    room: Room,
    bytes: u64,
}

impl Held {
    pub(super) fn nothing(room: Room) -> Self {
        Self { room, bytes: 0 }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Says whether there was room for it. It is counted in either case.
    pub(super) fn add(&mut self, bytes: u64) -> bool {
        self.bytes += bytes;
        self.room.held.fetch_add(bytes, Relaxed).saturating_add(bytes) <= self.room.most
    }

    pub(super) fn subtract(&mut self, bytes: u64) {
        self.bytes -= bytes;
        self.room.held.fetch_sub(bytes, Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.held.fetch_sub(self.bytes, Relaxed);
    }
}
