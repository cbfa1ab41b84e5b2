use std::{fmt, ops::Deref, sync::Arc, time::SystemTime};

use crate::Revoker;

/// Knows which tokens have been revoked.
///
/// A verifier asks it about every request, also about tokens that it remembers, so a revocation works on the very next request.
/// [`RevocationList`](super::RevocationList) is one, in memory.
///
/// The answer comes at once: a list that several processes share is kept as a copy in each and brought up to date in the background, since asking
/// over a network for every request would make every request as slow as that network and as available as its other end. A copy that is too
/// old to rely on answers [`Unavailable`](RevocationStatus::Unavailable).
///
/// ```
/// use donjon::token_auth::{Revocation, RevocationStatus, TokenFacts};
///
/// /// Nobody gets in by a token without an id.
/// struct OnlyNamed;
///
/// impl Revocation for OnlyNamed {
///     fn status(&self, token: &TokenFacts<'_>) -> RevocationStatus {
///         match token.id {
///             Some(_) => RevocationStatus::Valid,
///             None => RevocationStatus::Revoked,
///         }
///     }
/// }
/// ```
pub trait Revocation: Send + Sync + 'static {
    /// Whether the token was revoked.
    fn status(&self, token: &TokenFacts<'_>) -> RevocationStatus;

    /// A signal to give when the token is revoked, which ends what outlives a request: see [`Principal::revoked`](crate::Principal::revoked).
    ///
    /// Asked for once, when the token is first seen, and before [`status`](Self::status), so that a revocation between the two is not missed.
    /// Without one a socket lives on until the token expires.
    fn revoker(&self, token: &TokenFacts<'_>) -> Option<Revoker> {
        let _ = token;
        None
    }
}

impl<R: Revocation + ?Sized> Revocation for Arc<R> {
    fn status(&self, token: &TokenFacts<'_>) -> RevocationStatus {
        R::status(self, token)
    }

    fn revoker(&self, token: &TokenFacts<'_>) -> Option<Revoker> {
        R::revoker(self, token)
    }
}

/// What a [`Revocation`] says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RevocationStatus {
    /// It is as good as it was.
    Valid,
    /// It is good no more: 401 `invalid_token`.
    Revoked,
    /// Nobody can tell now: 503, never let through.
    Unavailable,
}

/// What can be told apart of verified tokens.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TokenFacts<'a> {
    /// `jti` ([RFC 7519 §4.1.7](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.7)), unique within the issuer.
    pub id: Option<&'a str>,
    /// `sub` ([RFC 7519 §4.1.2](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.2)).
    pub subject: Option<&'a str>,
    /// `sid`, the session that it was issued in
    /// ([OpenID Connect Front-Channel Logout §3](https://openid.net/specs/openid-connect-frontchannel-1_0.html#OPLogout)).
    pub session: Option<&'a str>,
    /// `iat` ([RFC 7519 §4.1.6](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.6)).
    pub issued_at: Option<SystemTime>,
    /// When it ends by itself.
    pub expires_at: Option<SystemTime>,
}

/// A revocation as a verifier holds it.
pub(in crate::token_auth) struct SharedRevocation(Arc<dyn Revocation>);

impl SharedRevocation {
    pub(in crate::token_auth) fn new(revocation: impl Revocation) -> Self {
        Self(Arc::new(revocation))
    }
}

impl Deref for SharedRevocation {
    type Target = dyn Revocation;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Debug for SharedRevocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Revocation")
    }
}
