//! Where a verifier finds its keys when a token comes.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{key_set::KeySet, keys::VerifyingKey};

/// Where a [`JwtVerifier`](super::JwtVerifier) finds its keys: a set that stays as it is, or one that is kept up to date elsewhere.
///
/// It is made `From` a [`KeySet`], a [`VerifyingKey`], a [`KeyFile`](crate::token_auth::KeyFile) or, with the feature `token-auth-remote`,
/// a `RemoteKeys`.
#[derive(Clone, Debug)]
pub struct KeySource(Source);

#[derive(Clone, Debug)]
enum Source {
    Fixed(Arc<KeySet>),
    Live(Arc<dyn LiveKeys>),
}

/// The keys at one moment.
#[derive(Clone, Debug)]
pub(in crate::token_auth) struct Keys {
    pub(in crate::token_auth) set: Arc<KeySet>,
    /// Another one once a key of the set was removed or replaced: what was verified under an earlier number has to be verified anew.
    pub(in crate::token_auth) generation: u64,
}

/// The generation of no keys; no [`Keys`] have it.
#[cfg(feature = "token-auth-remote")]
pub(in crate::token_auth) const NO_KEYS: u64 = 0;

/// Keys that change while they are read.
pub(in crate::token_auth) trait LiveKeys: fmt::Debug + Send + Sync + 'static {
    /// The keys to use at the time `now`, without waiting; `None` if there are none, or none that may still be used.
    fn current(&self, now: SystemTime) -> Option<Keys>;

    /// The generation of [`current`](Self::current), or `NO_KEYS`. Costs a few atomic reads.
    fn generation(&self, now: SystemTime) -> u64;

    /// Asks for newer keys, because there are none or none fits a token.
    fn renew(&self, now: SystemTime) -> Renewal;

    /// Whose keys they are, if that is known beforehand.
    fn issuer(&self) -> Option<&str> {
        None
    }
}

/// What became of the wish for newer keys.
#[cfg_attr(not(feature = "token-auth-remote"), expect(dead_code, reason = "only what is fetched may come later"))]
pub(in crate::token_auth) enum Renewal {
    /// These are the newest.
    Current,
    /// Newer ones may be there when this completes, which it does within bounds.
    Coming(Coming),
    /// Nobody can tell now.
    Unavailable { retry_after: Duration },
}

pub(in crate::token_auth) type Coming = Pin<Box<dyn Future<Output = ()> + Send>>;

impl KeySource {
    pub(in crate::token_auth) fn live(keys: Arc<dyn LiveKeys>) -> Self {
        Self(Source::Live(keys))
    }

    /// The set that stays as it is, if it is one.
    pub(in crate::token_auth) fn fixed(&self) -> Option<&KeySet> {
        match &self.0 {
            Source::Fixed(set) => Some(set),
            Source::Live(_) => None,
        }
    }

    pub(in crate::token_auth) fn current(&self, now: SystemTime) -> Option<Keys> {
        match &self.0 {
            Source::Fixed(set) => Some(Keys { set: Arc::clone(set), generation: 1 }),
            Source::Live(keys) => keys.current(now),
        }
    }

    pub(in crate::token_auth) fn generation(&self, now: SystemTime) -> u64 {
        match &self.0 {
            Source::Fixed(_) => 1,
            Source::Live(keys) => keys.generation(now),
        }
    }

    pub(in crate::token_auth) fn renew(&self, now: SystemTime) -> Renewal {
        match &self.0 {
            Source::Fixed(_) => Renewal::Current,
            Source::Live(keys) => keys.renew(now),
        }
    }

    pub(in crate::token_auth) fn issuer(&self) -> Option<&str> {
        match &self.0 {
            Source::Fixed(_) => None,
            Source::Live(keys) => keys.issuer(),
        }
    }
}

impl From<KeySet> for KeySource {
    fn from(keys: KeySet) -> Self {
        Self(Source::Fixed(Arc::new(keys)))
    }
}

impl From<VerifyingKey> for KeySource {
    fn from(key: VerifyingKey) -> Self {
        KeySet::from(key).into()
    }
}
