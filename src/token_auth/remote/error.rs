use std::error::Error;

use crate::token_auth::kind_error::kind_error;

/// Why something could not be had from another server.
///
/// For logs and for whoever called [`RemoteKeys::refresh`](super::RemoteKeys::refresh); a client of ours never sees one. It names no URL.
pub struct RemoteError {
    kind: RemoteErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemoteErrorKind {
    /// No connection, no TLS, or the connection broke.
    Unreachable,
    /// No whole answer in time.
    TimedOut,
    /// The answer is longer than the limit.
    Oversized,
    /// Another status than 200. Redirects are not followed.
    StatusUnexpected,
    /// The answer is not the JSON that it should be, or a member is missing or of another type.
    Malformed,
    /// The metadata are another issuer's ([RFC 8414 §3.3](https://www.rfc-editor.org/rfc/rfc8414#section-3.3)).
    IssuerMismatch,
    /// The metadata name a URL that is not `https`.
    UrlNotAllowed,
    /// The key set holds no key that may be used, or two that cannot be told apart.
    KeysUnusable,
    /// There is no tokio runtime where the request is handled.
    NoRuntime,
}

impl RemoteErrorKind {
    const fn message(self) -> &'static str {
        match self {
            Self::Unreachable => "the server cannot be reached",
            Self::TimedOut => "the server did not answer in time",
            Self::Oversized => "the answer is too long",
            Self::StatusUnexpected => "the server answered with another status than 200",
            Self::Malformed => "the answer cannot be read",
            Self::IssuerMismatch => "the metadata are another issuer's",
            Self::UrlNotAllowed => "the metadata name a URL that is not allowed",
            Self::KeysUnusable => "the key set cannot be used",
            Self::NoRuntime => "there is no tokio runtime",
        }
    }
}

impl RemoteError {
    /// The server could not be reached, for a [`Fetch`](super::Fetch) of your own.
    pub fn unreachable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::because(RemoteErrorKind::Unreachable, source)
    }

    pub(super) fn because(kind: RemoteErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into()) }
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> RemoteErrorKind {
        self.kind
    }
}

kind_error!(RemoteError, RemoteErrorKind);
