use std::error::Error;

use crate::token_auth::kind_error::kind_error;

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

impl IssueErrorKind {
    const fn message(self) -> &'static str {
        match self {
            Self::ClaimsInvalid => "the claims are not an object",
            Self::ClaimReserved => "a claim is reserved for the issuer",
            Self::ScopeInvalid => "a scope has a character that scopes must not have",
            Self::TimeOutOfRange => "the time is out of range",
            Self::RandomnessUnavailable => "no random numbers",
            Self::SigningFailed => "signing failed",
        }
    }
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

kind_error!(IssueError, IssueErrorKind);
