//! Which cryptography runs, and the names of what it computes.

use std::fmt;

use jsonwebtoken::crypto::CryptoProvider;

use super::error::{ConfigError, ConfigErrorKind};

/// The implementation of the cryptography.
///
/// Each variant exists when its feature is on. With exactly one of them compiled in nothing has to be said; with both, every builder
/// wants a `.crypto(...)`, since a feature that some other crate turns on must not change which code checks signatures. The choice
/// belongs to the value being built: no process-wide default is read or written.
///
/// ```
/// use donjon::token_auth::Crypto;
///
/// for crypto in Crypto::compiled() {
///     println!("{crypto:?} is at hand");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Crypto {
    /// `aws-lc-rs`: the fastest, in C and assembly. Feature `aws-lc-rs`.
    #[cfg(feature = "aws-lc-rs")]
    AwsLcRs,
    /// The RustCrypto crates: pure Rust, builds everywhere, 1.3 to 8 times slower by algorithm. Feature `rust-crypto`.
    #[cfg(feature = "rust-crypto")]
    RustCrypto,
}

impl Crypto {
    /// What is compiled in; empty with neither feature.
    #[must_use]
    pub const fn compiled() -> &'static [Self] {
        &[
            #[cfg(feature = "aws-lc-rs")]
            Self::AwsLcRs,
            #[cfg(feature = "rust-crypto")]
            Self::RustCrypto,
        ]
    }

    /// The explicit choice, or the only one that there is.
    pub(super) fn resolve(choice: Option<Self>) -> Result<Self, ConfigError> {
        match (choice, Self::compiled()) {
            (Some(crypto), _) => Ok(crypto),
            (None, [only]) => Ok(*only),
            (None, []) => Err(ConfigErrorKind::CryptoMissing.into()),
            (None, _) => Err(ConfigErrorKind::CryptoAmbiguous.into()),
        }
    }

    pub(super) fn provider(self) -> &'static CryptoProvider {
        match self {
            #[cfg(feature = "aws-lc-rs")]
            Self::AwsLcRs => &jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER,
            #[cfg(feature = "rust-crypto")]
            Self::RustCrypto => &jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER,
        }
    }
}

/// A signature algorithm by its name in [RFC 7518 §3.1](https://www.rfc-editor.org/rfc/rfc7518#section-3.1).
///
/// `none` is not among them, and a key works with exactly one: a token cannot talk a key into another algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// EdDSA on Ed25519 ([RFC 8037 §3.1](https://www.rfc-editor.org/rfc/rfc8037#section-3.1)).
    EdDsa,
}

/// The kind of key that an algorithm works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Hmac,
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Algorithm {
    const ALL: [Self; 12] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The value of `alg`, compared by case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// Whether both sides hold the same secret.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    pub(super) const fn family(self) -> Family {
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => Family::Hmac,
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => Family::Rsa,
            Self::Es256 => Family::P256,
            Self::Es384 => Family::P384,
            Self::EdDsa => Family::Ed25519,
        }
    }

    /// The output of the hash in bytes, the least length of an HMAC secret.
    pub(super) const fn hash_len(self) -> usize {
        match self {
            Self::Hs256 | Self::Rs256 | Self::Ps256 | Self::Es256 => 32,
            Self::Hs384 | Self::Rs384 | Self::Ps384 | Self::Es384 => 48,
            Self::Hs512 | Self::Rs512 | Self::Ps512 | Self::EdDsa => 64,
        }
    }

    pub(super) const fn of_provider(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Hs384 => jsonwebtoken::Algorithm::HS384,
            Self::Hs512 => jsonwebtoken::Algorithm::HS512,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Rs384 => jsonwebtoken::Algorithm::RS384,
            Self::Rs512 => jsonwebtoken::Algorithm::RS512,
            Self::Ps256 => jsonwebtoken::Algorithm::PS256,
            Self::Ps384 => jsonwebtoken::Algorithm::PS384,
            Self::Ps512 => jsonwebtoken::Algorithm::PS512,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Es384 => jsonwebtoken::Algorithm::ES384,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_case_and_none_is_not_one() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.as_str()), Some(algorithm));
            assert_eq!(format!("{:?}", algorithm.of_provider()), algorithm.as_str());
        }
        for name in ["none", "None", "hs256", "HS256 ", "ES256K", "ES512", ""] {
            assert_eq!(Algorithm::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn the_choice_is_explicit_or_the_only_one() {
        for crypto in Crypto::compiled() {
            assert_eq!(Crypto::resolve(Some(*crypto)).unwrap(), *crypto);
        }
        let implied = Crypto::resolve(None);
        match Crypto::compiled() {
            [] => assert_eq!(implied.unwrap_err().kind(), ConfigErrorKind::CryptoMissing),
            [only] => assert_eq!(implied.unwrap(), *only),
            _ => assert_eq!(implied.unwrap_err().kind(), ConfigErrorKind::CryptoAmbiguous),
        }
    }
}
