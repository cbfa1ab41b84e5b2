use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use super::{
    family::RefreshFamily,
    refresh_store::{RefreshStore, Replaced},
    refresh_token::SessionId,
};
use crate::{
    Clock,
    core::{SharedClock, trace::event},
};

/// A hundred thousand users who are logged in; some 40 MB with small grants.
const MAX_FAMILIES: usize = 100_000;
/// More devices than anybody has.
const MAX_FAMILIES_PER_SUBJECT: usize = 100;

/// Families of refresh tokens in memory: gone when the process ends, known to it alone.
///
/// It is bounded, as a whole and by subject, so that nobody can log all others out by logging in again and again. A login for which there is
/// no room takes the place of the session that would expire next, which is mostly the one that was not used for the longest time. Clones
/// share one store.
#[derive(Clone)]
pub struct MemoryRefreshStore {
    max_families: usize,
    max_per_subject: usize,
    clock: SharedClock,
    families: Arc<Mutex<Families>>,
}

/// The families, the order in which they end, and whose they are.
#[derive(Default)]
struct Families {
    by_session: HashMap<SessionId, RefreshFamily>,
    by_end: BTreeSet<(SystemTime, SessionId)>,
    by_subject: HashMap<Box<str>, BTreeSet<(SystemTime, SessionId)>>,
}

impl MemoryRefreshStore {
    /// An empty store for 100,000 families, 100 of each subject.
    #[must_use]
    pub fn new() -> Self {
        Self {
            max_families: MAX_FAMILIES,
            max_per_subject: MAX_FAMILIES_PER_SUBJECT,
            clock: SharedClock::default(),
            families: Arc::default(),
        }
    }

    /// How many families are kept at most; at least one is.
    #[must_use]
    pub fn max_families(mut self, families: usize) -> Self {
        self.max_families = families.max(1);
        self
    }

    /// How many families of one subject are kept at most; at least one is.
    #[must_use]
    pub fn max_families_per_subject(mut self, families: usize) -> Self {
        self.max_per_subject = families.max(1);
        self
    }

    /// Where to read the time, for forgetting what has expired.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        self.shared_clock(SharedClock::new(clock))
    }

    pub(super) fn shared_clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// How many families are kept. Some may have expired: they are forgotten when the next one comes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.families().by_session.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn families(&self) -> MutexGuard<'_, Families> {
        // Nothing that is done under the lock leaves the two collections apart.
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryRefreshStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Families {
    fn forget_expired(&mut self, now: SystemTime) {
        while let Some((_, session)) = self.by_end.first().filter(|(end, _)| *end <= now).cloned() {
            self.take(&session);
        }
    }

    /// Drops what ends next until there is room for one more of the subject's.
    fn make_room(&mut self, subject: &str, max: usize, max_of_subject: usize) {
        while let Some(theirs) = self.by_subject.get(subject).filter(|theirs| theirs.len() >= max_of_subject) {
            let Some((_, session)) = theirs.first().cloned() else { break };
            event!(INFO, "a user has too many sessions, the oldest is dropped", session = session);
            self.take(&session);
        }
        while self.by_session.len() >= max {
            let Some((_, session)) = self.by_end.first().cloned() else { break };
            event!(WARN, "the store of refresh tokens is full, a session is dropped", session = session);
            self.take(&session);
        }
    }

    fn put(&mut self, session: SessionId, family: RefreshFamily) {
        self.take(&session);
        let place = (family.expires_at(), session.clone());
        self.by_subject.entry(family.subject().into()).or_default().insert(place.clone());
        self.by_end.insert(place);
        self.by_session.insert(session, family);
    }

    fn of(&self, subject: &str) -> Vec<SessionId> {
        self.by_subject.get(subject).into_iter().flatten().map(|(_, session)| session.clone()).collect()
    }

    fn take(&mut self, session: &SessionId) {
        let Some(family) = self.by_session.remove(session) else { return };
        let place = (family.expires_at(), session.clone());
        self.by_end.remove(&place);
        if let Some(theirs) = self.by_subject.get_mut(family.subject()) {
            theirs.remove(&place);
            if theirs.is_empty() {
                self.by_subject.remove(family.subject());
            }
        }
    }
}

impl RefreshStore for MemoryRefreshStore {
    type Error = Infallible;

    async fn insert(&self, session: SessionId, family: RefreshFamily) -> Result<(), Infallible> {
        let now = self.clock.now();
        let mut families = self.families();
        families.forget_expired(now);
        families.make_room(family.subject(), self.max_families, self.max_per_subject);
        families.put(session, family);
        Ok(())
    }

    async fn find(&self, session: &SessionId) -> Result<Option<RefreshFamily>, Infallible> {
        Ok(self.families().by_session.get(session).cloned())
    }

    async fn replace(&self, session: &SessionId, version: u64, next: RefreshFamily) -> Result<Replaced, Infallible> {
        let mut families = self.families();
        if families.by_session.get(session).is_none_or(|family| family.version() != version) {
            return Ok(Replaced::Outdated);
        }
        families.put(session.clone(), next);
        Ok(Replaced::Done)
    }

    async fn remove(&self, session: &SessionId) -> Result<(), Infallible> {
        self.families().take(session);
        Ok(())
    }

    async fn sessions(&self, subject: &str) -> Result<Vec<SessionId>, Infallible> {
        Ok(self.families().of(subject))
    }

    async fn remove_subject(&self, subject: &str) -> Result<Vec<SessionId>, Infallible> {
        let mut families = self.families();
        let sessions = families.of(subject);
        sessions.iter().for_each(|session| families.take(session));
        Ok(sessions)
    }
}

impl fmt::Debug for MemoryRefreshStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRefreshStore").field("families", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ManualClock,
        token_auth::issuer::{family::Lifetimes, token::Grant},
    };
    use std::time::{Duration, UNIX_EPOCH};

    fn session(number: u8) -> SessionId {
        SessionId::parse(&format!("AAAAAAAAAAAAAAAAAAAA{}A", char::from(b'A' + number))).unwrap()
    }

    fn family(subject: &str, now: SystemTime, idle: u64) -> RefreshFamily {
        let lifetimes =
            Lifetimes { idle: Duration::from_secs(idle), absolute: Duration::from_secs(1_000), grace: Duration::ZERO };
        RefreshFamily::new(Grant::new(subject), [7; 32], now, lifetimes)
    }

    async fn kept(store: &MemoryRefreshStore, number: u8) -> bool {
        store.find(&session(number)).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn only_the_version_that_was_read_is_replaced() {
        let store = MemoryRefreshStore::new();
        let first = family("alice", UNIX_EPOCH, 100);
        let lifetimes = Lifetimes { idle: Duration::from_secs(9), absolute: Duration::from_secs(9), grace: Duration::ZERO };
        let second = first.exchanged([8; 32], [9; 32], UNIX_EPOCH, lifetimes);
        assert_eq!(store.replace(&session(0), 0, first.clone()).await.unwrap(), Replaced::Outdated, "there is none");
        store.insert(session(0), first.clone()).await.unwrap();
        assert_eq!(store.replace(&session(0), 1, second.clone()).await.unwrap(), Replaced::Outdated);
        assert_eq!(store.replace(&session(0), 0, second.clone()).await.unwrap(), Replaced::Done);
        assert_eq!(store.replace(&session(0), 0, second.clone()).await.unwrap(), Replaced::Outdated);
        assert_eq!(store.find(&session(0)).await.unwrap(), Some(second));
        store.remove(&session(0)).await.unwrap();
        assert_eq!(store.replace(&session(0), 1, first).await.unwrap(), Replaced::Outdated, "what was removed stays away");
        assert!(store.is_empty());
    }

    #[tokio::test]
    async fn what_has_expired_is_forgotten_first_and_what_ends_next_after_that() {
        let clock = ManualClock::at(UNIX_EPOCH);
        let store = MemoryRefreshStore::new().max_families(3).clock(clock.clone());
        for (number, idle) in [(0, 50), (1, 10), (2, 40)] {
            store.insert(session(number), family("alice", clock.now(), idle)).await.unwrap();
        }
        clock.advance(Duration::from_secs(10));
        store.insert(session(3), family("bob", clock.now(), 100)).await.unwrap();
        assert!(!kept(&store, 1).await && kept(&store, 0).await && kept(&store, 2).await, "the expired one made room");
        store.insert(session(4), family("bob", clock.now(), 100)).await.unwrap();
        assert!(!kept(&store, 2).await && kept(&store, 0).await, "the next to end made room");
        assert_eq!(store.len(), 3);
    }

    #[tokio::test]
    async fn it_never_holds_more_than_it_may() {
        let store = MemoryRefreshStore::new().max_families(2).clock(ManualClock::at(UNIX_EPOCH));
        for number in 0..20 {
            store.insert(session(number), family(if number % 3 == 0 { "alice" } else { "bob" }, UNIX_EPOCH, 100)).await.unwrap();
            assert!(store.len() <= 2);
            let families = store.families();
            assert_eq!(families.by_session.len(), families.by_end.len());
            assert_eq!(families.by_session.len(), families.by_subject.values().map(BTreeSet::len).sum::<usize>());
        }
        assert!(kept(&store, 19).await, "a login is never refused for want of room");
    }

    #[tokio::test]
    async fn who_logs_in_again_and_again_logs_nobody_else_out() {
        let store = MemoryRefreshStore::new().max_families(5).max_families_per_subject(2).clock(ManualClock::at(UNIX_EPOCH));
        store.insert(session(0), family("alice", UNIX_EPOCH, 10)).await.unwrap();
        for number in 1..20 {
            store.insert(session(number), family("mallory", UNIX_EPOCH, 100 + u64::from(number))).await.unwrap();
        }
        assert_eq!(store.len(), 3);
        assert!(kept(&store, 0).await && kept(&store, 18).await && kept(&store, 19).await);
    }

    #[tokio::test]
    async fn all_sessions_of_a_subject_and_no_other() {
        let store = MemoryRefreshStore::new().clock(ManualClock::at(UNIX_EPOCH));
        for (number, subject) in [(0, "alice"), (1, "bob"), (2, "alice"), (3, "alice2")] {
            store.insert(session(number), family(subject, UNIX_EPOCH, 100)).await.unwrap();
        }
        let listed = store.sessions("alice").await.unwrap();
        let mut removed = store.remove_subject("alice").await.unwrap();
        assert_eq!(listed, removed);
        removed.sort();
        assert_eq!(removed, [session(0), session(2)]);
        assert!(kept(&store, 1).await && kept(&store, 3).await);
        assert!(store.sessions("alice").await.unwrap().is_empty());
        assert!(store.remove_subject("alice").await.unwrap().is_empty());
    }
}
