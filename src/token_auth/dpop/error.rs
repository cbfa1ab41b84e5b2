use std::fmt;

use crate::token_auth::verifier::TokenErrorKind;

/// What is wrong with a proof of possession.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProofErrorKind {
    /// A token came by the scheme `DPoP` and no proof with it.
    Missing,
    /// More than one `DPoP` header.
    Several,
    /// Not a signed token of three segments, or its header or claims are not the JSON that they should be.
    Malformed,
    /// Longer than 8 KiB.
    Oversized,
    /// Its `typ` is not `dpop+jwt`.
    WrongType,
    /// `none`, symmetric, unknown, or not among the algorithms that are allowed.
    AlgorithmNotAllowed,
    /// `crit`, or another header that changes what the proof means.
    HeaderNotAllowed,
    /// `jwk` is missing, is no public key of the algorithm, or is too weak or too large.
    KeyNotAllowed,
    /// `jwk` holds a private key, which by now is everybody's.
    KeyPrivate,
    /// The signature does not fit the key.
    SignatureInvalid,
    /// A claim that is required is not there.
    ClaimMissing,
    /// Made for another method.
    WrongMethod,
    /// Made for another URI.
    WrongUri,
    /// Without a nonce, or with one that is no longer taken; the response brings a new one.
    NonceInvalid,
    /// Made too long ago, or in the future.
    OutOfTime,
    /// Made for another access token.
    WrongToken,
    /// Used before.
    Replayed,
}

impl ProofErrorKind {
    /// A proof is read as a token is, and fails alike.
    pub(super) fn of_token(kind: TokenErrorKind) -> Self {
        match kind {
            TokenErrorKind::Oversized => Self::Oversized,
            TokenErrorKind::AlgorithmNotAllowed => Self::AlgorithmNotAllowed,
            TokenErrorKind::HeaderNotAllowed => Self::HeaderNotAllowed,
            _ => Self::Malformed,
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::Missing => "no proof of possession",
            Self::Several => "more than one proof of possession",
            Self::Malformed => "malformed proof",
            Self::Oversized => "proof too long",
            Self::WrongType => "proof of another type",
            Self::AlgorithmNotAllowed => "algorithm of the proof not allowed",
            Self::HeaderNotAllowed => "header parameter of the proof not allowed",
            Self::KeyNotAllowed => "key of the proof not allowed",
            Self::KeyPrivate => "proof with a private key",
            Self::SignatureInvalid => "invalid signature of the proof",
            Self::ClaimMissing => "required claim of the proof missing",
            Self::WrongMethod => "proof for another method",
            Self::WrongUri => "proof for another uri",
            Self::NonceInvalid => "proof without a valid nonce",
            Self::OutOfTime => "proof out of time",
            Self::WrongToken => "proof for another access token",
            Self::Replayed => "proof used before",
        }
    }
}

impl fmt::Display for ProofErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}
