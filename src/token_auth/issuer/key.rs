use std::fmt;

use jsonwebtoken::{EncodingKey, jwk::EllipticCurve};

use crate::token_auth::{
    crypto::{Algorithm, Crypto, Family},
    error::{ConfigError, ConfigErrorKind},
    jwt::{
        der,
        jwk::Material,
        keys::{self, VerifyingKey},
    },
};

/// A key that signs tokens by one algorithm.
#[derive(Clone)]
pub struct SigningKey {
    algorithm: Algorithm,
    kid: Option<Box<str>>,
    key: EncodingKey,
}

impl SigningKey {
    /// A secret, shared with whoever verifies. It must come from a random generator: a word that a person made up can be guessed from a
    /// single token.
    ///
    /// # Errors
    ///
    /// As [`VerifyingKey::from_secret`].
    pub fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, ConfigError> {
        keys::check_secret(algorithm, secret)?;
        Ok(Self { algorithm, kid: None, key: EncodingKey::from_secret(secret) })
    }

    /// A private key in PEM: `PRIVATE KEY` (PKCS#8), or `RSA PRIVATE KEY` (PKCS#1).
    ///
    /// `openssl genpkey -algorithm ed25519` writes one, as it does with `-algorithm EC -pkeyopt ec_paramgen_curve:P-256` and
    /// `-algorithm RSA -pkeyopt rsa_keygen_bits:2048`.
    ///
    /// # Errors
    ///
    /// [`KeyFormat`](ConfigErrorKind::KeyFormat), [`KeyMismatch`](ConfigErrorKind::KeyMismatch) if the type or curve is not the
    /// algorithm's, or [`KeyWeak`](ConfigErrorKind::KeyWeak) for an RSA key below 2048 bits. What only the cryptography can see comes
    /// when the issuer is built.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, ConfigError> {
        let (label, bytes) = der::pem(pem).ok_or(ConfigErrorKind::KeyFormat)?;
        let (family, inner) = match label {
            "PRIVATE KEY" => der::private_key(&bytes).ok_or(ConfigErrorKind::KeyMismatch)?,
            "RSA PRIVATE KEY" => (Family::Rsa, bytes.as_slice()),
            _ => return Err(ConfigErrorKind::KeyFormat.into()),
        };
        if family != algorithm.family() {
            return Err(ConfigErrorKind::KeyMismatch.into());
        }
        let key = match family {
            Family::Rsa => {
                keys::check_rsa(der::rsa_private_modulus(inner).ok_or(ConfigErrorKind::KeyFormat)?)?;
                EncodingKey::from_rsa_der(inner)
            }
            Family::P256 | Family::P384 => EncodingKey::from_ec_der(&bytes),
            Family::Ed25519 => EncodingKey::from_ed_der(&bytes),
            Family::Hmac => return Err(ConfigErrorKind::KeyMismatch.into()),
        };
        Ok(Self { algorithm, kid: None, key })
    }

    /// Names the key; every token it signs will say so in its header.
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

    /// The name.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub(super) fn sign(&self, crypto: Crypto, message: &[u8]) -> Result<Vec<u8>, jsonwebtoken::errors::Error> {
        let signer = (crypto.provider().signer_factory)(&self.algorithm.of_provider(), &self.key)?;
        signer.try_sign(message).map_err(|error| jsonwebtoken::errors::ErrorKind::Provider(error.to_string()).into())
    }

    /// The other half, or the same secret.
    pub(super) fn verifying_key(&self, crypto: Crypto) -> Result<VerifyingKey, ConfigError> {
        let utils = &crypto.provider().key_utils;
        let bytes = self.key.as_bytes();
        let unreadable = |error: jsonwebtoken::errors::Error| ConfigError::because(ConfigErrorKind::KeyFormat, error);
        let material = match self.algorithm.family() {
            Family::Hmac => Material::Secret(bytes.to_vec()),
            Family::Rsa => {
                let (modulus, exponent) = (utils.rsa_pub_components_from_private_key)(bytes).map_err(unreadable)?;
                Material::Rsa { modulus, exponent }
            }
            Family::P256 | Family::P384 => {
                let algorithm = self.algorithm.of_provider();
                let (_curve, x, y) = (utils.ec_pub_components_from_private_key)(bytes, algorithm).map_err(unreadable)?;
                Material::Point([&[4], x.as_slice(), y.as_slice()].concat())
            }
            Family::Ed25519 => {
                let curve = &EllipticCurve::Ed25519;
                Material::Ed25519((utils.ed_pub_components_from_private_key)(bytes, curve).map_err(unreadable)?)
            }
        };
        let key = VerifyingKey::from_material(self.algorithm, &material)?;
        Ok(self.kid.iter().fold(key, |key, kid| key.with_kid(kid.clone())))
    }
}

/// Shows which key it is, never the key.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("algorithm", &self.algorithm).field("kid", &self.kid).finish_non_exhaustive()
    }
}
