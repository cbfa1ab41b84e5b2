use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use flate2::{Compress, Decompress};

/// More than these at once are made anew and dropped after their message.
const KEPT: usize = 16;

/// Compressors and inflaters that no message is using, for connections that keep none.
#[derive(Default)]
pub(in crate::ws_upgrade) struct Pool {
    deflaters: Mutex<Vec<(u8, Compress)>>,
    inflaters: Mutex<Vec<Decompress>>,
}

impl Pool {
    /// A compressor of this window, if one is free.
    pub(super) fn deflater(&self, bits: u8) -> Option<Compress> {
        let mut free = held(&self.deflaters);
        let at = free.iter().position(|(other, _)| *other == bits)?;
        Some(free.swap_remove(at).1)
    }

    /// Takes back a compressor that was reset.
    pub(super) fn keep_deflater(&self, bits: u8, deflater: Compress) {
        let mut free = held(&self.deflaters);
        if free.len() < KEPT {
            free.push((bits, deflater));
        }
    }

    pub(super) fn inflater(&self) -> Option<Decompress> {
        held(&self.inflaters).pop()
    }

    /// Takes back an inflater that was reset.
    pub(super) fn keep_inflater(&self, inflater: Decompress) {
        let mut free = held(&self.inflaters);
        if free.len() < KEPT {
            free.push(inflater);
        }
    }
}

fn held<T>(free: &Mutex<Vec<T>>) -> MutexGuard<'_, Vec<T>> {
    // A list is whole after any panic.
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("deflaters", &held(&self.deflaters).len())
            .field("inflaters", &held(&self.inflaters).len())
            .finish()
    }
}
