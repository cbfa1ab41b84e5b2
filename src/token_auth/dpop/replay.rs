//! Proofs that were used, [RFC 9449 §11.1](https://www.rfc-editor.org/rfc/rfc9449#section-11.1).

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::{core::trace::event, token_auth::thumbprint::Thumbprint};

/// Remembers which proofs were used, so that each is taken once.
///
/// [`MemoryReplayStore`] does for one process. Several processes behind one origin need a store that they share, or a proof that one of them
/// saw can be shown to another within its window; with Redis or Valkey one command does it: `SET <id> 1 NX PXAT <until>`.
///
/// ```
/// use std::time::SystemTime;
/// use donjon::token_auth::{ProofId, ProofUse, ReplayStore, ReplayVerdict};
/// # async fn set_if_absent(_key: String, _until: SystemTime) -> Result<bool, std::io::Error> { Ok(true) }
///
/// struct Shared;
///
/// impl ReplayStore for Shared {
///     fn record(&self, proof: ProofId, _now: SystemTime, until: SystemTime) -> ReplayVerdict {
///         ReplayVerdict::later(async move {
///             match set_if_absent(format!("dpop:{proof}"), until).await {
///                 Ok(true) => ProofUse::First,
///                 Ok(false) => ProofUse::Again,
///                 Err(_) => ProofUse::Unknown,
///             }
///         })
///     }
/// }
/// ```
pub trait ReplayStore: Send + Sync + 'static {
    /// Records the use of `proof` and says whether it is the first, as one step: of two uses at the same time one is the first.
    ///
    /// The proof is refused by its time alone after `until`; it may be forgotten then.
    fn record(&self, proof: ProofId, now: SystemTime, until: SystemTime) -> ReplayVerdict;
}

/// Names a proof: a hash over the thumbprint of its key and its `jti`, so no client can use up another's.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProofId([u8; 32]);

impl ProofId {
    pub(super) fn of(key: &Thumbprint, jti: &str) -> Self {
        Self(Sha256::new().chain_update(key.as_bytes()).chain_update(jti).finalize().into())
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// In base64url, a key for a store.
impl fmt::Display for ProofId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for ProofId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProofId({self})")
    }
}

/// Whether a proof was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProofUse {
    /// It was not.
    First,
    /// It was: the request is refused with 401.
    Again,
    /// Nobody can tell now: the request is refused with 503.
    Unknown,
}

/// An answer that is waited for.
pub(in crate::token_auth) type Asking = Pin<Box<dyn Future<Output = ProofUse> + Send>>;

/// The answer of a [`ReplayStore`], now or later.
#[expect(clippy::exhaustive_enums, reason = "there is no third time")]
pub enum ReplayVerdict {
    /// It is known.
    Now(ProofUse),
    /// It will be.
    Later(Pin<Box<dyn Future<Output = ProofUse> + Send>>),
}

impl ReplayVerdict {
    /// The answer of `future`.
    pub fn later(future: impl Future<Output = ProofUse> + Send + 'static) -> Self {
        Self::Later(Box::pin(future))
    }
}

impl fmt::Debug for ReplayVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(proof_use) => f.debug_tuple("Now").field(proof_use).finish(),
            Self::Later(_) => f.debug_tuple("Later").finish_non_exhaustive(),
        }
    }
}

/// Enough for 2,000 requests a second with a window of a minute on either side.
const CAPACITY: usize = 1 << 18;

/// Remembers proofs in the memory of this process.
///
/// It holds as many as it was given room for, about a hundred bytes each, and drops each when its time is over. While it is full it cannot
/// tell, so requests with a proof are refused with 503: forgetting one that could still be replayed would be worse.
pub struct MemoryReplayStore {
    capacity: usize,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    proofs: HashSet<ProofId>,
    /// The same, by the second in which their time is over.
    ends: BTreeMap<u64, Vec<ProofId>>,
}

impl MemoryReplayStore {
    /// Room for 262,144 proofs, taken as it is needed.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// Room for so many proofs: the requests with a proof within twice the window.
    #[must_use]
    pub fn with_capacity(proofs: usize) -> Self {
        Self { capacity: proofs, used: Mutex::default() }
    }
}

impl Default for MemoryReplayStore {
    fn default() -> Self {
        Self::new()
    }
}

impl ReplayStore for MemoryReplayStore {
    fn record(&self, proof: ProofId, now: SystemTime, until: SystemTime) -> ReplayVerdict {
        // Nothing in here panics half-way.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        ReplayVerdict::Now(used.record(proof, seconds(now), seconds(until), self.capacity))
    }
}

impl Used {
    fn record(&mut self, proof: ProofId, now: u64, until: u64, capacity: usize) -> ProofUse {
        while let Some(first) = self.ends.first_entry()
            && *first.key() < now
        {
            for over in first.remove() {
                self.proofs.remove(&over);
            }
        }
        if self.proofs.contains(&proof) {
            return ProofUse::Again;
        }
        if self.proofs.len() >= capacity {
            event!(WARN, "the memory for used proofs is full", capacity = capacity);
            return ProofUse::Unknown;
        }
        self.proofs.insert(proof);
        self.ends.entry(until).or_default().push(proof);
        ProofUse::First
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl fmt::Debug for MemoryReplayStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReplayStore").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use proptest::prelude::*;

    fn id(jti: &str) -> ProofId {
        ProofId::of(&Thumbprint::of(b"key"), jti)
    }

    fn record(store: &MemoryReplayStore, jti: &str, now: u64, until: u64) -> ProofUse {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        match store.record(id(jti), at(now), at(until)) {
            ReplayVerdict::Now(proof_use) => proof_use,
            ReplayVerdict::Later(_) => panic!("the memory answers at once"),
        }
    }

    #[test]
    fn a_proof_is_used_once_until_its_time_is_over() {
        let store = MemoryReplayStore::new();
        assert_eq!(record(&store, "a", 100, 160), ProofUse::First);
        assert_eq!(record(&store, "a", 100, 160), ProofUse::Again);
        assert_eq!(record(&store, "a", 160, 160), ProofUse::Again);
        assert_eq!(record(&store, "b", 161, 200), ProofUse::First);
        assert_eq!(store.used.lock().unwrap().proofs.len(), 1);
        assert_eq!(record(&store, "a", 161, 200), ProofUse::First);
    }

    #[test]
    fn a_later_proof_of_the_same_jti_is_a_replay_too() {
        let store = MemoryReplayStore::new();
        assert_eq!(record(&store, "a", 100, 160), ProofUse::First);
        assert_eq!(record(&store, "a", 110, 170), ProofUse::Again);
    }

    #[test]
    fn what_is_full_cannot_tell_and_has_room_again() {
        let store = MemoryReplayStore::with_capacity(2);
        assert_eq!(record(&store, "a", 100, 150), ProofUse::First);
        assert_eq!(record(&store, "b", 100, 160), ProofUse::First);
        assert_eq!(record(&store, "c", 100, 160), ProofUse::Unknown);
        assert_eq!(record(&store, "a", 100, 150), ProofUse::Again);
        assert_eq!(record(&store, "c", 151, 200), ProofUse::First);
    }

    #[test]
    fn one_client_cannot_use_up_the_ids_of_another() {
        assert_ne!(ProofId::of(&Thumbprint::of(b"key"), "a"), ProofId::of(&Thumbprint::of(b"other"), "a"));
    }

    #[test]
    fn of_many_at_once_one_is_the_first() {
        let store = MemoryReplayStore::new();
        let first = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| record(&store, "a", 100, 160))).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|proof_use| *proof_use == ProofUse::First).count()
        });
        assert_eq!(first, 1);
    }

    proptest! {
        #[test]
        fn it_never_holds_more_than_its_capacity(uses in prop::collection::vec((0..9_u8, 0..50_u64), 0..60), capacity in 0..6_usize) {
            let store = MemoryReplayStore::with_capacity(capacity);
            let mut now = 0;
            for (jti, step) in uses {
                now += step;
                record(&store, &jti.to_string(), now, now + 60);
                let used = store.used.lock().unwrap();
                prop_assert!(used.proofs.len() <= capacity);
                prop_assert_eq!(used.ends.values().map(Vec::len).sum::<usize>(), used.proofs.len());
            }
        }
    }
}
