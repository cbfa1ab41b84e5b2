use std::{
    collections::hash_map::RandomState,
    convert::Infallible,
    fmt,
    num::NonZero,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use quick_cache::{Lifecycle, OptionsBuilder, Weighter, sync::Cache};

use super::{
    super::key::CacheKey,
    contract::{Kept, Store},
    head::StoredHead,
    index::Index,
    log::Log,
    purge::{Purge, PurgeMode, Scope},
    variants::{Variant, Variants},
};

/// Keeps responses in the memory of this process, within so many bytes.
///
/// What has not been asked for gives way to what has, by a policy that a scan of many URLs does not upset. Bodies, heads, keys and tags all
/// count, with an estimate of what the maps around them need. Cloning is a reference count.
#[derive(Clone)]
pub struct MemoryStore(Arc<Inner>);

struct Inner {
    cache: Cache<CacheKey, Entry, ByBytes, RandomState, Evictions>,
    /// Every writer holds them, so that they and the responses change together. A look-up does not.
    books: Mutex<Books>,
    largest: u64,
    stored: AtomicU64,
    refused: AtomicU64,
    evicted: AtomicU64,
    purged: AtomicU64,
}

#[derive(Default)]
struct Books {
    index: Index,
    log: Log,
}

/// What a [`MemoryStore`] holds, and what it did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStats {
    /// The URLs that it holds responses for.
    pub keys: u64,
    /// The bytes that they take.
    pub bytes: u64,
    /// The bytes that they may take.
    pub capacity: u64,
    /// The largest response that it takes, in bytes.
    pub largest: u64,
    /// How often a response was stored.
    pub stored: u64,
    /// How often one was refused, since it was larger than [`largest`](Self::largest).
    pub refused: u64,
    /// How many URLs gave way to others.
    pub evicted: u64,
    /// How many responses were purged.
    pub purged: u64,
}

/// The least room in which a store is of use, in bytes.
const LEAST: u64 = 64 * 1024;
/// How much of a shard one response may take, so that it does not push out everything else: one over this.
const SHARE: u64 = 4;
/// What a key costs beyond its bytes: its places in the map and in the list of the cache, and its counts.
const KEY: u64 = 192;
/// The bytes that a usual response has; only a guess, by which the cache's own tables are made.
const USUAL: u64 = 8 * 1024;

impl MemoryStore {
    /// A store of so many bytes, which takes responses of up to a sixteenth of them. Less than 64 KiB is taken as 64 KiB.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self::with_largest(bytes, bytes / 16)
    }

    /// A store of so many bytes, which takes responses of up to `largest` bytes, but no more than a quarter of it all.
    ///
    /// The larger the largest, the fewer parts the store can be divided into, and the more often two processors wait for each other.
    #[must_use]
    pub fn with_largest(bytes: u64, largest: u64) -> Self {
        let bytes = bytes.max(LEAST);
        let largest = largest.clamp(LEAST / 16, bytes / SHARE);
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get) as u64;
        // Rounded down, for the cache rounds up, and a shard would be too small for the largest.
        let shards = 1_u64 << (bytes / (largest * SHARE)).min(processors * 4).max(1).ilog2();
        let options = OptionsBuilder::new()
            .shards(usize::try_from(shards).unwrap_or(1))
            .estimated_items_capacity(usize::try_from(bytes / USUAL).unwrap_or(usize::MAX))
            .weight_capacity(bytes)
            .build();
        let cache = match options {
            Ok(options) => Cache::with_options(options, ByBytes, RandomState::new(), Evictions),
            // It refuses only what was left out above.
            Err(_) => Cache::with(1, bytes, ByBytes, RandomState::new(), Evictions),
        };
        let zero = || AtomicU64::new(0);
        Self(Arc::new(Inner {
            cache,
            books: Mutex::default(),
            largest,
            stored: zero(),
            refused: zero(),
            evicted: zero(),
            purged: zero(),
        }))
    }

    /// What it holds, and what it did so far.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        let Inner { cache, largest, stored, refused, evicted, purged, .. } = &*self.0;
        StoreStats {
            keys: cache.len() as u64,
            bytes: cache.weight(),
            capacity: cache.capacity(),
            largest: *largest,
            stored: stored.load(Relaxed),
            refused: refused.load(Relaxed),
            evicted: evicted.load(Relaxed),
            purged: purged.load(Relaxed),
        }
    }

    fn writing(&self) -> MutexGuard<'_, Books> {
        self.0.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is to be under a key from now on. Returns what gave way to it, to be dropped once nobody is kept waiting.
    fn write(&self, index: &mut Index, key: &CacheKey, old: &Variants, new: Variants) -> Evicted {
        index.replace(key, old, &new);
        if new.is_empty() {
            return self.0.cache.remove(key).into_iter().collect();
        }
        let mut evicted = Evicted::new();
        self.0.cache.insert_with_lifecycle(key.clone(), Entry::new(key, new.clone()), &mut evicted);
        let mut counted = 0;
        // What was replaced is among them.
        for (gone, entry) in evicted.iter().filter(|(gone, _)| gone != key) {
            index.replace(gone, &entry.variants, &Variants::default());
            counted += 1;
        }
        if !self.0.cache.contains_key(key) {
            index.replace(key, &new, &Variants::default());
            counted += 1;
        }
        self.0.evicted.fetch_add(counted, Relaxed);
        evicted
    }

    fn look(&self, key: &CacheKey) -> Variants {
        self.0.cache.peek(key).map(|entry| entry.variants).unwrap_or_default()
    }

    fn put_now(&self, key: &CacheKey, mut variant: Variant) -> Kept {
        let mut books = self.writing();
        let old = self.look(key);
        let kept = match books.log.judge(key, &variant) {
            _ if variant.weight() > self.0.largest => Kept::TooLarge,
            Some(PurgeMode::Hard) => Kept::Purged,
            Some(PurgeMode::Soft) => {
                variant = variant.softened();
                Kept::Stored
            }
            None => Kept::Stored,
        };
        let new = match kept {
            Kept::Stored => old.with(variant).within(self.0.largest * SHARE / 2),
            // What it would have replaced is older, and was asked for again for a reason; unless that was after the purge.
            Kept::TooLarge | Kept::Purged => {
                old.retained(|other| other.head().selecting != variant.head().selecting || other.epoch() > variant.epoch())
            }
        };
        let counter = match kept {
            Kept::Stored => &self.0.stored,
            Kept::TooLarge => &self.0.refused,
            Kept::Purged => &self.0.purged,
        };
        counter.fetch_add(1, Relaxed);
        let evicted = self.write(&mut books.index, key, &old, new);
        drop(books);
        drop(evicted);
        kept
    }

    fn touch_now(&self, key: &CacheKey, mut head: StoredHead, epoch: u64) {
        let mut books = self.writing();
        let old = self.look(key);
        let validated = old.as_slice().iter().find(|variant| variant.head().selecting == head.selecting);
        // What came after this was asked for is another response.
        let Some(validated) = validated.filter(|found| found.head().response_time <= head.request_time) else { return };
        let validated = validated.clone().with_epoch(epoch);
        match books.log.judge(key, &validated) {
            Some(PurgeMode::Hard) => return,
            Some(PurgeMode::Soft) => head.stale = true,
            None => {}
        }
        let new = old.with(validated.with_head(head));
        let evicted = self.write(&mut books.index, key, &old, new);
        drop(books);
        drop(evicted);
    }

    fn purge_now(&self, purge: &Purge) -> usize {
        let mut books = self.writing();
        let keys: Vec<CacheKey> = match purge.scope() {
            Scope::Url(url) => books.index.of_url(url),
            Scope::Tags(tags) => books.index.of_tags(tags),
            Scope::Scan => self.0.cache.iter().map(|(key, _)| key).collect(),
        };
        let mut purged = 0;
        let mut gone = Vec::new();
        for key in keys {
            let old = self.look(&key);
            let named = old.as_slice().iter().filter(|variant| purge.names(&key, variant)).count();
            if named == 0 {
                continue;
            }
            purged += named;
            let new = match purge.mode() {
                PurgeMode::Hard => old.retained(|variant| !purge.names(&key, variant)),
                PurgeMode::Soft => old.softened(|variant| purge.names(&key, variant)),
            };
            gone.push(self.write(&mut books.index, &key, &old, new));
        }
        books.log.push(purge.clone());
        self.0.purged.fetch_add(purged as u64, Relaxed);
        drop(books);
        purged
    }
}

impl Store for MemoryStore {
    type Error = Infallible;

    fn epoch(&self) -> u64 {
        self.writing().log.epoch()
    }

    fn purged_since(&self, key: &CacheKey, epoch: u64) -> bool {
        self.writing().log.may_name(key, epoch)
    }

    fn peek(&self, key: &CacheKey) -> Option<Variants> {
        Some(self.0.cache.get(key).map(|entry| entry.variants).unwrap_or_default())
    }

    async fn get(&self, key: &CacheKey) -> Result<Variants, Infallible> {
        Ok(self.peek(key).unwrap_or_default())
    }

    async fn put(&self, key: &CacheKey, variant: Variant) -> Result<Kept, Infallible> {
        Ok(self.put_now(key, variant))
    }

    async fn touch(&self, key: &CacheKey, head: StoredHead, epoch: u64) -> Result<(), Infallible> {
        self.touch_now(key, head, epoch);
        Ok(())
    }

    async fn purge(&self, purge: &Purge) -> Result<usize, Infallible> {
        Ok(self.purge_now(purge))
    }
}

impl Default for MemoryStore {
    /// A store of 64 MiB, which takes responses of up to 4 MiB.
    fn default() -> Self {
        Self::new(64 * 1024 * 1024)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryStore").field(&self.stats()).finish()
    }
}

#[derive(Clone)]
struct Entry {
    variants: Variants,
    /// Counted once: the cache asks for it often.
    weight: u64,
}

impl Entry {
    fn new(key: &CacheKey, variants: Variants) -> Self {
        Self { weight: variants.weight() + key.as_bytes().len() as u64 + KEY, variants }
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<CacheKey, Entry> for ByBytes {
    fn weight(&self, _: &CacheKey, entry: &Entry) -> u64 {
        entry.weight
    }
}

#[derive(Clone)]
struct Evictions;

type Evicted = Vec<(CacheKey, Entry)>;

impl Lifecycle<CacheKey, Entry> for Evictions {
    type RequestState = Evicted;

    fn on_evict(&self, evicted: &mut Evicted, key: CacheKey, entry: Entry) {
        evicted.push((key, entry));
    }
}

#[cfg(test)]
mod tests;
