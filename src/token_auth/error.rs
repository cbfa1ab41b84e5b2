use std::error::Error;

use super::kind_error::kind_error;

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
    /// Another issuer was given than the one whose keys these are.
    IssuerMismatch,
    /// Not an absolute URL with a host, or one with a fragment or user information.
    UrlInvalid,
    /// A URL that is not `https`.
    UrlInsecure,
    /// Not a scope by [RFC 6749 §3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3).
    ScopeInvalid,
    /// There are no certificates to trust, or one cannot be read.
    TrustMissing,
    /// Client authentication that no header can hold.
    ClientAuthInvalid,
    /// The key file cannot be read; the cause is its [`source`](Error::source).
    FileUnreadable,
    /// One issuer was given twice.
    IssuerAmbiguous,
    /// No audience was given ([RFC 8725 §3.9](https://www.rfc-editor.org/rfc/rfc8725#section-3.9)).
    AudienceMissing,
    /// An audience was given and any audience was accepted, too.
    AudienceAmbiguous,
    /// More than five minutes of leeway.
    LeewayTooLong,
    /// No asymmetric algorithm was given for proofs of possession.
    ProofAlgorithmsMissing,
    /// A window for proofs of possession of less than a second or more than ten minutes.
    ProofWindowOutOfRange,
    /// The system gives no random numbers.
    RandomnessUnavailable,
    /// A lifetime, a cooldown or a timeout of less than a second.
    LifetimeTooShort,
    /// A key without a name beside others: a verifier could not tell them apart.
    KidMissing,
    /// A session that lives shorter than its access tokens.
    SessionTooShort,
    /// More than a minute of grace for refresh tokens.
    GraceTooLong,
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
            Self::IssuerMismatch => "another issuer was given than the one whose keys these are",
            Self::UrlInvalid => "not an absolute URL with a host, or one with a fragment or user information",
            Self::UrlInsecure => "the URL is not https",
            Self::ScopeInvalid => "not a scope",
            Self::TrustMissing => "there are no certificates to trust, or one cannot be read",
            Self::ClientAuthInvalid => "the client authentication does not fit into a header",
            Self::FileUnreadable => "the key file cannot be read",
            Self::IssuerAmbiguous => "one issuer was given twice",
            Self::AudienceMissing => "no audience was given",
            Self::AudienceAmbiguous => "an audience was given, and any audience accepted",
            Self::LeewayTooLong => "the leeway is longer than five minutes",
            Self::ProofAlgorithmsMissing => "there is no asymmetric algorithm for proofs of possession",
            Self::ProofWindowOutOfRange => {
                "the window for proofs of possession is shorter than a second or longer than ten minutes"
            }
            Self::RandomnessUnavailable => "the system gives no random numbers",
            Self::LifetimeTooShort => "a lifetime, cooldown or timeout is shorter than a second",
            Self::KidMissing => "a key without a name stands beside others",
            Self::SessionTooShort => "a session lives shorter than its access tokens",
            Self::GraceTooLong => "the grace is longer than a minute",
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

kind_error!(ConfigError, ConfigErrorKind);
