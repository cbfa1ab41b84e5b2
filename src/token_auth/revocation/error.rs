use std::{error::Error, fmt};

/// A revocation that could not be written down. The token is still good.
#[derive(Debug)]
pub struct RevocationError {
    kind: RevocationErrorKind,
}

/// Why a revocation could not be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RevocationErrorKind {
    /// The list is full of entries that still count.
    Full,
    /// The token has no `jti` to revoke it by.
    IdMissing,
}

impl RevocationError {
    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> RevocationErrorKind {
        self.kind
    }
}

impl From<RevocationErrorKind> for RevocationError {
    fn from(kind: RevocationErrorKind) -> Self {
        Self { kind }
    }
}

impl fmt::Display for RevocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            RevocationErrorKind::Full => "the revocation list is full",
            RevocationErrorKind::IdMissing => "the token has no id",
        })
    }
}

impl Error for RevocationError {}
