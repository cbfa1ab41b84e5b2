use std::{error::Error, fmt, ops::Deref};

use serde::de::DeserializeOwned;

use super::verifier::TokenError;
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
        let raw = principal.claims::<RawClaims>().ok_or(ClaimsError { kind: ClaimsErrorKind::Absent })?;
        serde_json::from_str(&raw.0)
            .map(Self)
            // The reader's own words quote the claims.
            .map_err(|_| ClaimsError { kind: ClaimsErrorKind::Mismatch })
    }
}

impl<T> Deref for Claims<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The claims of a verified token as JSON, kept in the [`Principal`] for [`Claims`] to read.
///
/// A [`VerifyToken`](super::VerifyToken) of your own puts it there by [`PrincipalBuilder::claims`](crate::PrincipalBuilder::claims).
#[derive(Clone, PartialEq, Eq)]
pub struct RawClaims(Box<str>);

impl RawClaims {
    /// Keeps `json`, which must be an object whose members are distinct and do not nest deeper than 16.
    ///
    /// # Errors
    ///
    /// [`ClaimsMalformed`](super::TokenErrorKind::ClaimsMalformed) if it is not.
    pub fn new(json: impl Into<Box<str>>) -> Result<Self, TokenError> {
        let json = json.into();
        super::jwt::claims::read(&json)?;
        Ok(Self(json))
    }

    pub(super) fn verified(json: String) -> Self {
        Self(json.into_boxed_str())
    }

    /// The JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Hides what the token said.
impl fmt::Debug for RawClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawClaims({} bytes)", self.0.len())
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
