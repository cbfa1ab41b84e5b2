use std::{error::Error, fmt};

/// A token that could not be issued.
pub struct IssueError {
    kind: IssueErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Why a token could not be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IssueErrorKind {
    /// The claims of your own do not serialise to an object.
    ClaimsInvalid,
    /// They have one that is the issuer's.
    ClaimReserved,
    /// A scope is not a scope token ([RFC 6749 §3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)).
    ScopeInvalid,
    /// The clock stands before 1970, or the end lies beyond what can be told.
    TimeOutOfRange,
    /// The operating system gave no random numbers.
    RandomnessUnavailable,
    /// The cryptography could not sign.
    SigningFailed,
}

impl IssueError {
    pub(super) fn because(kind: IssueErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into()) }
    }

    /// Why.
    #[must_use]
    pub fn kind(&self) -> IssueErrorKind {
        self.kind
    }
}

impl From<IssueErrorKind> for IssueError {
    fn from(kind: IssueErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Debug for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IssueError").field(&self.kind).finish()
    }
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            IssueErrorKind::ClaimsInvalid => "the claims are not an object",
            IssueErrorKind::ClaimReserved => "a claim is reserved for the issuer",
            IssueErrorKind::ScopeInvalid => "a scope has a character that scopes must not have",
            IssueErrorKind::TimeOutOfRange => "the time is out of range",
            IssueErrorKind::RandomnessUnavailable => "no random numbers",
            IssueErrorKind::SigningFailed => "signing failed",
        })
    }
}

impl Error for IssueError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
