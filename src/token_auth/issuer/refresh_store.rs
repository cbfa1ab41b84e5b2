use std::{error::Error, future::Future, sync::Arc};

use super::{family::RefreshFamily, refresh_token::SessionId};

/// Keeps the families of refresh tokens.
///
/// [`MemoryRefreshStore`](super::MemoryRefreshStore) is one, for a single process. Several processes share one in a database; all it has to
/// promise is that [`replace`](Self::replace) compares and writes in one step: on Redis by a script of four lines, on SQL by
/// `UPDATE ... WHERE session = ? AND version = ?`. Everything else, from hashing to the detection of reuse, is done by
/// [`RefreshTokens`](super::RefreshTokens) on top of that.
///
/// A family may be forgotten once it [has expired](RefreshFamily::expires_at). What must not happen is that one comes back after its removal,
/// from a replica that lags or from a backup: it would bring a session back that was logged out.
pub trait RefreshStore: Send + Sync + 'static {
    /// Why the store could not answer. The client learns only that it could not.
    type Error: Into<Box<dyn Error + Send + Sync>>;

    /// Keeps a new family.
    ///
    /// # Errors
    ///
    /// If it cannot be kept. The login is then refused with 503.
    fn insert(&self, session: SessionId, family: RefreshFamily) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// The family as it is now: not from a replica that may lag.
    ///
    /// # Errors
    ///
    /// If nobody can tell now.
    fn find(&self, session: &SessionId) -> impl Future<Output = Result<Option<RefreshFamily>, Self::Error>> + Send;

    /// Puts `next` in the family's place if there is one and its version is still `version`, in one step.
    ///
    /// # Errors
    ///
    /// If it is not certain that it was done.
    fn replace(
        &self,
        session: &SessionId,
        version: u64,
        next: RefreshFamily,
    ) -> impl Future<Output = Result<Replaced, Self::Error>> + Send;

    /// Forgets the family, whether there was one or not.
    ///
    /// # Errors
    ///
    /// If it is not certain that it was done.
    fn remove(&self, session: &SessionId) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// The sessions of a subject whose families are kept. They are revoked before they are forgotten.
    ///
    /// # Errors
    ///
    /// If nobody can tell now.
    fn sessions(&self, subject: &str) -> impl Future<Output = Result<Vec<SessionId>, Self::Error>> + Send;

    /// Forgets all families of a subject, and says which they were.
    ///
    /// # Errors
    ///
    /// If it is not certain that it was done.
    fn remove_subject(&self, subject: &str) -> impl Future<Output = Result<Vec<SessionId>, Self::Error>> + Send;
}

/// What became of [`RefreshStore::replace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a compare-and-swap has no third outcome")]
pub enum Replaced {
    /// It was done.
    Done,
    /// Somebody else was there first: the family has another version, or is gone.
    Outdated,
}

impl<R: RefreshStore> RefreshStore for Arc<R> {
    type Error = R::Error;

    async fn insert(&self, session: SessionId, family: RefreshFamily) -> Result<(), R::Error> {
        R::insert(self, session, family).await
    }

    async fn find(&self, session: &SessionId) -> Result<Option<RefreshFamily>, R::Error> {
        R::find(self, session).await
    }

    async fn replace(&self, session: &SessionId, version: u64, next: RefreshFamily) -> Result<Replaced, R::Error> {
        R::replace(self, session, version, next).await
    }

    async fn remove(&self, session: &SessionId) -> Result<(), R::Error> {
        R::remove(self, session).await
    }

    async fn sessions(&self, subject: &str) -> Result<Vec<SessionId>, R::Error> {
        R::sessions(self, subject).await
    }

    async fn remove_subject(&self, subject: &str) -> Result<Vec<SessionId>, R::Error> {
        R::remove_subject(self, subject).await
    }
}
