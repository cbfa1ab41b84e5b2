use std::{error::Error, fmt, future::Future, sync::Arc, time::Duration};

use crate::Principal;

/// Decides whose a token is.
///
/// `TokenAuth` asks it for every request with a token. [`JwtVerifier`](super::JwtVerifier) is one; your own may look a token up in a
/// table, or ask another server.
///
/// The answer is a [`Verdict`]: at once where it can be, which costs no task, no box and no clone of the service; later where something
/// must be awaited. `token` is the token's text as it came, of the characters that RFC 6750 §2.1 allows and otherwise unchecked, of any
/// length.
///
/// ```
/// use std::future::Ready;
/// use donjon::{Principal, token_auth::{TokenError, TokenErrorKind, Verdict, VerifyToken}};
///
/// /// One fixed token, for a test.
/// struct Fixed;
///
/// impl VerifyToken for Fixed {
///     type Future = Ready<Result<Principal, TokenError>>;
///
///     fn verify(&self, token: &str) -> Verdict<Self::Future> {
///         Verdict::Now(match token {
///             "let-me-in" => Ok(Principal::builder().subject("tester").build()),
///             _ => Err(TokenErrorKind::Malformed.into()),
///         })
///     }
/// }
/// ```
pub trait VerifyToken: Send + Sync + 'static {
    /// What a later answer comes from. Where every answer comes at once: [`std::future::Ready`].
    type Future: Future<Output = Result<Principal, TokenError>>;

    /// Verifies `token`.
    fn verify(&self, token: &str) -> Verdict<Self::Future>;
}

impl<V: VerifyToken + ?Sized> VerifyToken for Arc<V> {
    type Future = V::Future;

    fn verify(&self, token: &str) -> Verdict<Self::Future> {
        V::verify(self, token)
    }
}

/// An answer about a token, now or later.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is no third time")]
pub enum Verdict<F> {
    /// It is decided.
    Now(Result<Principal, TokenError>),
    /// It will be.
    Later(F),
}

/// Why a token was not taken.
///
/// Its message says no more than the kind; the cause, where there is one, is its [`source`](Error::source), for the operator's eyes. Never
/// does it hold a part of the token.
pub struct TokenError {
    kind: TokenErrorKind,
    retry_after: Option<Duration>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenErrorKind {
    /// Not three segments of base64url, or a header that is not the JSON it should be. Encrypted tokens, too.
    Malformed,
    /// Longer than the limit.
    Oversized,
    /// `none`, unknown, or not the algorithm of any key.
    AlgorithmNotAllowed,
    /// `crit`, or another header that changes what the token means.
    HeaderNotAllowed,
    /// The `typ` of a token made for another purpose.
    WrongType,
    /// No key of that `kid`.
    KeyUnknown,
    /// The signature does not fit.
    SignatureInvalid,
    /// The claims are not a JSON object of distinct members, or a registered claim is of another type.
    ClaimsMalformed,
    /// A claim that is required is not there.
    ClaimMissing,
    /// Issued by somebody else.
    WrongIssuer,
    /// Issued for somebody else.
    WrongAudience,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It was revoked.
    Revoked,
    /// Nobody can tell now: what has to be asked does not answer. The request is refused with 503, never let through.
    Unavailable,
}

impl TokenErrorKind {
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Malformed => "malformed token",
            Self::Oversized => "token too long",
            Self::AlgorithmNotAllowed => "algorithm not allowed",
            Self::HeaderNotAllowed => "header parameter not allowed",
            Self::WrongType => "token of another type",
            Self::KeyUnknown => "unknown key",
            Self::SignatureInvalid => "invalid signature",
            Self::ClaimsMalformed => "malformed claims",
            Self::ClaimMissing => "required claim missing",
            Self::WrongIssuer => "another issuer",
            Self::WrongAudience => "another audience",
            Self::Expired => "expired token",
            Self::NotYetValid => "token not yet valid",
            Self::Revoked => "revoked token",
            Self::Unavailable => "verification unavailable",
        }
    }
}

impl fmt::Display for TokenErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl TokenError {
    /// Nobody can tell now; the client may ask again after `retry_after`.
    #[must_use]
    pub fn unavailable(retry_after: Duration) -> Self {
        Self { kind: TokenErrorKind::Unavailable, retry_after: Some(retry_after), source: None }
    }

    /// Names the cause, for logs.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> TokenErrorKind {
        self.kind
    }

    /// When it is worth asking again, of an error that is [`Unavailable`](TokenErrorKind::Unavailable).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl From<TokenErrorKind> for TokenError {
    fn from(kind: TokenErrorKind) -> Self {
        Self { kind, retry_after: None, source: None }
    }
}

impl fmt::Debug for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenError").field(&self.kind).finish()
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl Error for TokenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
