//! How many sockets there may be, decided before any is opened.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{Extensions, HeaderMap};

use super::rejection::WsRejectionKind;
use crate::core::Principal;

type KeyOf = Arc<dyn Fn(&HeaderMap, &Extensions) -> Option<String> + Send + Sync>;

/// How many sockets may be open at once: in all, for one user, for one key of your own. Without limits by default.
///
/// A place is taken when the handshake has been found good and before the handler sees it, and is free again when the handler
/// refuses, the upgrade fails or the connection is gone. What finds no place is answered 503 (in all) or 429 (user, key).
///
/// Clones of a layer count together.
///
/// ```
/// use donjon::ws_upgrade::{Admission, WsUpgradeLayer};
///
/// let admission = Admission::unlimited()
///     .max_sockets(10_000)
///     .max_per_user(5)
///     // The address as a proxy of ours has written it.
///     .max_per_key(20, |headers, _| Some(headers.get("x-real-ip")?.to_str().ok()?.to_owned()));
/// let layer = WsUpgradeLayer::builder().admission(admission).build()?;
/// # Ok::<_, donjon::ws_upgrade::ConfigError>(())
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Admission {
    in_all: Option<usize>,
    per_user: Option<usize>,
    per_key: Option<(usize, KeyOf)>,
}

impl Admission {
    /// As many as come.
    pub fn unlimited() -> Self {
        Self::default()
    }

    /// At most this many in all; one more is answered 503.
    pub fn max_sockets(mut self, sockets: usize) -> Self {
        self.in_all = Some(sockets);
        self
    }

    /// At most this many for one user, that is for the issuer and subject of its [`Principal`]; one more is answered 429. Callers
    /// without a subject are not counted.
    pub fn max_per_user(mut self, sockets: usize) -> Self {
        self.per_user = Some(sockets);
        self
    }

    /// At most this many for one key, such as the client's address; one more is answered 429. What has no key is not counted.
    pub fn max_per_key<F>(mut self, sockets: usize, key: F) -> Self
    where
        F: Fn(&HeaderMap, &Extensions) -> Option<String> + Send + Sync + 'static,
    {
        self.per_key = Some((sockets, Arc::new(key)));
        self
    }

    /// The name of the first limit that lets nobody in.
    pub(super) fn zero(&self) -> Option<&'static str> {
        let limits = [
            ("max_sockets", self.in_all),
            ("max_per_user", self.per_user),
            ("max_per_key", self.per_key.as_ref().map(|(sockets, _)| *sockets)),
        ];
        limits.into_iter().find_map(|(name, limit)| (limit == Some(0)).then_some(name))
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("in_all", &self.in_all)
            .field("per_user", &self.per_user)
            .field("per_key", &self.per_key.as_ref().map(|(sockets, _)| sockets))
            .finish()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    User { issuer: Option<Box<str>>, subject: Box<str> },
    Own(Box<str>),
}

/// The counts of one layer.
#[derive(Debug)]
pub(super) struct Door {
    admission: Admission,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    in_all: usize,
    by_key: HashMap<Key, usize>,
}

impl Door {
    pub(super) fn new(admission: Admission) -> Self {
        Self { admission, inside: Mutex::default() }
    }

    /// A place, or the reason why there is none.
    pub(super) fn enter(
        self: &Arc<Self>,
        principal: Option<&Principal>,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Permit, WsRejectionKind> {
        let user = self.admission.per_user.and_then(|limit| Some((user(principal?)?, limit)));
        let own = self.admission.per_key.as_ref();
        let own = own.and_then(|(limit, key)| Some((Key::Own(key(headers, extensions)?.into()), *limit)));
        let mut inside = self.inside();
        if self.admission.in_all.is_some_and(|limit| inside.in_all >= limit) {
            return Err(WsRejectionKind::Full);
        }
        inside.check(user.as_ref())?;
        inside.check(own.as_ref())?;
        let keys = [user, own].map(|key| key.map(|(key, _)| key));
        inside.in_all += 1;
        keys.iter().flatten().for_each(|key| *inside.by_key.entry(key.clone()).or_default() += 1);
        drop(inside);
        Ok(Permit { door: Arc::clone(self), keys })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // The counts are changed by nothing that can panic.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn check(&self, key: Option<&(Key, usize)>) -> Result<(), WsRejectionKind> {
        match key {
            Some((key, limit)) if self.by_key.get(key).is_some_and(|count| count >= limit) => Err(WsRejectionKind::TooMany),
            _ => Ok(()),
        }
    }

    fn leave(&mut self, key: &Key) {
        if let Some(count) = self.by_key.get_mut(key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_key.remove(key);
            }
        }
    }
}

fn user(principal: &Principal) -> Option<Key> {
    Some(Key::User { issuer: principal.issuer().map(Into::into), subject: principal.subject()?.into() })
}

/// A place, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    door: Arc<Door>,
    keys: [Option<Key>; 2],
}

impl Permit {
    /// Counts for `principal`, who was not known when the place was taken.
    pub(super) fn identify(&mut self, principal: &Principal) -> Result<(), WsRejectionKind> {
        let Some((user, limit)) = self.door.admission.per_user.and_then(|limit| Some((user(principal)?, limit))) else {
            return Ok(());
        };
        let [known, _] = &mut self.keys;
        if known.as_ref() == Some(&user) {
            return Ok(());
        }
        let mut inside = self.door.inside();
        let wanted = (user, limit);
        inside.check(Some(&wanted))?;
        *inside.by_key.entry(wanted.0.clone()).or_default() += 1;
        if let Some(before) = known.replace(wanted.0) {
            inside.leave(&before);
        }
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut inside = self.door.inside();
        inside.in_all = inside.in_all.saturating_sub(1);
        self.keys.iter().flatten().for_each(|key| inside.leave(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(door: &Arc<Door>, subject: &str, key: &str) -> Result<Permit, WsRejectionKind> {
        let principal = Principal::builder().subject(subject).build();
        let mut extensions = Extensions::new();
        extensions.insert(key.to_owned());
        door.enter(Some(&principal), &HeaderMap::new(), &extensions)
    }

    #[test]
    fn places_are_counted_three_ways_and_given_back() {
        let key = |_: &HeaderMap, extensions: &Extensions| extensions.get::<String>().cloned();
        let admission = Admission::unlimited().max_sockets(4).max_per_user(2).max_per_key(3, key);
        let door = Arc::new(Door::new(admission));
        let held = [enter(&door, "alice", "here").unwrap(), enter(&door, "alice", "here").unwrap()];
        assert_eq!(enter(&door, "alice", "there").unwrap_err(), WsRejectionKind::TooMany);
        let bob = enter(&door, "bob", "here").unwrap();
        assert_eq!(enter(&door, "bob", "here").unwrap_err(), WsRejectionKind::TooMany, "three of the key");
        let elsewhere = enter(&door, "bob", "there").unwrap();
        assert_eq!(enter(&door, "carol", "there").unwrap_err(), WsRejectionKind::Full);
        drop(held);
        let again = enter(&door, "alice", "here").unwrap();
        drop((bob, elsewhere, again));
        let inside = door.inside();
        assert_eq!((inside.in_all, inside.by_key.len()), (0, 0), "nothing is left behind");
    }

    #[test]
    fn who_is_known_late_is_counted_late() {
        let door = Arc::new(Door::new(Admission::unlimited().max_per_user(1)));
        let alice = Principal::builder().subject("alice").build();
        let anonymous = || door.enter(None, &HeaderMap::new(), &Extensions::new()).unwrap();
        let (mut first, mut second) = (anonymous(), anonymous());
        assert_eq!(first.identify(&alice), Ok(()));
        assert_eq!(first.identify(&alice), Ok(()), "counted once");
        assert_eq!(second.identify(&alice), Err(WsRejectionKind::TooMany));
        drop(first);
        assert_eq!(second.identify(&alice), Ok(()));
    }

    #[test]
    fn users_of_two_issuers_are_two() {
        let door = Arc::new(Door::new(Admission::unlimited().max_per_user(1)));
        let principal = |issuer: &str| Principal::builder().issuer(issuer).subject("alice").build();
        let enter = |issuer| door.enter(Some(&principal(issuer)), &HeaderMap::new(), &Extensions::new());
        let _one = enter("https://a.example").unwrap();
        assert!(enter("https://b.example").is_ok());
        assert_eq!(enter("https://a.example").unwrap_err(), WsRejectionKind::TooMany);
    }
}
