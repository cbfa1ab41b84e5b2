//! The keys of an issuer, each with its time: published first, signing then, and retired when the last of its tokens has expired.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{jwk, key::SigningKey};
use crate::token_auth::{
    crypto::Crypto,
    error::{ConfigError, ConfigErrorKind},
    jwt::{key_set::KeySet, key_source::Keys, keys::VerifyingKey},
    thumbprint::Thumbprint,
};

/// The greatest leeway that a verifier of ours allows: so much longer than its `exp` a token may be shown.
const LEEWAY_MOST: Duration = Duration::from_secs(300);

/// A key that was seen to work, with all that is written of it.
#[derive(Debug)]
pub(super) struct RingKey {
    pub(super) signing: SigningKey,
    verifying: VerifyingKey,
    /// The encoded header of its tokens, which never changes.
    pub(super) header: String,
    /// What is published of it; nothing of a secret.
    jwk: Option<String>,
    signs_from: SystemTime,
}

impl RingKey {
    /// A key without a name gets its thumbprint for one, unless it is a secret, whose thumbprint nobody must see
    /// ([RFC 7638 §7](https://www.rfc-editor.org/rfc/rfc7638#section-7)).
    pub(super) fn new(key: SigningKey, typ: &str, signs_from: SystemTime, crypto: Crypto) -> Result<Self, ConfigError> {
        let material = key.material(crypto)?;
        let signing = match (key.kid(), Thumbprint::of_material(&material)) {
            (None, Some(thumbprint)) => key.with_kid(thumbprint.to_string()),
            _ => key,
        };
        signing.sign(crypto, b"").map_err(|error| ConfigError::because(ConfigErrorKind::KeyFormat, error))?;
        let verifying = VerifyingKey::from_material(signing.algorithm(), &material)?;
        let verifying = signing.kid().into_iter().fold(verifying, VerifyingKey::with_kid);
        let jwk = jwk::public(&signing, &material);
        Ok(Self { header: header(&signing, typ), signing, verifying, jwk, signs_from })
    }
}

fn header(key: &SigningKey, typ: &str) -> String {
    let mut header =
        Map::from_iter([("alg".to_owned(), Value::from(key.algorithm().as_str())), ("typ".to_owned(), Value::from(typ))]);
    if let Some(kid) = key.kid() {
        header.insert("kid".to_owned(), Value::from(kid));
    }
    URL_SAFE_NO_PAD.encode(Value::Object(header).to_string())
}

/// Keys in the order in which they come to sign. It is never empty.
#[derive(Clone, Debug)]
struct Ring {
    keys: Vec<Arc<RingKey>>,
    /// How long a key is published after it has signed for the last time.
    linger: Duration,
}

impl Ring {
    /// The latest key whose time has come.
    fn signer(&self, now: SystemTime) -> Option<&Arc<RingKey>> {
        self.keys.iter().rev().find(|key| key.signs_from <= now).or(self.keys.first())
    }

    /// When the first of them, which is the next to go, has nothing left to verify.
    fn next_end(&self) -> Option<SystemTime> {
        self.keys.get(1)?.signs_from.checked_add(self.linger)
    }

    fn with(&self, key: RingKey) -> Result<Self, ConfigError> {
        let mut ring = self.clone();
        let at = ring.keys.partition_point(|other| other.signs_from <= key.signs_from);
        ring.keys.insert(at, Arc::new(key));
        ring.check()?;
        Ok(ring)
    }

    fn without(&self, kid: &str) -> Result<Self, ConfigError> {
        let keys: Vec<_> = self.keys.iter().filter(|key| key.signing.kid() != Some(kid)).cloned().collect();
        if keys.is_empty() || keys.len() == self.keys.len() {
            return Err(ConfigErrorKind::KeysMissing.into());
        }
        Ok(Self { keys, linger: self.linger })
    }

    fn check(&self) -> Result<(), ConfigError> {
        // A verifier must be able to tell them apart.
        if self.keys.len() > 1 && self.keys.iter().any(|key| key.signing.kid().is_none()) {
            return Err(ConfigErrorKind::KidMissing.into());
        }
        self.verifying().check()
    }

    fn verifying(&self) -> KeySet {
        self.keys.iter().map(|key| key.verifying.clone()).collect()
    }
}

/// The ring as it is shared between who signs, who verifies and who publishes.
#[derive(Debug)]
pub(super) struct KeyRing(RwLock<State>);

#[derive(Clone, Debug)]
struct State {
    ring: Ring,
    verifying: Arc<KeySet>,
    generation: u64,
}

impl State {
    fn of(ring: Ring, generation: u64) -> Self {
        Self { verifying: Arc::new(ring.verifying()), ring, generation }
    }

    fn is_settled(&self, now: SystemTime) -> bool {
        self.ring.next_end().is_none_or(|end| now < end)
    }

    /// Drops the keys whose last token has expired.
    fn settle(&mut self, now: SystemTime) {
        let before = self.ring.keys.len();
        while self.ring.next_end().is_some_and(|end| end <= now) {
            self.ring.keys.remove(0);
        }
        if self.ring.keys.len() < before {
            *self = Self::of(self.ring.clone(), self.generation.wrapping_add(1));
        }
    }
}

impl KeyRing {
    /// `lifetime` is that of the tokens.
    pub(super) fn new(first: RingKey, others: Vec<RingKey>, lifetime: Duration) -> Result<Self, ConfigError> {
        let ring = Ring { keys: vec![Arc::new(first)], linger: lifetime.saturating_add(LEEWAY_MOST) };
        let ring = others.into_iter().try_fold(ring, |ring, key| ring.with(key))?;
        ring.check()?;
        Ok(Self(RwLock::new(State::of(ring, 1))))
    }

    pub(super) fn signer(&self, now: SystemTime) -> Option<Arc<RingKey>> {
        self.read(now, |state| state.ring.signer(now).cloned())
    }

    /// What verifies, the keys that do not sign yet among them.
    pub(super) fn verifying(&self, now: SystemTime) -> Keys {
        self.read(now, |state| Keys { set: Arc::clone(&state.verifying), generation: state.generation })
    }

    pub(super) fn generation(&self, now: SystemTime) -> u64 {
        self.read(now, |state| state.generation)
    }

    /// The published keys, one JWK each.
    pub(super) fn published(&self, now: SystemTime) -> Vec<String> {
        self.read(now, |state| state.ring.keys.iter().filter_map(|key| key.jwk.clone()).collect())
    }

    pub(super) fn add(&self, key: RingKey, now: SystemTime) -> Result<(), ConfigError> {
        self.change(now, |state| Ok(State::of(state.ring.with(key)?, state.generation)))
    }

    pub(super) fn withdraw(&self, kid: &str, now: SystemTime) -> Result<(), ConfigError> {
        self.change(now, |state| Ok(State::of(state.ring.without(kid)?, state.generation.wrapping_add(1))))
    }

    fn read<T>(&self, now: SystemTime, read: impl FnOnce(&State) -> T) -> T {
        // Every change puts a whole state in place of another, so it is whole after any panic.
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if state.is_settled(now) {
            return read(&state);
        }
        drop(state);
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        state.settle(now);
        read(&state)
    }

    fn change(&self, now: SystemTime, change: impl FnOnce(&State) -> Result<State, ConfigError>) -> Result<(), ConfigError> {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        state.settle(now);
        *state = change(&state)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_auth::crypto::Algorithm;
    use std::time::UNIX_EPOCH;

    const LIFETIME: Duration = Duration::from_secs(900);
    /// How long a key stays after the next one took over.
    const LINGER: u64 = 900 + 300;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn key(kid: Option<&str>, signs_from: SystemTime) -> RingKey {
        let key = SigningKey::from_secret(Algorithm::Hs256, &[7; 32]).unwrap();
        let key = kid.into_iter().fold(key, SigningKey::with_kid);
        RingKey::new(key, "JWT", signs_from, crypto()).unwrap()
    }

    fn crypto() -> Crypto {
        *Crypto::compiled().first().unwrap()
    }

    fn ring() -> KeyRing {
        let others = vec![key(Some("c"), at(2_000)), key(Some("b"), at(100))];
        KeyRing::new(key(Some("a"), UNIX_EPOCH), others, LIFETIME).unwrap()
    }

    fn signer(ring: &KeyRing, now: u64) -> String {
        ring.signer(at(now)).unwrap().signing.kid().unwrap().to_owned()
    }

    fn verifying(ring: &KeyRing, now: u64) -> String {
        ring.verifying(at(now)).set.iter().filter_map(VerifyingKey::kid).collect()
    }

    #[test]
    fn a_key_is_published_then_signs_then_stays_until_its_last_token_has_expired() {
        let ring = ring();
        for (name, now, signs, verify) in [
            ("before the first change", 99, "a", "abc"),
            ("at the first change", 100, "b", "abc"),
            ("while tokens of the first are about", 100 + LINGER - 1, "b", "abc"),
            ("when they have expired", 100 + LINGER, "b", "bc"),
            ("before the second change", 1_999, "b", "bc"),
            ("at the second change", 2_000, "c", "bc"),
            ("at the end", 2_000 + LINGER, "c", "c"),
            ("for ever after", 9_000_000, "c", "c"),
        ] {
            assert_eq!((&*signer(&ring, now), &*verifying(&ring, now)), (signs, verify), "{name}");
        }
    }

    #[test]
    fn the_generation_changes_when_a_key_goes_and_not_when_one_comes() {
        let ring = ring();
        let first = ring.generation(at(0));
        ring.add(key(Some("d"), at(3_000)), at(0)).unwrap();
        assert_eq!(ring.generation(at(100 + LINGER - 1)), first);
        let second = ring.generation(at(100 + LINGER));
        assert_ne!(second, first);
        ring.withdraw("c", at(2_000)).unwrap();
        assert_ne!(ring.generation(at(2_000)), second);
        assert_eq!((&*signer(&ring, 2_000), &*verifying(&ring, 2_000)), ("b", "bd"), "the one before signs on");
    }

    #[test]
    fn rings_that_do_not_close() {
        let public = |kid: &str| {
            let path = format!("{}/tests/keys/test-only-ed25519-private.pem", env!("CARGO_MANIFEST_DIR"));
            let pem = std::fs::read_to_string(path).unwrap();
            RingKey::new(SigningKey::from_pem(Algorithm::EdDsa, &pem).unwrap().with_kid(kid), "JWT", at(0), crypto()).unwrap()
        };
        for (name, first, second, expected) in [
            ("the new one is nameless", key(Some("a"), at(0)), key(None, at(1)), ConfigErrorKind::KidMissing),
            ("the old one is nameless", key(None, at(0)), key(Some("a"), at(1)), ConfigErrorKind::KidMissing),
            ("one name twice", key(Some("a"), at(0)), key(Some("a"), at(1)), ConfigErrorKind::KeysAmbiguous),
            ("secret and public", key(Some("a"), at(0)), public("b"), ConfigErrorKind::KeysMixed),
        ] {
            let ring = KeyRing::new(first, Vec::new(), LIFETIME).unwrap();
            assert_eq!(ring.add(second, at(0)).unwrap_err().kind(), expected, "{name}");
            assert_eq!(ring.verifying(at(0)).set.iter().len(), 1, "{name}: nothing has changed");
        }
    }

    #[test]
    fn the_last_key_stays() {
        let ring = KeyRing::new(key(Some("a"), at(0)), Vec::new(), LIFETIME).unwrap();
        for (name, kid) in [("the last", "a"), ("unknown", "b")] {
            assert_eq!(ring.withdraw(kid, at(0)).unwrap_err().kind(), ConfigErrorKind::KeysMissing, "{name}");
        }
        assert_eq!(signer(&ring, 0), "a");
    }

    #[test]
    fn a_time_beyond_all_is_no_panic() {
        let far = UNIX_EPOCH + Duration::from_secs(1 << 62);
        let ring = KeyRing::new(key(Some("a"), at(0)), vec![key(Some("b"), far)], Duration::MAX).unwrap();
        assert_eq!((&*signer(&ring, 0), &*verifying(&ring, 0)), ("a", "ab"));
    }
}
