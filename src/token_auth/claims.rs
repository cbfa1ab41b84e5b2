use std::{
    any::Any,
    error::Error,
    fmt,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use serde::de::DeserializeOwned;

use super::{confirmation::Confirmation, verifier::TokenError};
use crate::Principal;

/// The claims of a verified token, read as a `T`.
///
/// As an axum extractor it refuses a request without a verified token with 401 and a bare challenge, and one whose claims are not a `T`
/// with 401 `invalid_token`; `Option<Claims<T>>` lets the anonymous pass. Elsewhere
/// [`from_principal`](Self::from_principal) does the same work.
///
/// The JSON is kept as it was signed, and read when a handler asks: a handler that does not ask costs nothing.
///
/// ```
/// use donjon::{Principal, token_auth::{Claims, RawClaims}};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Mine { sub: String, tenant: u32 }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let principal = Principal::builder().claims(RawClaims::new(r#"{"sub":"alice","tenant":7}"#)?).build();
/// // `principal` comes from the request's extensions.
/// let Claims(mine) = Claims::<Mine>::from_principal(&principal)?;
/// assert_eq!((mine.sub.as_str(), mine.tenant), ("alice", 7));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claims<T>(pub T);

impl<T: DeserializeOwned> Claims<T> {
    /// Reads the claims that the verifier kept with the principal.
    ///
    /// # Errors
    ///
    /// If they are not a `T`, or if the verifier kept none.
    pub fn from_principal(principal: &Principal) -> Result<Self, ClaimsError> {
        RawClaims::of(principal)?.read().map(Self)
    }
}

impl<T> Deref for Claims<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The claims of a verified token, read as a `T` once for all requests that come with the token.
///
/// As [`Claims`], but shared: while the verifier [remembers](super::TokenCache) the token, the next request finds the claims read. What is kept
/// is of the first type that was asked for; another type is read anew.
///
/// ```
/// use donjon::{Principal, token_auth::{RawClaims, SharedClaims}};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Mine { tenant: u32 }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let principal = Principal::builder().claims(RawClaims::new(r#"{"sub":"alice","tenant":7}"#)?).build();
/// let mine = SharedClaims::<Mine>::from_principal(&principal)?;
/// assert_eq!(mine.tenant, 7);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SharedClaims<T>(pub Arc<T>);

impl<T: DeserializeOwned + Send + Sync + 'static> SharedClaims<T> {
    /// The claims that the verifier kept with the principal.
    ///
    /// # Errors
    ///
    /// As [`Claims::from_principal`].
    pub fn from_principal(principal: &Principal) -> Result<Self, ClaimsError> {
        let raw = RawClaims::of(principal)?;
        if let Some(Ok(read)) = raw.read.get().map(|read| Arc::clone(read).downcast()) {
            return Ok(Self(read));
        }
        let read = Arc::new(raw.read()?);
        // If somebody else was first, theirs stays.
        let _ = raw.read.set(Arc::<T>::clone(&read));
        Ok(Self(read))
    }
}

impl<T> Clone for SharedClaims<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for SharedClaims<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The claims of a verified token as JSON, kept in the [`Principal`] for [`Claims`] to read.
///
/// A [`VerifyToken`](super::VerifyToken) of your own puts it there by [`PrincipalBuilder::claims`](crate::PrincipalBuilder::claims). Only
/// there does the layer see a `cnf` claim, by which a token is bound to its sender: a verifier that keeps other claims must refuse such
/// tokens itself.
#[derive(Clone)]
pub struct RawClaims {
    json: Box<str>,
    confirmation: Confirmation,
    /// As what they were first asked for by [`SharedClaims`].
    read: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl RawClaims {
    /// Keeps `json`, which must be an object whose members are distinct and do not nest deeper than 16.
    ///
    /// # Errors
    ///
    /// [`ClaimsMalformed`](super::TokenErrorKind::ClaimsMalformed) if it is not.
    pub fn new(json: impl Into<Box<str>>) -> Result<Self, TokenError> {
        let json = json.into();
        let confirmation = Confirmation::of(&super::jwt::claims::read(&json)?);
        Ok(Self { json, confirmation, read: OnceLock::new() })
    }

    pub(super) fn verified(json: String, confirmation: Confirmation) -> Self {
        Self { json: json.into_boxed_str(), confirmation, read: OnceLock::new() }
    }

    fn of(principal: &Principal) -> Result<&Self, ClaimsError> {
        principal.claims().ok_or(ClaimsError { kind: ClaimsErrorKind::Absent })
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T, ClaimsError> {
        // The reader's own words quote the claims.
        serde_json::from_str(&self.json).map_err(|_| ClaimsError { kind: ClaimsErrorKind::Mismatch })
    }

    pub(super) fn confirmation(&self) -> Confirmation {
        self.confirmation
    }

    /// The JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.json
    }
}

impl PartialEq for RawClaims {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl Eq for RawClaims {}

/// Hides what the token said.
impl fmt::Debug for RawClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawClaims({} bytes)", self.json.len())
    }
}

/// Claims that could not be read as the type that was asked for.
///
/// It says nothing of what the claims were.
#[derive(Debug)]
pub struct ClaimsError {
    kind: ClaimsErrorKind,
}

/// Why claims could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClaimsErrorKind {
    /// The verifier kept no [`RawClaims`].
    Absent,
    /// They are not of that type: a member is missing or of another type.
    Mismatch,
}

impl ClaimsError {
    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> ClaimsErrorKind {
        self.kind
    }
}

impl fmt::Display for ClaimsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ClaimsErrorKind::Absent => "the verifier kept no claims",
            ClaimsErrorKind::Mismatch => "the claims are not of the type asked for",
        })
    }
}

impl Error for ClaimsError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_auth::verifier::TokenErrorKind;

    #[test]
    fn claims_are_read_as_what_is_asked_for() {
        let principal = Principal::builder().claims(RawClaims::new(r#"{"n":7}"#).unwrap()).build();
        let read = Claims::<std::collections::BTreeMap<String, u8>>::from_principal(&principal).unwrap();
        assert_eq!(read.get("n"), Some(&7));
        let error = Claims::<Vec<u8>>::from_principal(&principal).unwrap_err();
        assert_eq!(error.kind(), ClaimsErrorKind::Mismatch);
    }

    #[test]
    fn shared_claims_are_read_once() {
        type Map = std::collections::BTreeMap<String, u8>;
        let principal = Principal::builder().claims(RawClaims::new(r#"{"n":7}"#).unwrap()).build();
        let shared = || SharedClaims::<Map>::from_principal(&principal).unwrap();
        assert_eq!(shared().get("n"), Some(&7));
        assert!(Arc::ptr_eq(&shared().0, &shared().0));
        let other = SharedClaims::<serde_json::Value>::from_principal(&principal).unwrap();
        assert_eq!(other["n"], 7);
        let error = SharedClaims::<Vec<u8>>::from_principal(&principal).unwrap_err();
        assert_eq!(error.kind(), ClaimsErrorKind::Mismatch);
    }

    #[test]
    fn a_principal_without_claims_has_none_to_read() {
        let error = Claims::<()>::from_principal(&Principal::builder().build()).unwrap_err();
        assert_eq!(error.kind(), ClaimsErrorKind::Absent);
    }

    #[test]
    fn only_an_object_is_a_claims_set() {
        assert_eq!(RawClaims::new("[]").unwrap_err().kind(), TokenErrorKind::ClaimsMalformed);
        assert_eq!(format!("{:?}", RawClaims::new(r#"{"secret":1}"#).unwrap()), "RawClaims(12 bytes)");
    }
}
