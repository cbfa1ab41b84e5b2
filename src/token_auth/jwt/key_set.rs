//! The keys of one issuer, and which of them a token may be checked with.

use super::{jwk, keys::VerifyingKey};
use crate::{
    core::trace::event,
    token_auth::{
        crypto::{Algorithm, Crypto},
        error::{ConfigError, ConfigErrorKind},
        verifier::TokenErrorKind,
    },
};

/// How many keys one token may be tried with. Only tokens or keys without a `kid` get beyond the first.
const TRIES: usize = 4;

/// The keys of one issuer.
///
/// Either secrets or public keys, never both: with both, a public key could be passed off as a secret by a mistake elsewhere
/// ([RFC 8725 §3.1](https://www.rfc-editor.org/rfc/rfc8725#section-3.1)).
///
/// ```
/// use donjon::token_auth::KeySet;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = KeySet::from_jwks(
///     r#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"k1",
///                  "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
/// )?;
/// assert_eq!(keys.iter().next().and_then(|key| key.kid()), Some("k1"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<VerifyingKey>);

impl KeySet {
    /// A set of no keys, to be filled by [`with`](Self::with).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key.
    #[must_use]
    pub fn with(mut self, key: VerifyingKey) -> Self {
        self.0.push(key);
        self
    }

    /// A JSON Web Key Set ([RFC 7517 §5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).
    ///
    /// Keys that are not usable here, being for encryption, of another type, or too weak, are left out, as the section has it.
    ///
    /// # Errors
    ///
    /// [`KeyFormat`](ConfigErrorKind::KeyFormat) if it is not a key set, [`KeysMissing`](ConfigErrorKind::KeysMissing) if no key is left.
    pub fn from_jwks(json: &str) -> Result<Self, ConfigError> {
        let members = super::json::object(json).map_err(|_| ConfigErrorKind::KeyFormat)?;
        let mut set = Self::new();
        for members in jwk::keys_of(&members)? {
            match VerifyingKey::from_members(members) {
                Ok(key) => set.0.push(key),
                Err(error) => event!(WARN, "a key of the key set is left out", error = error),
            }
        }
        if set.0.is_empty() { Err(ConfigErrorKind::KeysMissing.into()) } else { Ok(set) }
    }

    /// The keys, in order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &VerifyingKey> {
        self.0.iter()
    }

    /// The rules that concern the keys together.
    pub(in crate::token_auth) fn check(&self) -> Result<(), ConfigError> {
        let Some((first, others)) = self.0.split_first() else { return Err(ConfigErrorKind::KeysMissing.into()) };
        if others.iter().any(|key| key.algorithm().is_symmetric() != first.algorithm().is_symmetric()) {
            return Err(ConfigErrorKind::KeysMixed.into());
        }
        let same = |a: &VerifyingKey, b: &VerifyingKey| a.algorithm() == b.algorithm() && a.kid().is_some() && a.kid() == b.kid();
        if self.0.iter().enumerate().any(|(at, key)| self.0.iter().skip(at + 1).any(|other| same(key, other))) {
            return Err(ConfigErrorKind::KeysAmbiguous.into());
        }
        Ok(())
    }

    /// Whether every key of an earlier set is still in this one.
    pub(in crate::token_auth) fn keeps_all_of(&self, earlier: &Self) -> bool {
        earlier.0.iter().all(|key| self.0.iter().any(|other| other.is(key)))
    }

    /// Checks a signature with the keys that may have made it.
    pub(super) fn verify(
        &self,
        crypto: Crypto,
        (algorithm, kid): (Algorithm, Option<&str>),
        signed: &[u8],
        signature: &Vec<u8>,
    ) -> Result<(), TokenErrorKind> {
        let mut refusal = TokenErrorKind::AlgorithmNotAllowed;
        let mut tries = TRIES;
        for key in self.0.iter().filter(|key| key.algorithm() == algorithm) {
            if !key.fits(kid) {
                if refusal == TokenErrorKind::AlgorithmNotAllowed {
                    refusal = TokenErrorKind::KeyUnknown;
                }
                continue;
            }
            if key.verifies(crypto, signed, signature) {
                return Ok(());
            }
            refusal = TokenErrorKind::SignatureInvalid;
            tries -= 1;
            if tries == 0 {
                break;
            }
        }
        Err(refusal)
    }
}

impl From<VerifyingKey> for KeySet {
    fn from(key: VerifyingKey) -> Self {
        Self(vec![key])
    }
}

impl FromIterator<VerifyingKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_auth::error::ConfigErrorKind::{KeyFormat, KeysAmbiguous, KeysMissing, KeysMixed};

    const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"good","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    fn secret(kid: Option<&str>) -> VerifyingKey {
        let key = VerifyingKey::from_secret(Algorithm::Hs256, &[7; 32]).unwrap();
        kid.into_iter().fold(key, VerifyingKey::with_kid)
    }

    #[test]
    fn sets() {
        let public = VerifyingKey::from_jwk(ED25519).unwrap();
        let other = VerifyingKey::from_secret(Algorithm::Hs512, &[7; 64]).unwrap().with_kid("a");
        for (name, keys, expected) in [
            ("none", vec![], Err(KeysMissing)),
            ("one", vec![secret(None)], Ok(())),
            ("two names", vec![secret(Some("a")), secret(Some("b"))], Ok(())),
            ("two nameless", vec![secret(None), secret(None)], Ok(())),
            ("one name twice", vec![secret(Some("a")), secret(Some("a"))], Err(KeysAmbiguous)),
            ("one name for two algorithms", vec![secret(Some("a")), other], Ok(())),
            ("secret and public", vec![secret(None), public], Err(KeysMixed)),
        ] {
            let set: KeySet = keys.into_iter().collect();
            assert_eq!(set.check().map_err(|error| error.kind()), expected, "{name}");
        }
    }

    #[test]
    fn a_key_that_left_or_changed_is_missed() {
        let set = |keys: &[VerifyingKey]| keys.iter().cloned().collect::<KeySet>();
        let changed = VerifyingKey::from_secret(Algorithm::Hs256, &[8; 32]).unwrap().with_kid("a");
        let (a, b, public) = (secret(Some("a")), secret(Some("b")), VerifyingKey::from_jwk(ED25519).unwrap());
        for (name, earlier, later, kept) in [
            ("the same", set(&[a.clone(), b.clone()]), set(&[b.clone(), a.clone()]), true),
            ("one more", set(std::slice::from_ref(&a)), set(&[b.clone(), a.clone()]), true),
            ("one less", set(&[a.clone(), b.clone()]), set(std::slice::from_ref(&b)), false),
            ("another of the same name", set(std::slice::from_ref(&a)), set(&[changed]), false),
            ("the same of another name", set(std::slice::from_ref(&a)), set(&[a.clone().with_kid("c")]), false),
            ("of another type", set(std::slice::from_ref(&public)), set(&[a]), false),
            ("public", set(std::slice::from_ref(&public)), set(&[public]), true),
        ] {
            assert_eq!(later.keeps_all_of(&earlier), kept, "{name}");
        }
    }

    #[test]
    fn a_key_set_leaves_out_what_it_cannot_use() {
        let good = ED25519;
        let weak = r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#;
        let unknown = r#"{"kty":"AKP"}"#;
        let set = KeySet::from_jwks(&format!(r#"{{"keys":[{weak},{good},{unknown},7]}}"#)).unwrap();
        assert_eq!(set.iter().map(VerifyingKey::kid).collect::<Vec<_>>(), [Some("good")]);
        for (name, json, expected) in [
            ("nothing usable", format!(r#"{{"keys":[{weak}]}}"#), KeysMissing),
            ("no keys", r#"{"keys":[]}"#.to_owned(), KeysMissing),
            ("no set", good.to_owned(), KeyFormat),
        ] {
            assert_eq!(KeySet::from_jwks(&json).unwrap_err().kind(), expected, "{name}");
        }
    }
}
