//! Tokens that were found good, so that their signatures need not be checked again.
//!
//! # Why a collision cannot hand out another caller's principal
//!
//! The whole text of the token is kept and compared, byte by byte; a hash only says where to look. Two tokens that meet in one place displace
//! each other, and the one that is not there is verified like any other: a collision costs time, never identity.
//!
//! The hash is keyed with a random number of the process and taken of the token's end, which is a part of the signature, or all of an opaque
//! token's randomness: what a caller cannot choose without the issuer's key. Only tokens that passed verification are stored, so whoever has
//! none cannot put anything in, nor push anything out. And since nothing is compared before the end fits, 192 bits of a signature, the time that a
//! comparison takes tells a guesser nothing.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::{BuildHasher as _, BuildHasherDefault, Hasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use crate::Principal;

const MAX_ENTRIES: usize = 10_000;
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// What an entry takes beside texts: itself, its places in the tables, the principal and its parts.
const OVERHEAD: usize = 512;
/// So many parts have a lock each, if there are enough entries to share out.
const SHARDS: usize = 16;
const LEAST_PER_SHARD: usize = 64;
/// How much of a token's end is hashed: 192 bits in base64url.
const HASHED: usize = 32;

/// How many verified tokens a verifier remembers.
///
/// A token that comes again, as those of an app do with every request, is compared instead of verified: its signature is not computed and its
/// JSON not read a second time. What may have changed in between is checked every time: `exp`, `nbf`, `iat`, revocation, and whether the keys are
/// still those that it was verified with. Expiry, a revocation and the removal of a key so work on the very next request. Tokens that are
/// refused are not remembered.
///
/// Every verifier has one unless [`without_cache`](super::JwtVerifierBuilder::without_cache) is said: it is bounded, and changes no answer.
/// The texts of good tokens stay in memory until they are displaced or the verifier is dropped, as do the principals.
///
/// ```
/// use donjon::token_auth::{JwtVerifier, TokenCache, VerifyingKey};
///
/// # fn verifier(key: VerifyingKey) -> Result<JwtVerifier, donjon::token_auth::ConfigError> {
/// JwtVerifier::builder(key)
///     .audience("https://api.example")
///     .cache(TokenCache::new().max_entries(100_000).max_bytes(200 * 1024 * 1024))
///     .build()
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TokenCache {
    max_entries: usize,
    max_bytes: usize,
}

impl TokenCache {
    /// Room for 10,000 tokens, in 16 MiB at most.
    pub fn new() -> Self {
        Self { max_entries: MAX_ENTRIES, max_bytes: MAX_BYTES }
    }

    /// How many tokens. With none nothing is remembered.
    pub fn max_entries(mut self, entries: usize) -> Self {
        self.max_entries = entries;
        self
    }

    /// How much memory in bytes, reckoned as twice a token's length and half a kilobyte for each.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// `None` if there is room for nothing.
    pub(super) fn build(self) -> Option<VerifiedTokens> {
        let most = self.max_entries.min(self.max_bytes / OVERHEAD);
        if most == 0 {
            return None;
        }
        let shards = (most / LEAST_PER_SHARD).clamp(1, SHARDS);
        let part = Bounds { entries: most / shards, bytes: self.max_bytes / shards };
        Some(VerifiedTokens { shards: (0..shards).map(|_| Mutex::default()).collect(), part, place: RandomState::new() })
    }
}

impl Default for TokenCache {
    fn default() -> Self {
        Self::new()
    }
}

/// What verification came to, and what has to be checked again.
#[derive(Clone)]
pub(super) struct Verified {
    pub(super) principal: Principal,
    /// Of the keys that it was verified with.
    pub(super) generation: u64,
    /// The later of `nbf` and `iat`, leeway included.
    pub(super) starts_at: Option<SystemTime>,
    /// `exp`, leeway included.
    pub(super) ends_at: SystemTime,
    pub(super) issued_at: Option<SystemTime>,
    /// `jti`, if anybody will ask.
    pub(super) id: Option<Arc<str>>,
    /// `sid`, likewise.
    pub(super) session: Option<Arc<str>>,
}

pub(super) struct VerifiedTokens {
    shards: Box<[Mutex<Shard>]>,
    part: Bounds,
    place: RandomState,
}

#[derive(Clone, Copy)]
struct Bounds {
    entries: usize,
    bytes: usize,
}

/// One part. The queue holds every place of the table once.
#[derive(Default)]
struct Shard {
    table: HashMap<u64, Entry, BuildHasherDefault<AsItIs>>,
    queue: VecDeque<u64>,
    bytes: usize,
}

struct Entry {
    token: Box<str>,
    verified: Verified,
    weight: usize,
    /// Since it stood at the end of the queue.
    used: bool,
}

impl VerifiedTokens {
    /// What is known of exactly this token.
    pub(super) fn get(&self, token: &str) -> Option<Verified> {
        let place = self.place_of(token);
        let mut shard = self.shard(place)?;
        let entry = shard.table.get_mut(&place)?;
        if *entry.token != *token {
            return None;
        }
        entry.used = true;
        Some(entry.verified.clone())
    }

    /// Remembers it, in the place of whatever stood there. `extra` is how many bytes the principal takes whose texts are not the token's own.
    pub(super) fn insert(&self, token: &str, verified: Verified, extra: usize, now: SystemTime) {
        let weight = weight(token, extra);
        if weight > self.part.bytes {
            return;
        }
        let place = self.place_of(token);
        let entry = Entry { token: token.into(), verified, weight, used: false };
        if let Some(mut shard) = self.shard(place) {
            shard.insert(place, entry, self.part, now);
        }
    }

    fn place_of(&self, token: &str) -> u64 {
        let bytes = token.as_bytes();
        let end = bytes.split_at_checked(bytes.len().wrapping_sub(HASHED)).map_or(bytes, |(_, end)| end);
        self.place.hash_one(end)
    }

    fn shard(&self, place: u64) -> Option<MutexGuard<'_, Shard>> {
        // The table takes the lowest bits and the highest.
        let at = usize::try_from(place >> 32 & 0xffff).ok()?.checked_rem(self.shards.len())?;
        // Nothing panics between two changes that belong together.
        self.shards.get(at).map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[cfg(test)]
    fn total(&self) -> (usize, usize) {
        let totals = self.shards.iter().map(|shard| {
            let shard = shard.lock().unwrap();
            assert_eq!(shard.table.len(), shard.queue.len());
            assert_eq!(shard.bytes, shard.table.values().map(|entry| entry.weight).sum::<usize>());
            (shard.table.len(), shard.bytes)
        });
        totals.fold((0, 0), |(entries, bytes), shard| (entries + shard.0, bytes + shard.1))
    }
}

/// An estimate that does not look into the principal: claims in the token are three quarters of their base64url at most.
fn weight(token: &str, extra: usize) -> usize {
    token.len().saturating_mul(2).saturating_add(extra).saturating_add(OVERHEAD)
}

impl Shard {
    fn insert(&mut self, place: u64, entry: Entry, bounds: Bounds, now: SystemTime) {
        let more = entry.weight;
        if !self.table.contains_key(&place) {
            self.make_room(1, more, bounds, now);
            self.queue.push_back(place);
        }
        let displaced = self.table.insert(place, entry);
        let less = displaced.map_or(0, |old| old.weight);
        self.bytes = self.bytes.saturating_add(more).saturating_sub(less);
        self.make_room(0, 0, bounds, now);
        // Without need, too: what has expired should not stay for want of newcomers.
        let oldest = self.queue.front().and_then(|oldest| self.table.get(oldest));
        if oldest.is_some_and(|oldest| oldest.verified.ends_at <= now) {
            self.evict(now);
        }
    }

    fn make_room(&mut self, entries: usize, bytes: usize, bounds: Bounds, now: SystemTime) {
        while self.table.len() + entries > bounds.entries || self.bytes.saturating_add(bytes) > bounds.bytes {
            if !self.evict(now) {
                break;
            }
        }
    }

    /// Takes out the first in the queue that has expired or was not used since it was put there; one that was used is put there again.
    fn evict(&mut self, now: SystemTime) -> bool {
        // If everything was used, the first goes in the second round.
        for _ in 0..=self.queue.len() {
            let Some(place) = self.queue.pop_front() else { return false };
            match self.table.get_mut(&place) {
                Some(entry) if entry.used && entry.verified.ends_at > now => {
                    entry.used = false;
                    self.queue.push_back(place);
                }
                _ => {
                    let less = self.table.remove(&place).map_or(0, |evicted| evicted.weight);
                    self.bytes = self.bytes.saturating_sub(less);
                    return true;
                }
            }
        }
        false
    }
}

/// A place is a hash already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, place: u64) {
        self.0 = place;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Shows no token.
impl fmt::Debug for VerifiedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedTokens").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn verified(subject: &str, ends_at: u64) -> Verified {
        Verified {
            principal: Principal::builder().subject(subject).build(),
            generation: 1,
            starts_at: None,
            ends_at: at(ends_at),
            issued_at: None,
            id: None,
            session: None,
        }
    }

    fn cache(entries: usize, bytes: usize) -> VerifiedTokens {
        TokenCache::new().max_entries(entries).max_bytes(bytes).build().unwrap()
    }

    fn subject(cache: &VerifiedTokens, token: &str) -> Option<String> {
        cache.get(token).map(|verified| verified.principal.subject().unwrap().to_owned())
    }

    #[test]
    fn tokens_are_told_apart_by_their_whole_text() {
        let cache = cache(100, 1 << 20);
        let end = "x".repeat(HASHED);
        // All of these have one place.
        let tokens = [format!("a{end}"), format!("b{end}"), format!("aa{end}"), end.clone()];
        for token in &tokens {
            cache.insert(token, verified(token, 100), 0, at(0));
            for other in &tokens {
                assert_eq!(subject(&cache, other).as_ref(), (other == token).then_some(other), "{token} and {other}");
            }
        }
        assert_eq!(cache.total().0, 1);
    }

    #[test]
    fn short_tokens_are_tokens_too() {
        let cache = cache(100, 1 << 20);
        for token in ["", "a", "ab"] {
            cache.insert(token, verified("s", 100), 0, at(0));
            assert!(cache.get(token).is_some(), "{token}");
        }
        assert!(cache.get("b").is_none());
    }

    #[test]
    fn what_is_used_stays_longest() {
        let cache = cache(3, 1 << 20);
        for token in ["a", "b", "c"] {
            cache.insert(token, verified(token, 100), 0, at(0));
        }
        assert!(cache.get("a").is_some());
        cache.insert("d", verified("d", 100), 0, at(0));
        assert_eq!(["a", "b", "c", "d"].map(|token| cache.get(token).is_some()), [true, false, true, true]);
    }

    #[test]
    fn what_has_expired_goes_first_even_if_it_was_used() {
        let cache = cache(3, 1 << 20);
        cache.insert("old", verified("old", 10), 0, at(0));
        cache.insert("b", verified("b", 100), 0, at(0));
        assert!(cache.get("old").is_some());
        cache.insert("c", verified("c", 100), 0, at(10));
        assert!(cache.get("old").is_none());
        assert_eq!(cache.total().0, 2);
    }

    #[test]
    fn when_everything_is_used_something_still_goes() {
        let cache = cache(2, 1 << 20);
        for token in ["a", "b", "c", "d"] {
            cache.insert(token, verified(token, 100), 0, at(0));
            assert!(cache.get(token).is_some());
        }
        assert_eq!(cache.total().0, 2);
    }

    #[test]
    fn what_is_big_beside_a_short_token_counts() {
        let cache = cache(10_000, 1 << 20);
        for n in 0..1_000 {
            cache.insert(&n.to_string(), verified("s", 100), 16 * 1024, at(0));
            assert!(cache.total().1 <= 1 << 20);
        }
        assert!((32..64).contains(&cache.total().0));
    }

    #[test]
    fn room_for_nothing_is_no_cache() {
        for (entries, bytes) in [(0, 1 << 20), (10, 0), (10, OVERHEAD - 1)] {
            assert!(TokenCache::new().max_entries(entries).max_bytes(bytes).build().is_none());
        }
    }

    proptest! {
        #[test]
        fn the_bounds_hold_and_nobody_gets_anothers(
            entries in 1..200_usize,
            bytes in 600..60_000_usize,
            tokens in prop::collection::vec(("[ab]{0,3}", 0..200_usize, 0..20_u64), 0..300),
        ) {
            let cache = cache(entries, bytes);
            for (now, (head, length, life)) in (0..).zip(&tokens) {
                let token = format!("{head}{}", "x".repeat(*length));
                cache.insert(&token, verified(&token, now + life), 0, at(now));
                let (count, total) = cache.total();
                prop_assert!(count <= entries && total <= bytes);
                for (head, length, _) in tokens.iter().take(8) {
                    let other = format!("{head}{}", "x".repeat(*length));
                    if let Some(found) = subject(&cache, &other) {
                        prop_assert_eq!(found, other);
                    }
                }
            }
        }
    }
}
