//! Tokens that the server refused a moment ago.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use sha2::{Digest as _, Sha256};

use crate::token_auth::verifier::TokenErrorKind;

/// A bounded memory, for anybody may fill it: the oldest goes first. Tokens are known by their SHA-256, so that long ones take no more room,
/// and nobody can make one that passes for another.
pub(super) struct Refusals {
    most: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    refused: HashMap<[u8; 32], Refusal>,
    queue: VecDeque<[u8; 32]>,
}

#[derive(Clone, Copy)]
struct Refusal {
    kind: TokenErrorKind,
    from: SystemTime,
    until: SystemTime,
}

impl Refusals {
    pub(super) fn new(most: usize) -> Self {
        Self { most, table: Mutex::default() }
    }

    pub(super) fn get(&self, token: &str, now: SystemTime) -> Option<TokenErrorKind> {
        let refusal = *self.table().refused.get(&digest(token))?;
        // The clock may have been set back.
        (refusal.from <= now && now < refusal.until).then_some(refusal.kind)
    }

    pub(super) fn insert(&self, token: &str, kind: TokenErrorKind, from: SystemTime, until: SystemTime) {
        let (digest, mut table) = (digest(token), self.table());
        if self.most == 0 {
            return;
        }
        if table.refused.insert(digest, Refusal { kind, from, until }).is_none() {
            table.queue.push_back(digest);
        }
        while table.queue.len() > self.most {
            if let Some(oldest) = table.queue.pop_front() {
                table.refused.remove(&oldest);
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A refusal more or less does no harm.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_refusal_is_remembered_for_its_time() {
        let refusals = Refusals::new(2);
        refusals.insert("a", TokenErrorKind::Inactive, at(10), at(20));
        for (name, token, now, expected) in [
            ("at once", "a", 10, true),
            ("just before the end", "a", 19, true),
            ("the end", "a", 20, false),
            ("before the beginning", "a", 9, false),
            ("another", "b", 10, false),
        ] {
            assert_eq!(refusals.get(token, at(now)).is_some(), expected, "{name}");
        }
    }

    #[test]
    fn the_oldest_makes_room() {
        let refusals = Refusals::new(2);
        for token in ["a", "b", "a", "c"] {
            refusals.insert(token, TokenErrorKind::Inactive, at(0), at(9));
        }
        assert_eq!(["a", "b", "c"].map(|token| refusals.get(token, at(1)).is_some()), [false, true, true]);
        assert_eq!(refusals.table().queue.len(), 2);
        Refusals::new(0).insert("a", TokenErrorKind::Inactive, at(0), at(9));
    }
}
