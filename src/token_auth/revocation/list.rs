use std::{
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use super::{
    error::{RevocationError, RevocationErrorKind},
    state::{Cut, Live, State},
    status::{Revocation, RevocationStatus, TokenFacts},
};
use crate::{
    Clock, Principal, Revoker,
    core::SharedClock,
    token_auth::{
        claims::RawClaims,
        jwt::{claims, json::Json},
    },
};

/// How many entries a list holds unless told otherwise.
const MAX_ENTRIES: usize = 100_000;
/// How long the tokens live unless told otherwise.
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A [`Revocation`] in memory: by token, by subject and by time.
///
/// It serves one issuer, whose token ids and subjects are its own. An entry ends when the token would have; entries by subject and by time end
/// after the [longest lifetime](Self::longest_lifetime). Whoever holds a [`Principal`] of a revoked token is told
/// ([`Principal::revoked`]), so open sockets close.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use donjon::token_auth::{Algorithm, Grant, RevocationList, SigningKey, TokenIssuer};
/// # use donjon::token_auth::Crypto;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let secret = [7; 32];
/// # let Some(crypto) = Crypto::compiled().first() else { return Ok(()) };
/// let revoked = Arc::new(RevocationList::new().longest_lifetime(Duration::from_secs(900)));
/// let issuer = TokenIssuer::builder(SigningKey::from_secret(Algorithm::Hs256, &secret)?)
///     .issuer("https://app.example")
///     .audience("https://app.example/api")
/// #   .crypto(*crypto)
///     .build()?;
/// let verifier = issuer.verifier().revocation(Arc::clone(&revoked)).build()?;
///
/// let token = issuer.issue(&Grant::new("alice"))?;
/// revoked.revoke(token.id(), token.expires_at())?;
/// revoked.revoke_subject("alice")?;
/// # Ok(())
/// # }
/// ```
pub struct RevocationList {
    state: Mutex<State>,
    /// So that a list of nothing costs a look at one byte.
    in_use: AtomicBool,
    max_entries: usize,
    longest_lifetime: Duration,
    clock: SharedClock,
}

impl RevocationList {
    /// A list of nothing, for tokens that live a day at most, with room for 100,000 entries.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Mutex::default(),
            in_use: AtomicBool::new(false),
            max_entries: MAX_ENTRIES,
            longest_lifetime: LONGEST_LIFETIME,
            clock: SharedClock::default(),
        }
    }

    /// How many tokens and subjects can be listed at a time.
    #[must_use]
    pub fn max_entries(mut self, entries: usize) -> Self {
        self.max_entries = entries;
        self
    }

    /// The longest that a token of the issuer lives, leeway included: so long is remembered which tokens of a subject, or before a time,
    /// are revoked.
    #[must_use]
    pub fn longest_lifetime(mut self, lifetime: Duration) -> Self {
        self.longest_lifetime = lifetime;
        self
    }

    /// Where to read the time.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = SharedClock::new(clock);
        self
    }

    /// Revokes the token with this `jti`, which would end at `expires_at`.
    ///
    /// # Errors
    ///
    /// [`Full`](RevocationErrorKind::Full): nothing is ever dropped to make room, since a dropped revocation is a token that works again.
    pub fn revoke(&self, id: &str, expires_at: SystemTime) -> Result<(), RevocationError> {
        self.add(|state| {
            let until = state.ids.entry(id.into()).or_insert(expires_at);
            *until = expires_at.max(*until);
            state.ended(|live| live.id.as_deref() == Some(id))
        })
    }

    /// Revokes every token of the session, its `sid`, the last of which ends at `expires_at`.
    ///
    /// # Errors
    ///
    /// As [`revoke`](Self::revoke).
    pub fn revoke_session(&self, session: &str, expires_at: SystemTime) -> Result<(), RevocationError> {
        self.add(|state| {
            let until = state.sessions.entry(session.into()).or_insert(expires_at);
            *until = expires_at.max(*until);
            state.ended(|live| live.session.as_deref() == Some(session))
        })
    }

    /// Revokes the token that the principal was let in by: the logout of one session.
    ///
    /// # Errors
    ///
    /// As [`revoke`](Self::revoke), and [`IdMissing`](RevocationErrorKind::IdMissing) if the token has no `jti` or the principal has no
    /// [`RawClaims`].
    pub fn revoke_principal(&self, principal: &Principal) -> Result<(), RevocationError> {
        let members = principal.claims::<RawClaims>().and_then(|raw| claims::read(raw.as_str()).ok());
        let Some(Json::Text(id)) = members.as_ref().and_then(|members| members.get("jti")) else {
            return Err(RevocationErrorKind::IdMissing.into());
        };
        self.revoke(id, principal.expires_at().unwrap_or_else(|| self.clock.now() + self.longest_lifetime))
    }

    /// Revokes every token of the subject that was issued until now: a logout everywhere, a changed password.
    ///
    /// `iat` counts whole seconds: a token issued later within this very second is refused, too.
    ///
    /// # Errors
    ///
    /// As [`revoke`](Self::revoke).
    pub fn revoke_subject(&self, subject: &str) -> Result<(), RevocationError> {
        let cut = self.cut(self.clock.now());
        self.add(|state| {
            state.subjects.insert(subject.into(), cut);
            state.ended(|live| live.subject.as_deref() == Some(subject) && cut.includes(live.issued_at))
        })
    }

    /// Revokes every token issued until `time`, whosever it is: after a key was stolen, say. There is always room for that.
    pub fn revoke_issued_until(&self, time: SystemTime) {
        let cut = self.cut(time);
        self.carry_out(self.state(), |state| {
            state.everybody = Some(state.everybody.filter(|earlier| earlier.issued_until > time).unwrap_or(cut));
            state.ended(|live| cut.includes(live.issued_at))
        });
    }

    fn cut(&self, issued_until: SystemTime) -> Cut {
        let latest = issued_until.max(self.clock.now());
        Cut { issued_until, remembered_until: latest.checked_add(self.longest_lifetime).unwrap_or(latest) }
    }

    /// Makes room, then carries out a change that adds an entry.
    fn add(&self, change: impl FnOnce(&mut State) -> Vec<Revoker>) -> Result<(), RevocationError> {
        let now = self.clock.now();
        let mut state = self.state();
        if state.len() >= self.max_entries {
            state.forget(now);
        }
        if state.len() >= self.max_entries {
            return Err(RevocationErrorKind::Full.into());
        }
        self.carry_out(state, change);
        Ok(())
    }

    fn carry_out(&self, mut state: MutexGuard<'_, State>, change: impl FnOnce(&mut State) -> Vec<Revoker>) {
        let ended = change(&mut state);
        self.in_use.store(true, Ordering::Release);
        drop(state);
        // Whoever is woken may ask this list again.
        ended.iter().for_each(Revoker::revoke);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one insertion: the state is whole after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Revocation for RevocationList {
    fn status(&self, token: &TokenFacts<'_>) -> RevocationStatus {
        if !self.in_use.load(Ordering::Acquire) {
            return RevocationStatus::Valid;
        }
        let revoked = self.state().includes(token);
        if revoked { RevocationStatus::Revoked } else { RevocationStatus::Valid }
    }

    fn revoker(&self, token: &TokenFacts<'_>) -> Option<Revoker> {
        let revoker = Revoker::new();
        let live = Live {
            id: token.id.map(Into::into),
            session: token.session.map(Into::into),
            subject: token.subject.map(Into::into),
            issued_at: token.issued_at,
            revoker: revoker.clone(),
        };
        let mut state = self.state();
        state.sweep();
        state.live.push(live);
        Some(revoker)
    }
}

impl Default for RevocationList {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows how long it is, not who is on it.
impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ids, subjects) = {
            let state = self.state();
            (state.ids.len(), state.subjects.len())
        };
        f.debug_struct("RevocationList").field("tokens", &ids).field("subjects", &subjects).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::UNIX_EPOCH};

    use super::{super::state::SWEEP, *};
    use crate::ManualClock;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn list(clock: &ManualClock) -> RevocationList {
        RevocationList::new().clock(clock.clone()).longest_lifetime(Duration::from_secs(100)).max_entries(2)
    }

    fn facts<'a>(id: &'a str, subject: &'a str, issued_at: u64) -> TokenFacts<'a> {
        let (id, subject) = (Some(id), Some(subject));
        TokenFacts { id, subject, session: None, issued_at: Some(at(issued_at)), expires_at: Some(at(issued_at + 100)) }
    }

    #[test]
    fn by_token_by_subject_and_by_time() {
        let list = list(&ManualClock::at(at(1_000)));
        assert_eq!(list.status(&facts("a", "alice", 1_000)), RevocationStatus::Valid);
        list.revoke("a", at(1_100)).unwrap();
        list.revoke_subject("bob").unwrap();
        list.revoke_issued_until(at(900));
        for (name, token, revoked) in [
            ("the token", facts("a", "alice", 1_000), true),
            ("another of hers", facts("b", "alice", 1_000), false),
            ("one of his, earlier", facts("c", "bob", 950), true),
            ("one of his, this second", facts("c", "bob", 1_000), true),
            ("one of his, later", facts("c", "bob", 1_001), false),
            ("anybody's, at that time", facts("d", "carol", 900), true),
            ("anybody's, later", facts("d", "carol", 901), false),
            ("without a time", TokenFacts { issued_at: None, ..facts("d", "carol", 0) }, true),
            ("by case", facts("A", "Bob", 950), false),
        ] {
            let expected = if revoked { RevocationStatus::Revoked } else { RevocationStatus::Valid };
            assert_eq!(list.status(&token), expected, "{name}");
        }
        list.revoke_issued_until(at(500));
        assert_eq!(list.status(&facts("d", "carol", 900)), RevocationStatus::Revoked, "an earlier time takes nothing back");
    }

    #[test]
    fn whoever_holds_a_principal_is_told() {
        let list = list(&ManualClock::at(at(1_000)));
        let [a, b, c] =
            [("a", "alice"), ("b", "bob"), ("c", "carol")].map(|(id, subject)| list.revoker(&facts(id, subject, 1_000)).unwrap());
        list.revoke("a", at(1_100)).unwrap();
        assert_eq!([&a, &b, &c].map(Revoker::is_revoked), [true, false, false]);
        list.revoke_subject("bob").unwrap();
        assert_eq!([&a, &b, &c].map(Revoker::is_revoked), [true, true, false]);
        list.revoke_issued_until(at(1_000));
        assert!(c.is_revoked());
    }

    #[test]
    fn a_session_ends_with_all_its_tokens() {
        let list = list(&ManualClock::at(at(1_000)));
        let of = |id, session| TokenFacts { session, ..facts(id, "alice", 1_000) };
        let [a, b] = ["one", "two"].map(|session| list.revoker(&of("a", Some(session))).unwrap());
        list.revoke_session("one", at(1_100)).unwrap();
        assert_eq!([&a, &b].map(Revoker::is_revoked), [true, false]);
        for (name, token, expected) in [
            ("of the session", of("b", Some("one")), RevocationStatus::Revoked),
            ("of another", of("b", Some("two")), RevocationStatus::Valid),
            ("of none", of("b", None), RevocationStatus::Valid),
            ("an id of that name", of("one", None), RevocationStatus::Valid),
        ] {
            assert_eq!(list.status(&token), expected, "{name}");
        }
    }

    #[test]
    fn the_principals_that_nobody_holds_are_forgotten() {
        let list = list(&ManualClock::at(at(1_000)));
        let held = list.revoker(&facts("held", "alice", 1_000));
        for _ in 0..10_000 {
            drop(list.revoker(&facts("dropped", "alice", 1_000)));
        }
        assert!(list.state().live.len() <= 2 * SWEEP);
        list.revoke("held", at(1_100)).unwrap();
        assert!(held.unwrap().is_revoked());
    }

    #[test]
    fn a_full_list_drops_what_has_ended_and_nothing_else() {
        let clock = ManualClock::at(at(1_000));
        let list = Arc::new(list(&clock));
        list.revoke("a", at(1_010)).unwrap();
        list.revoke_subject("bob").unwrap();
        assert_eq!(list.revoke("b", at(1_020)).unwrap_err().kind(), RevocationErrorKind::Full);
        clock.set(at(1_010));
        list.revoke("b", at(1_020)).unwrap();
        assert_eq!(list.revoke_subject("carol").unwrap_err().kind(), RevocationErrorKind::Full);
        clock.set(at(1_099));
        list.revoke("c", at(1_200)).unwrap();
        assert_eq!(list.status(&facts("x", "bob", 999)), RevocationStatus::Revoked);
        clock.set(at(1_100));
        list.revoke("d", at(1_200)).unwrap();
        assert_eq!(list.status(&facts("x", "bob", 999)), RevocationStatus::Valid, "all of its tokens have ended");
        assert_eq!(format!("{list:?}"), "RevocationList { tokens: 2, subjects: 0, .. }");
    }

    #[test]
    fn a_principal_is_revoked_by_the_id_of_its_token() {
        let list = list(&ManualClock::at(at(1_000)));
        let principal = |json: &str| Principal::builder().claims(RawClaims::new(json).unwrap()).build();
        list.revoke_principal(&principal(r#"{"jti":"a\u0062"}"#)).unwrap();
        assert_eq!(list.status(&facts("ab", "alice", 1_000)), RevocationStatus::Revoked);
        for (name, principal) in [("no id", principal("{}")), ("no claims", Principal::builder().build())] {
            assert_eq!(list.revoke_principal(&principal).unwrap_err().kind(), RevocationErrorKind::IdMissing, "{name}");
        }
    }
}
