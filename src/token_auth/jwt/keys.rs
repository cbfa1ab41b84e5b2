//! A key that signatures are checked with, and the policy that it must meet before the first token comes.

use std::fmt;

use jsonwebtoken::DecodingKey;

use super::{
    der,
    json::Members,
    jwk::{self, Material},
};
use crate::token_auth::{
    crypto::{Algorithm, Crypto, Family},
    error::{ConfigError, ConfigErrorKind},
};

/// The least modulus of an RSA key in bits ([RFC 7518 §3.3](https://www.rfc-editor.org/rfc/rfc7518#section-3.3)).
const RSA_BITS: usize = 2048;
/// The most that the cryptography works with.
const RSA_BITS_MOST: usize = 8192;

/// A key that checks signatures of one algorithm.
///
/// ```
/// use donjon::token_auth::{Algorithm, VerifyingKey};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let secret: [u8; 32] = *b"32 bytes from a random generator";
/// let key = VerifyingKey::from_secret(Algorithm::Hs256, &secret)?.with_kid("2026-01");
/// assert_eq!(key.algorithm(), Algorithm::Hs256);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    kid: Option<Box<str>>,
    key: DecodingKey,
}

impl VerifyingKey {
    /// A shared secret.
    ///
    /// # Errors
    ///
    /// [`KeyWeak`](ConfigErrorKind::KeyWeak) if it is shorter than the output of the hash, 32, 48 or 64 bytes
    /// ([RFC 7518 §3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)); [`KeyMismatch`](ConfigErrorKind::KeyMismatch) if the
    /// algorithm does not work with secrets.
    pub fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, ConfigError> {
        check_secret(algorithm, secret)?;
        Ok(Self { algorithm, kid: None, key: DecodingKey::from_secret(secret) })
    }

    /// A public key in PEM: `PUBLIC KEY`, or `RSA PUBLIC KEY`.
    ///
    /// # Errors
    ///
    /// [`KeyFormat`](ConfigErrorKind::KeyFormat), [`KeyPrivate`](ConfigErrorKind::KeyPrivate), [`KeyMismatch`](ConfigErrorKind::KeyMismatch)
    /// if the type or curve is not the algorithm's, or [`KeyWeak`](ConfigErrorKind::KeyWeak) for an RSA key below 2048 bits.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, ConfigError> {
        let (label, bytes) = der::pem(pem).ok_or(ConfigErrorKind::KeyFormat)?;
        let (family, key) = match label {
            "PUBLIC KEY" => der::public_key(&bytes).ok_or(ConfigErrorKind::KeyMismatch)?,
            "RSA PUBLIC KEY" => (Family::Rsa, bytes.as_slice()),
            _ if label.ends_with("PRIVATE KEY") => return Err(ConfigErrorKind::KeyPrivate.into()),
            _ => return Err(ConfigErrorKind::KeyFormat.into()),
        };
        if family != algorithm.family() {
            return Err(ConfigErrorKind::KeyMismatch.into());
        }
        let material = match family {
            Family::Rsa => {
                let (modulus, exponent) = der::rsa_public(key).ok_or(ConfigErrorKind::KeyFormat)?;
                Material::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() }
            }
            Family::P256 | Family::P384 => Material::Point(key.to_vec()),
            Family::Ed25519 => Material::Ed25519(key.to_vec()),
            Family::Hmac => return Err(ConfigErrorKind::KeyMismatch.into()),
        };
        Self::from_material(algorithm, &material)
    }

    /// A key as a JSON Web Key ([RFC 7517 §4](https://www.rfc-editor.org/rfc/rfc7517#section-4)), with its `kid` if it has one.
    ///
    /// `use` and `key_ops`, where they are there, must allow verifying, and `alg` must fit the key. Without `alg` the curve decides; for
    /// RSA it is RS256, for a secret HS256.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem) and [`from_secret`](Self::from_secret), and [`AlgorithmUnknown`](ConfigErrorKind::AlgorithmUnknown).
    pub fn from_jwk(json: &str) -> Result<Self, ConfigError> {
        let members = super::json::object(json).map_err(|_| ConfigErrorKind::KeyFormat)?;
        Self::from_members(&members)
    }

    pub(super) fn from_members(members: &Members<'_>) -> Result<Self, ConfigError> {
        let jwk = jwk::read(members)?;
        let key = Self::from_material(jwk.algorithm, &jwk.material)?;
        Ok(Self { kid: jwk.kid.map(Into::into), ..key })
    }

    /// The key policy, for material of the algorithm's own family.
    pub(in crate::token_auth) fn from_material(algorithm: Algorithm, material: &Material) -> Result<Self, ConfigError> {
        let key = match (algorithm.family(), material) {
            (Family::Hmac, Material::Secret(secret)) => return Self::from_secret(algorithm, secret),
            (Family::Rsa, Material::Rsa { modulus, exponent }) => {
                check_rsa(modulus)?;
                // An exponent of one or an even one is not RSA.
                if der::bits(exponent) < 2 || exponent.last().is_none_or(|last| last % 2 == 0) {
                    return Err(ConfigErrorKind::KeyWeak.into());
                }
                DecodingKey::from_rsa_raw_components(modulus, exponent)
            }
            (Family::P256, Material::Point(point)) if is_point(point, 32) => DecodingKey::from_ec_der(point),
            (Family::P384, Material::Point(point)) if is_point(point, 48) => DecodingKey::from_ec_der(point),
            // The length is checked here because the cryptography takes it for granted.
            (Family::Ed25519, Material::Ed25519(point)) if point.len() == 32 => DecodingKey::from_ed_der(point),
            _ => return Err(ConfigErrorKind::KeyMismatch.into()),
        };
        Ok(Self { algorithm, kid: None, key })
    }

    /// Names the key. A token that names a key is only checked with that one, or with a key without a name.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<Box<str>>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// The one algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The name ([RFC 7517 §4.5](https://www.rfc-editor.org/rfc/rfc7517#section-4.5)).
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub(super) fn fits(&self, kid: Option<&str>) -> bool {
        self.kid.is_none() || kid.is_none() || self.kid.as_deref() == kid
    }

    /// The verifier is made anew each time: it can neither be sent nor shared, and making it costs one small allocation and a copy of the key.
    pub(super) fn verifies(&self, crypto: Crypto, signed: &[u8], signature: &Vec<u8>) -> bool {
        (crypto.provider().verifier_factory)(&self.algorithm.of_provider(), &self.key)
            .is_ok_and(|verifier| verifier.verify(signed, signature).is_ok())
    }
}

pub(in crate::token_auth) fn check_secret(algorithm: Algorithm, secret: &[u8]) -> Result<(), ConfigError> {
    match algorithm.family() {
        Family::Hmac if secret.len() < algorithm.hash_len() => Err(ConfigErrorKind::KeyWeak.into()),
        Family::Hmac => Ok(()),
        _ => Err(ConfigErrorKind::KeyMismatch.into()),
    }
}

/// An uncompressed point ([SEC 1 §2.3.3](https://www.secg.org/sec1-v2.pdf)). Whether it lies on the curve is seen by the cryptography, each
/// time that it is used.
fn is_point(point: &[u8], coordinate_len: usize) -> bool {
    point.first() == Some(&4) && point.len() == 1 + 2 * coordinate_len
}

pub(in crate::token_auth) fn check_rsa(modulus: &[u8]) -> Result<(), ConfigError> {
    match der::bits(der::unsigned(modulus)) {
        ..RSA_BITS => Err(ConfigErrorKind::KeyWeak.into()),
        RSA_BITS..=RSA_BITS_MOST => Ok(()),
        _ => Err(ConfigErrorKind::KeyFormat.into()),
    }
}

/// Shows which key it is, never the key.
impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("algorithm", &self.algorithm).field("kid", &self.kid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_auth::error::ConfigErrorKind::{KeyFormat, KeyMismatch, KeyPrivate, KeyWeak};

    fn pem(name: &str) -> String {
        std::fs::read_to_string(format!("{}/tests/keys/test-only-{name}.pem", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    #[test]
    fn pem_keys() {
        for (name, algorithm, expected) in [
            ("rsa2048-public", Algorithm::Rs256, Ok(())),
            ("rsa2048-public", Algorithm::Ps512, Ok(())),
            ("rsa2048-pkcs1-public", Algorithm::Rs256, Ok(())),
            ("p256-public", Algorithm::Es256, Ok(())),
            ("p384-public", Algorithm::Es384, Ok(())),
            ("ed25519-public", Algorithm::EdDsa, Ok(())),
            ("rsa1024-public", Algorithm::Rs256, Err(KeyWeak)),
            ("rsa2048-private", Algorithm::Rs256, Err(KeyPrivate)),
            ("rsa2048-pkcs1-private", Algorithm::Rs256, Err(KeyPrivate)),
            ("rsa2048-public", Algorithm::Hs256, Err(KeyMismatch)),
            ("rsa2048-public", Algorithm::Es256, Err(KeyMismatch)),
            ("p256-public", Algorithm::Es384, Err(KeyMismatch)),
            ("p384-public", Algorithm::Es256, Err(KeyMismatch)),
            ("ed25519-public", Algorithm::Es256, Err(KeyMismatch)),
            ("secp256k1-public", Algorithm::Es256, Err(KeyMismatch)),
        ] {
            let key = VerifyingKey::from_pem(algorithm, &pem(name)).map(drop).map_err(|error| error.kind());
            assert_eq!(key, expected, "{name} for {algorithm}");
        }
        assert_eq!(VerifyingKey::from_pem(Algorithm::Rs256, "no key").unwrap_err().kind(), KeyFormat);
    }

    #[test]
    fn secrets_are_as_long_as_their_hash() {
        for (algorithm, len) in [(Algorithm::Hs256, 32), (Algorithm::Hs384, 48), (Algorithm::Hs512, 64)] {
            assert!(VerifyingKey::from_secret(algorithm, &vec![7; len]).is_ok());
            for short in [0, 1, len - 1] {
                assert_eq!(
                    VerifyingKey::from_secret(algorithm, &vec![7; short]).unwrap_err().kind(),
                    KeyWeak,
                    "{algorithm} {short}"
                );
            }
        }
        assert_eq!(VerifyingKey::from_secret(Algorithm::Rs256, &[7; 64]).unwrap_err().kind(), KeyMismatch);
    }

    #[test]
    fn weak_material() {
        for (name, jwk, expected) in [
            ("short modulus", r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#.to_owned(), KeyWeak),
            ("short secret", r#"{"kty":"oct","k":"AAAA"}"#.to_owned(), KeyWeak),
            ("short Ed25519", r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#.to_owned(), KeyMismatch),
            ("exponent one", format!(r#"{{"kty":"RSA","n":"{}","e":"AQ"}}"#, "_".repeat(341) + "w"), KeyWeak),
            ("even exponent", format!(r#"{{"kty":"RSA","n":"{}","e":"Ag"}}"#, "_".repeat(341) + "w"), KeyWeak),
            ("duplicate member", r#"{"kty":"oct","kty":"RSA"}"#.to_owned(), KeyFormat),
        ] {
            assert_eq!(VerifyingKey::from_jwk(&jwk).unwrap_err().kind(), expected, "{name}");
        }
    }

    #[test]
    fn debug_hides_the_secret() {
        assert_eq!(
            format!("{:?}", VerifyingKey::from_secret(Algorithm::Hs256, &[7; 32]).unwrap().with_kid("a")),
            r#"VerifyingKey { algorithm: Hs256, kid: Some("a"), .. }"#
        );
    }
}
