use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value};

use super::{
    error::{IssueError, IssueErrorKind},
    refresh_token::SessionId,
};

/// The claims that the issuer writes itself, and `scp`, which a verifier reads beside `scope`.
const RESERVED: [&str; 11] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "scp", "sid", "client_id"];

pub(super) fn has_reserved(claims: &Map<String, Value>) -> bool {
    claims.keys().any(|name| RESERVED.contains(&name.as_str()))
}

/// What a token shall say: whose it is, what it allows, and claims of your own.
///
/// ```
/// use donjon::token_auth::Grant;
/// use serde_json::json;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let grant = Grant::new("alice").scopes(["articles:read"]).claims(&json!({ "name": "Alice" }))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct Grant {
    pub(super) subject: Box<str>,
    pub(super) scopes: Vec<Box<str>>,
    pub(super) claims: Map<String, Value>,
}

impl Grant {
    /// A token for `subject`, its `sub`: an identifier that is never given to somebody else later, so rather a number than a name.
    #[must_use]
    pub fn new(subject: impl Into<Box<str>>) -> Self {
        Self { subject: subject.into(), scopes: Vec::new(), claims: Map::new() }
    }

    /// Whose the token is, its `sub`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Adds scopes ([RFC 6749 §3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)).
    #[must_use]
    pub fn scopes<I>(mut self, scopes: I) -> Self
    where
        I: IntoIterator<Item: Into<Box<str>>>,
    {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Adds the members of anything that serialises to an object. A member of the same name as an earlier one replaces it.
    ///
    /// A token is signed, not encrypted: whoever holds it reads its claims.
    ///
    /// # Errors
    ///
    /// [`ClaimsInvalid`](IssueErrorKind::ClaimsInvalid) if it is not an object, [`ClaimReserved`](IssueErrorKind::ClaimReserved) if it has
    /// one of the claims that are the issuer's: `iss`, `sub`, `aud`, `exp`, `nbf`, `iat`, `jti`, `scope`, `scp`, `sid`, `client_id`.
    pub fn claims<T: Serialize + ?Sized>(mut self, claims: &T) -> Result<Self, IssueError> {
        let claims = serde_json::to_value(claims).map_err(|error| IssueError::because(IssueErrorKind::ClaimsInvalid, error))?;
        let Value::Object(claims) = claims else { return Err(IssueErrorKind::ClaimsInvalid.into()) };
        if has_reserved(&claims) {
            return Err(IssueErrorKind::ClaimReserved.into());
        }
        self.claims.extend(claims);
        Ok(self)
    }
}

/// Shows whose it is and what it allows, not what else it says.
impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("subject", &self.subject).field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

/// A token, fresh from the issuer.
///
/// It serialises to the response of a token endpoint ([RFC 6749 §5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)), which must be
/// sent with `Cache-Control: no-store`:
///
/// ```json
/// {"access_token":"eyJ...","token_type":"Bearer","expires_in":900,"scope":"articles:read"}
/// ```
#[derive(Clone)]
pub struct IssuedToken {
    pub(super) access_token: String,
    pub(super) id: String,
    pub(super) scope: Option<String>,
    pub(super) lifetime: Duration,
    pub(super) expires_at: SystemTime,
}

impl IssuedToken {
    /// The token.
    #[must_use]
    pub fn access_token(&self) -> &str {
        &self.access_token
    }

    /// Its `jti`, unique to it and no secret: what a log or a list of revoked tokens holds.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The scopes that it grants, separated by spaces; `None` if there are none.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// How long it lives.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// When it ends, its `exp`.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

impl Serialize for IssuedToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        token_response(self, None, serializer)
    }
}

fn token_response<S: Serializer>(access: &IssuedToken, refresh_token: Option<&str>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("access_token", &access.access_token)?;
    map.serialize_entry("token_type", "Bearer")?;
    map.serialize_entry("expires_in", &access.lifetime.as_secs())?;
    for (name, value) in [("refresh_token", refresh_token), ("scope", access.scope())] {
        if let Some(value) = value {
            map.serialize_entry(name, value)?;
        }
    }
    map.end()
}

/// Hides the token.
impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken").field("id", &self.id).field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// An access token, and the refresh token to get the next one with: from [`RefreshTokens`](super::RefreshTokens).
///
/// It serialises to the response of a token endpoint, as [`IssuedToken`] does, with the member `refresh_token`.
#[derive(Clone)]
pub struct TokenPair {
    pub(super) access: IssuedToken,
    pub(super) refresh_token: String,
    pub(super) session: SessionId,
}

impl TokenPair {
    /// The access token.
    #[must_use]
    pub fn access(&self) -> &IssuedToken {
        &self.access
    }

    /// The refresh token: 86 characters of base64url.
    #[must_use]
    pub fn refresh_token(&self) -> &str {
        &self.refresh_token
    }

    /// The session that both belong to, the `sid` of the access token.
    #[must_use]
    pub fn session(&self) -> &SessionId {
        &self.session
    }
}

impl Serialize for TokenPair {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        token_response(&self.access, Some(&self.refresh_token), serializer)
    }
}

/// Hides both tokens.
impl fmt::Debug for TokenPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenPair").field("access", &self.access).field("session", &self.session).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_of_ones_own() {
        let grant = Grant::new("alice").claims(&json!({"a": 1, "b": 2})).unwrap().claims(&json!({"b": 3})).unwrap();
        assert_eq!(Value::Object(grant.claims), json!({"a": 1, "b": 3}));
        for name in RESERVED {
            let error = Grant::new("alice").claims(&json!({ name: "forged" })).unwrap_err();
            assert_eq!(error.kind(), IssueErrorKind::ClaimReserved, "{name}");
        }
        for (name, claims) in [("text", json!("x")), ("list", json!([1])), ("null", json!(null))] {
            assert_eq!(Grant::new("alice").claims(&claims).unwrap_err().kind(), IssueErrorKind::ClaimsInvalid, "{name}");
        }
    }

    #[test]
    fn what_is_printed_holds_no_token() {
        let token = IssuedToken {
            access_token: "secret".into(),
            id: "id".into(),
            scope: None,
            lifetime: Duration::from_secs(900),
            expires_at: SystemTime::UNIX_EPOCH,
        };
        assert!(!format!("{token:?}").contains("secret"));
        assert_eq!(serde_json::to_string(&token).unwrap(), r#"{"access_token":"secret","token_type":"Bearer","expires_in":900}"#);

        let session = SessionId::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap();
        let access = IssuedToken { scope: Some("a b".into()), ..token };
        let pair = TokenPair { access, refresh_token: "secret too".into(), session };
        assert!(!format!("{pair:?}").contains("secret"));
        let json =
            r#"{"access_token":"secret","token_type":"Bearer","expires_in":900,"refresh_token":"secret too","scope":"a b"}"#;
        assert_eq!(serde_json::to_string(&pair).unwrap(), json);
    }
}
