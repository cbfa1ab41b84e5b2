//! Nonces that a server gives out, [RFC 9449 §8, §9](https://www.rfc-editor.org/rfc/rfc9449#section-8): a proof with one was made after it was
//! given, so none can be made for later.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use sha2::{Digest as _, Sha256};

use crate::token_auth::thumbprint::Thumbprint;

/// How long one nonce is given out, in seconds. It is taken until the next one's time is over, too.
const PERIOD: u64 = 150;

/// Gives nonces out and knows them again by a keyed hash over the time, so nothing has to be kept.
#[derive(Clone)]
pub(super) struct Nonces {
    secret: [u8; 32],
}

/// How a proof's nonce stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    Current,
    /// Still taken; the client should be told the next one.
    Previous,
    /// Not ours, or no longer.
    Invalid,
}

impl Nonces {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// The nonce to give out at the time `now`.
    pub(super) fn fresh(&self, now: SystemTime) -> HeaderValue {
        // The alphabet of base64url is a field value.
        HeaderValue::try_from(self.of(period(now))).unwrap_or(HeaderValue::from_static(""))
    }

    /// Whether `nonce` is one that was given out lately. One period ahead is taken as well, for another process whose clock is.
    pub(super) fn age(&self, nonce: &str, now: SystemTime) -> Age {
        let current = period(now);
        // Hashed, so that the time it takes to compare tells nothing.
        let shown = Thumbprint::of(nonce.as_bytes());
        let is = |period: u64| shown == Thumbprint::of(self.of(period).as_bytes());
        match () {
            () if is(current) || is(current + 1) => Age::Current,
            () if current.checked_sub(1).is_some_and(is) => Age::Previous,
            () => Age::Invalid,
        }
    }

    /// 128 bits of the hash: nobody guesses them within five minutes.
    fn of(&self, period: u64) -> String {
        let hash = hmac_sha256(&self.secret, &period.to_be_bytes());
        let (half, _) = hash.split_at(16);
        URL_SAFE_NO_PAD.encode(half)
    }
}

fn period(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / PERIOD
}

/// [RFC 2104](https://www.rfc-editor.org/rfc/rfc2104) with a key that fits into one block.
fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let block = |mask: u8| {
        let mut block = [mask; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(block(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block(0x5c)).chain_update(inner).finalize().into()
}

/// Hides the secret.
impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// RFC 4231 §4.2 with the key filled up to 32 bytes by zeros, which changes nothing (RFC 2104 §2).
    #[test]
    fn the_vector_of_rfc_4231() {
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let hash = hmac_sha256(&key, b"Hi There");
        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        assert_eq!(hash.map(|byte| format!("{byte:02x}")).concat(), expected);
    }

    #[test]
    fn a_nonce_ages() {
        let nonces = Nonces::new([7; 32]);
        let nonce = nonces.fresh(at(PERIOD * 10));
        let nonce = nonce.to_str().unwrap();
        assert_eq!(nonce.len(), 22);
        for (name, now, expected) in [
            ("at once", PERIOD * 10, Age::Current),
            ("at the end of its period", PERIOD * 11 - 1, Age::Current),
            ("in the next period", PERIOD * 11, Age::Previous),
            ("at its end", PERIOD * 12 - 1, Age::Previous),
            ("later", PERIOD * 12, Age::Invalid),
            ("by a clock behind", PERIOD * 10 - 1, Age::Current),
            ("by a clock far behind", PERIOD * 9 - 1, Age::Invalid),
        ] {
            assert_eq!(nonces.age(nonce, at(now)), expected, "{name}");
        }
    }

    #[test]
    fn nobody_else_makes_one() {
        let nonces = Nonces::new([7; 32]);
        let other = Nonces::new([8; 32]).fresh(at(1000));
        for (name, nonce) in [("another secret's", other.to_str().unwrap()), ("empty", ""), ("any", "eyJ7S_zG.eyJH0-Z")] {
            assert_eq!(nonces.age(nonce, at(1000)), Age::Invalid, "{name}");
        }
        assert_eq!(format!("{nonces:?}"), "Nonces { .. }");
    }
}
