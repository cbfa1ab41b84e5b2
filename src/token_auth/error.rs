use std::{error::Error, fmt};

/// A key, verifier or issuer that cannot be built as it was configured.
///
/// It comes when the value is built, at the start of the program; no request can cause one.
pub struct ConfigError {
    kind: ConfigErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What is wrong with the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// Neither of the features `aws-lc-rs` and `rust-crypto` is on.
    CryptoMissing,
    /// Both are on and none was chosen by `.crypto(...)`.
    CryptoAmbiguous,
    /// The key's text cannot be read: not PEM, not a JWK, or of a form that is not supported.
    KeyFormat,
    /// The key is of another type or curve than its algorithm wants, or its JWK is not meant for this.
    KeyMismatch,
    /// An RSA modulus below 2048 bits or a secret shorter than its hash
    /// ([RFC 7518 §3.2, §3.3](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)).
    KeyWeak,
    /// A private key where a public one is wanted. Verifying needs none: keep it where tokens are signed.
    KeyPrivate,
    /// The `alg` of the key is not one of [`Algorithm`](super::Algorithm).
    AlgorithmUnknown,
    /// The key set holds no usable key.
    KeysMissing,
    /// Secrets and public keys in one set ([RFC 8725 §3.1](https://www.rfc-editor.org/rfc/rfc8725#section-3.1)).
    KeysMixed,
    /// Two keys of the same algorithm and `kid`.
    KeysAmbiguous,
    /// No issuer was given.
    IssuerMissing,
    /// No audience was given ([RFC 8725 §3.9](https://www.rfc-editor.org/rfc/rfc8725#section-3.9)).
    AudienceMissing,
    /// An audience was given and any audience was accepted, too.
    AudienceAmbiguous,
    /// More than five minutes of leeway.
    LeewayTooLong,
    /// A lifetime of less than a second.
    LifetimeTooShort,
}

impl ConfigErrorKind {
    const fn message(self) -> &'static str {
        match self {
            Self::CryptoMissing => "no cryptography is compiled in: enable the feature aws-lc-rs or rust-crypto",
            Self::CryptoAmbiguous => "two implementations of the cryptography are compiled in: choose one by .crypto(...)",
            Self::KeyFormat => "the key cannot be read",
            Self::KeyMismatch => "the key does not fit its algorithm or use",
            Self::KeyWeak => "the key is too short",
            Self::KeyPrivate => "a private key was given where a public one is wanted",
            Self::AlgorithmUnknown => "the key's algorithm is not supported",
            Self::KeysMissing => "there is no usable key",
            Self::KeysMixed => "secrets and public keys must not stand in one set",
            Self::KeysAmbiguous => "two keys have the same algorithm and key id",
            Self::IssuerMissing => "no issuer was given",
            Self::AudienceMissing => "no audience was given",
            Self::AudienceAmbiguous => "an audience was given, and any audience accepted",
            Self::LeewayTooLong => "the leeway is longer than five minutes",
            Self::LifetimeTooShort => "the lifetime is shorter than a second",
        }
    }
}

impl ConfigError {
    pub(super) fn because(kind: ConfigErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into()) }
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }
}

impl From<ConfigErrorKind> for ConfigError {
    fn from(kind: ConfigErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConfigError").field(&self.kind).finish()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.message())
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
