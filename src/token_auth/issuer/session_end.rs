use std::{error::Error, sync::Arc, time::SystemTime};

use super::refresh_token::SessionId;
use crate::token_auth::revocation::RevocationList;

/// Ends the access tokens of a session before their time.
///
/// [`RevocationList`] does, for the verifiers that [ask it](crate::token_auth::JwtVerifierBuilder::revocation). Where several processes verify,
/// let the removal of a family from the shared [`RefreshStore`](super::RefreshStore) tell all of them.
pub trait RevokeSession: Send + Sync + 'static {
    /// Refuses, from now on, the tokens whose `sid` is the session; the last of them ends at `expires_at`.
    ///
    /// # Errors
    ///
    /// If that cannot be promised. A logout is then answered with 503, for the client to try again.
    fn revoke_session(&self, session: &SessionId, expires_at: SystemTime) -> Result<(), Box<dyn Error + Send + Sync>>;
}

impl RevokeSession for RevocationList {
    fn revoke_session(&self, session: &SessionId, expires_at: SystemTime) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(Self::revoke_session(self, session.as_str(), expires_at)?)
    }
}

impl<R: RevokeSession + ?Sized> RevokeSession for Arc<R> {
    fn revoke_session(&self, session: &SessionId, expires_at: SystemTime) -> Result<(), Box<dyn Error + Send + Sync>> {
        R::revoke_session(self, session, expires_at)
    }
}
