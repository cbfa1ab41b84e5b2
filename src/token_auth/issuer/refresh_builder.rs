use std::{sync::Arc, time::Duration};

use super::{
    family::Lifetimes, memory_refresh_store::MemoryRefreshStore, refresh::RefreshTokens, refresh_store::RefreshStore,
    session_end::RevokeSession, token_issuer::TokenIssuer,
};
use crate::token_auth::error::{ConfigError, ConfigErrorKind};

/// A user who is not seen for a week logs in again.
const IDLE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// And everybody does once a month.
const ABSOLUTE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Longer than a response takes to get lost and be asked for again.
const GRACE: Duration = Duration::from_secs(10);
/// More would give a thief the time that the grace gives a browser.
const GRACE_MOST: Duration = Duration::from_secs(60);
impl RefreshTokens {
    /// Starts with the issuer of the access tokens, whose clock is used for all, and a store in memory.
    pub fn builder(issuer: TokenIssuer) -> RefreshTokensBuilder {
        let store = MemoryRefreshStore::new().shared_clock(issuer.clock().clone());
        let lifetimes = Lifetimes { idle: IDLE, absolute: ABSOLUTE, grace: GRACE };
        RefreshTokensBuilder { tokens: Self { issuer, store, revocation: None, lifetimes } }
    }
}

/// Builds [`RefreshTokens`]; see there for an example.
#[must_use]
#[derive(Debug)]
pub struct RefreshTokensBuilder<R = MemoryRefreshStore> {
    tokens: RefreshTokens<R>,
}

impl<R> RefreshTokensBuilder<R> {
    /// Where the families are kept: in memory unless told otherwise.
    pub fn store<Q: RefreshStore>(self, store: Q) -> RefreshTokensBuilder<Q> {
        let RefreshTokens { issuer, revocation, lifetimes, .. } = self.tokens;
        RefreshTokensBuilder { tokens: RefreshTokens { issuer, store, revocation, lifetimes } }
    }

    /// Ends the access tokens of a session together with it: the list that the verifier asks. Without one they work until they expire.
    pub fn revocation(mut self, revocation: impl RevokeSession) -> Self {
        self.tokens.revocation = Some(Arc::new(revocation));
        self
    }

    /// How long a session lives without a refresh: 7 days unless told otherwise.
    pub fn idle_lifetime(mut self, lifetime: Duration) -> Self {
        self.tokens.lifetimes.idle = lifetime;
        self
    }

    /// How long a session lives, however often it is refreshed: 30 days unless told otherwise.
    pub fn absolute_lifetime(mut self, lifetime: Duration) -> Self {
        self.tokens.lifetimes.absolute = lifetime;
        self
    }

    /// How long after its exchange a token is answered once more, with the same new one: 10 seconds unless told otherwise, a minute at most.
    /// With none, two tabs that refresh at once log the user out.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.tokens.lifetimes.grace = grace;
        self
    }

    /// The refresh tokens.
    ///
    /// # Errors
    ///
    /// [`SessionTooShort`](ConfigErrorKind::SessionTooShort) for a session that lives shorter than its access tokens,
    /// [`GraceTooLong`](ConfigErrorKind::GraceTooLong).
    pub fn build(self) -> Result<RefreshTokens<R>, ConfigError> {
        let Lifetimes { idle, absolute, grace } = self.tokens.lifetimes;
        if idle.min(absolute) < self.tokens.issuer.lifetime() {
            return Err(ConfigErrorKind::SessionTooShort.into());
        }
        if grace > GRACE_MOST {
            return Err(ConfigErrorKind::GraceTooLong.into());
        }
        Ok(self.tokens)
    }
}
