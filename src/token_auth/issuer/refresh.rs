use std::{
    error::Error,
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    error::{IssueError, IssueErrorKind},
    family::{Lifetimes, RefreshFamily, Standing},
    login::{Authenticate, Credentials, LoginError},
    memory_refresh_store::MemoryRefreshStore,
    refresh_error::{RefreshError, RefreshErrorKind},
    refresh_store::{RefreshStore, Replaced},
    refresh_token::{self, RefreshToken, SessionId},
    session_end::RevokeSession,
    token::{Grant, TokenPair},
    token_issuer::TokenIssuer,
};
use crate::core::trace::event;

/// How often the store may say that another was first. Once is enough to find oneself late; the rest is for stores that are slow to show it.
const TRIES: usize = 4;
/// How long after its `exp` an access token may be shown: the greatest leeway of a verifier, and a minute from being made to being handed out.
const SLACK: Duration = Duration::from_secs(300 + 60);

/// Keeps users logged in: a short access token, and a refresh token to get the next one with.
///
/// By [RFC 9700 §4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2):
///
/// 1. A refresh token is 64 bytes in base64url that nobody can guess, opaque to the client. The store holds hashes only.
/// 2. **Rotation:** each use exchanges it for a new one; a login and all that descends from it are one family, a *session*.
/// 3. **Reuse detection:** who shows a token that was exchanged before has a stolen one, or was stolen from. Nobody can tell which, so the whole
///    family ends, with the access tokens that were issued with it if there is a [`revocation`](super::RefreshTokensBuilder::revocation). Both have
///    to log in; the thief cannot.
/// 4. **Grace:** for [10 seconds](super::RefreshTokensBuilder::grace) after its exchange a token is answered once more, with *the same* new refresh
///    token and another access token. So two tabs may refresh at once, and a response that got lost may be asked for again. The
///    detection loses nothing: there is still one current token, and whoever uses it second, after the grace, is found out.
/// 5. A session ends when it was idle for [a week](super::RefreshTokensBuilder::idle_lifetime) or lasted for
///    [a month](super::RefreshTokensBuilder::absolute_lifetime), when it is [logged out](Self::logout), or when the user is
///    [refused](Self::refresh_with).
///
/// ```
/// use std::sync::Arc;
/// use donjon::token_auth::{Grant, RefreshErrorKind, RefreshTokens, RevocationList};
/// # use donjon::token_auth::{Algorithm, Crypto, SigningKey, TokenIssuer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let Some(crypto) = Crypto::compiled().first() else { return Ok(()) };
/// # let issuer = TokenIssuer::builder(SigningKey::from_secret(Algorithm::Hs256, &[7; 32])?).issuer("i").audience("a");
/// # let issuer = issuer.crypto(*crypto).build()?;
/// let revoked = Arc::new(RevocationList::new());
/// let verifier = issuer.verifier().revocation(Arc::clone(&revoked)).build()?;
/// let tokens = RefreshTokens::builder(issuer).revocation(revoked).build()?;
///
/// let first = tokens.start(&Grant::new("alice")).await?;
/// let second = tokens.refresh(first.refresh_token()).await?;
/// tokens.logout(second.refresh_token()).await?;
///
/// let error = tokens.refresh(second.refresh_token()).await.unwrap_err();
/// assert_eq!(error.kind(), RefreshErrorKind::Unknown);
/// # Ok(())
/// # }
/// ```
///
/// In a browser the refresh token belongs into a cookie that is `HttpOnly`, `Secure`, `SameSite=Strict`, with the path of the one route that
/// reads it.
pub struct RefreshTokens<R = MemoryRefreshStore> {
    pub(super) issuer: TokenIssuer,
    pub(super) store: R,
    pub(super) revocation: Option<Arc<dyn RevokeSession>>,
    pub(super) lifetimes: Lifetimes,
}

impl<R: RefreshStore> RefreshTokens<R> {
    /// Asks `users` whose the credentials are, and starts a session with what it grants.
    ///
    /// Limit how often a name and an address may try: that is not done here.
    ///
    /// # Errors
    ///
    /// What `users` says, or as [`start`](Self::start).
    pub async fn login(&self, users: &impl Authenticate, credentials: Credentials) -> Result<TokenPair, LoginError> {
        let grant = users.authenticate(credentials).await?;
        self.start(&grant).await
    }

    /// Starts a session for somebody who was recognised in another way.
    ///
    /// # Errors
    ///
    /// [`NotIssued`](super::LoginErrorKind::NotIssued), or [`Unavailable`](super::LoginErrorKind::Unavailable) if the store does not answer.
    pub async fn start(&self, grant: &Grant) -> Result<TokenPair, LoginError> {
        let token = RefreshToken::random().map_err(no_randomness)?;
        let session = token.session();
        let access = self.issuer.issue_in(grant, Some(&session))?;
        let family = RefreshFamily::new(grant.clone(), token.digest(), self.issuer.clock().now(), self.lifetimes);
        self.store.insert(session.clone(), family).await.map_err(LoginError::unavailable)?;
        Ok(TokenPair { access, refresh_token: token.to_text(), session })
    }

    /// Exchanges a refresh token for a new one and an access token that says what the login granted.
    ///
    /// # Errors
    ///
    /// See [`RefreshErrorKind`]. After [`Reused`](RefreshErrorKind::Reused) the session has ended.
    pub async fn refresh(&self, token: &str) -> Result<TokenPair, RefreshError> {
        self.refresh_with(token, |grant| std::future::ready(Ok(grant))).await
    }

    /// Exchanges a refresh token as [`refresh`](Self::refresh) does, for an access token that says what `renew` makes of the login's grant:
    /// the place to see that the account is still open and which rights it has today.
    ///
    /// Where `renew` answers [`RefreshError::refused`] the session ends. With any other error nothing has changed, and the client may try
    /// again with the same token.
    ///
    /// # Errors
    ///
    /// What `renew` says, or as [`refresh`](Self::refresh).
    pub async fn refresh_with<F, Fut>(&self, token: &str, renew: F) -> Result<TokenPair, RefreshError>
    where
        F: FnOnce(Grant) -> Fut + Send,
        Fut: Future<Output = Result<Grant, RefreshError>> + Send,
    {
        let presented = RefreshToken::parse(token).ok_or(RefreshErrorKind::Unknown)?;
        let session = presented.session();
        // However long `renew` takes, a token is as good as it was when it was shown: its grace does not run out on the way.
        let shown = self.issuer.clock().now();
        let (family, standing) = self.admit(&presented, &session, shown).await?;
        let grant = match renew(family.grant().clone()).await {
            Ok(grant) => grant,
            Err(error) => {
                if error.kind() == RefreshErrorKind::Refused {
                    self.end(&session).await?;
                }
                return Err(error);
            }
        };
        // Before the exchange: if it fails, the client still has a token that works.
        let access = self.issuer.issue_in(&grant, Some(&session))?;
        let next = self.exchange(&presented, &session, shown, (family, standing)).await?;
        Ok(TokenPair { access, refresh_token: next.to_text(), session })
    }

    /// Ends the session of a refresh token: no token of it is exchanged again, and its access tokens are revoked if there is a
    /// [`revocation`](super::RefreshTokensBuilder::revocation).
    ///
    /// Any token that was ever in the session does, also one that was exchanged. To log out of a session that has ended is no error
    /// ([RFC 7009 §2.2](https://www.rfc-editor.org/rfc/rfc7009#section-2.2)), and neither is a text that is no token.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](RefreshErrorKind::Unavailable) if the session may still be there, or its access tokens may: do it again.
    pub async fn logout(&self, token: &str) -> Result<(), RefreshError> {
        let Some(presented) = RefreshToken::parse(token) else { return Ok(()) };
        let session = presented.session();
        // A text that somebody made up names no session, and must not fill the list of those that were revoked.
        match self.store.find(&session).await.map_err(RefreshError::unavailable)? {
            Some(_) => self.end(&session).await,
            None => Ok(()),
        }
    }

    /// Ends a session by its name, as the claim `sid` of its access tokens has it. The caller must have verified the token.
    ///
    /// # Errors
    ///
    /// As [`logout`](Self::logout).
    pub async fn end(&self, session: &SessionId) -> Result<(), RefreshError> {
        // The access tokens first: while the family is there, whoever failed to end the session can try again.
        self.revoke(session)?;
        self.store.remove(session).await.map_err(RefreshError::unavailable)
    }

    /// Ends all sessions of a subject: a logout everywhere, a changed password.
    ///
    /// # Errors
    ///
    /// As [`logout`](Self::logout).
    pub async fn end_all(&self, subject: &str) -> Result<(), RefreshError> {
        // As in `end`, and then again for those that began meanwhile.
        let sessions = self.store.sessions(subject).await.map_err(RefreshError::unavailable)?;
        self.revoke_each(&sessions)?;
        let removed = self.store.remove_subject(subject).await.map_err(RefreshError::unavailable)?;
        self.revoke_each(removed.iter().filter(|session| !sessions.contains(session)))
    }

    /// What the token is worth that was shown then. A session that is over, or was stolen from, ends here.
    async fn admit(
        &self,
        presented: &RefreshToken,
        session: &SessionId,
        shown: SystemTime,
    ) -> Result<(RefreshFamily, Standing), RefreshError> {
        let family = self.store.find(session).await.map_err(RefreshError::unavailable)?.ok_or(RefreshErrorKind::Unknown)?;
        let standing = family.standing(&presented.digest(), shown);
        match standing {
            Standing::Current | Standing::JustExchanged { .. } => Ok((family, standing)),
            Standing::Reused => {
                event!(WARN, "a refresh token was used again, its session is ended", session = session);
                let revoked = self.revoke(session);
                // Whatever became of the access tokens: nobody can say which of the two is the thief, so neither goes on.
                self.store.remove(session).await.map_err(RefreshError::unavailable)?;
                revoked?;
                Err(RefreshErrorKind::Reused.into())
            }
            Standing::Expired => {
                self.store.remove(session).await.map_err(RefreshError::unavailable)?;
                Err(RefreshErrorKind::Expired.into())
            }
        }
    }

    /// Makes the next token the current one, or finds out which it is.
    async fn exchange(
        &self,
        presented: &RefreshToken,
        session: &SessionId,
        shown: SystemTime,
        (mut family, mut standing): (RefreshFamily, Standing),
    ) -> Result<RefreshToken, RefreshError> {
        if matches!(standing, Standing::JustExchanged { .. }) {
            // Nothing will be replaced, so nothing else would notice that the session ended meanwhile.
            (family, standing) = self.admit(presented, session, shown).await?;
        }
        for _ in 0..TRIES {
            if let Standing::JustExchanged { salt } = standing {
                return Ok(presented.successor(&salt));
            }
            let salt = refresh_token::random().map_err(no_randomness)?;
            let next = presented.successor(&salt);
            let exchanged = family.exchanged(next.digest(), salt, self.issuer.clock().now(), self.lifetimes);
            let replaced = self.store.replace(session, family.version(), exchanged).await;
            match replaced.map_err(RefreshError::unavailable)? {
                Replaced::Done => return Ok(next),
                Replaced::Outdated => (family, standing) = self.admit(presented, session, shown).await?,
            }
        }
        Err(RefreshErrorKind::Unavailable.into())
    }

    /// All of them, and then the first error.
    fn revoke_each<'a>(&self, sessions: impl IntoIterator<Item = &'a SessionId>) -> Result<(), RefreshError> {
        sessions.into_iter().map(|session| self.revoke(session)).fold(Ok(()), Result::and)
    }

    fn revoke(&self, session: &SessionId) -> Result<(), RefreshError> {
        let Some(revocation) = &self.revocation else { return Ok(()) };
        let now = self.issuer.clock().now();
        let until = now.checked_add(self.issuer.lifetime().saturating_add(SLACK)).unwrap_or(now);
        revocation.revoke_session(session, until).map_err(|error| {
            event!(ERROR, "the access tokens of a session could not be revoked", session = session, error = error);
            RefreshError::unavailable(error)
        })
    }
}

fn no_randomness(error: impl Into<Box<dyn Error + Send + Sync>>) -> IssueError {
    IssueError::because(IssueErrorKind::RandomnessUnavailable, error)
}

impl<R: Clone> Clone for RefreshTokens<R> {
    fn clone(&self) -> Self {
        Self {
            issuer: self.issuer.clone(),
            store: self.store.clone(),
            revocation: self.revocation.clone(),
            lifetimes: self.lifetimes,
        }
    }
}

impl<R> fmt::Debug for RefreshTokens<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshTokens").field("lifetimes", &self.lifetimes).finish_non_exhaustive()
    }
}
