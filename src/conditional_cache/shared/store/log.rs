//! The latest purges, for what was on its way when they happened.

use std::collections::VecDeque;

use super::{
    super::key::CacheKey,
    purge::{Purge, PurgeMode},
    variants::Variant,
};

/// How many purges are remembered. What was asked for before them all is not stored: nobody knows whether it was purged.
const MOST: usize = 256;

/// The latest purges, the newest last.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// How many there were.
    count: u64,
    latest: VecDeque<Purge>,
}

impl Log {
    /// How many purges there were.
    pub(super) fn epoch(&self) -> u64 {
        self.count
    }

    pub(super) fn push(&mut self, purge: Purge) {
        self.count += 1;
        self.latest.push_back(purge);
        if self.latest.len() > MOST {
            self.latest.pop_front();
        }
    }

    /// What purges have made of a response since it was asked for.
    pub(super) fn judge(&self, key: &CacheKey, variant: &Variant) -> Option<PurgeMode> {
        let since = self.count.checked_sub(variant.epoch()).filter(|since| *since > 0)?;
        let Some(skipped) = (self.latest.len() as u64).checked_sub(since) else { return Some(PurgeMode::Hard) };
        let named =
            self.latest.iter().skip(usize::try_from(skipped).unwrap_or(usize::MAX)).filter(|purge| purge.names(key, variant));
        named.map(Purge::mode).max_by_key(|mode| *mode == PurgeMode::Hard)
    }
}
