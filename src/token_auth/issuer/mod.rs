//! Issuing: what [`JwtVerifier`](super::JwtVerifier) verifies, for an application that is its own issuer.

mod error;
mod key;
mod login;
mod token;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

pub use self::{
    error::{IssueError, IssueErrorKind},
    key::SigningKey,
    login::{Authenticate, Credentials, LoginError, LoginErrorKind},
    token::{Grant, IssuedToken},
};
use super::{
    crypto::Crypto,
    error::{ConfigError, ConfigErrorKind},
    jwt::{JwtVerifier, JwtVerifierBuilder, keys::VerifyingKey},
    scope,
};
use crate::{Clock, core::SharedClock};

/// A quarter of an hour: short enough that a token need hardly ever be revoked.
const LIFETIME: Duration = Duration::from_secs(900);

/// Signs tokens.
///
/// Each has `iss`, `sub`, `aud`, `iat`, `nbf`, `exp`, a random `jti`, `scope` if it grants any, and the claims of your own. Cloning is a
/// reference count.
///
/// ```
/// use std::time::Duration;
/// use donjon::token_auth::{Algorithm, Crypto, Grant, SigningKey, TokenIssuer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let secret = [7; 32];
/// # let Some(crypto) = Crypto::compiled().first() else { return Ok(()) };
/// let issuer = TokenIssuer::builder(SigningKey::from_secret(Algorithm::Hs256, &secret)?)
///     .issuer("https://app.example")
///     .audience("https://app.example/api")
///     .lifetime(Duration::from_secs(600))
/// #   .crypto(*crypto)
///     .build()?;
/// let token = issuer.issue(&Grant::new("alice").scopes(["articles:read"]))?;
/// assert_eq!(token.lifetime().as_secs(), 600);
///
/// // And what takes it:
/// let verifier = issuer.verifier().build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TokenIssuer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    key: SigningKey,
    verifying_key: VerifyingKey,
    /// The header never changes.
    header: String,
    issuer: Box<str>,
    audiences: Box<[Box<str>]>,
    lifetime: Duration,
    crypto: Crypto,
    clock: SharedClock,
}

impl TokenIssuer {
    /// Starts an issuer with its key.
    pub fn builder(key: SigningKey) -> TokenIssuerBuilder {
        TokenIssuerBuilder {
            key,
            issuer: None,
            audiences: Vec::new(),
            lifetime: LIFETIME,
            crypto: None,
            clock: SharedClock::default(),
        }
    }

    /// Issues a token.
    ///
    /// # Errors
    ///
    /// If a scope is not one, the time is out of range, or the system gives no randomness or no signature: see [`IssueErrorKind`].
    pub fn issue(&self, grant: &Grant) -> Result<IssuedToken, IssueError> {
        let this = &*self.0;
        if !grant.scopes.iter().all(|scope| scope::is_scope(scope)) {
            return Err(IssueErrorKind::ScopeInvalid.into());
        }
        let scope = (!grant.scopes.is_empty()).then(|| grant.scopes.join(" "));
        let (issued_at, ends) = times(this.clock.now(), this.lifetime).ok_or(IssueErrorKind::TimeOutOfRange)?;
        let id = random_id()?;
        let claims = self.claims(grant, (issued_at, ends), &id, scope.as_deref());

        let mut token = format!("{}.", this.header);
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
        let signature = this
            .key
            .sign(this.crypto, token.as_bytes())
            .map_err(|error| IssueError::because(IssueErrorKind::SigningFailed, error))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        let expires_at = UNIX_EPOCH + Duration::from_secs(ends);
        Ok(IssuedToken { access_token: token, id, scope, lifetime: this.lifetime, expires_at })
    }

    fn claims(&self, grant: &Grant, (issued_at, ends): (u64, u64), id: &str, scope: Option<&str>) -> Value {
        let this = &*self.0;
        let audience = match &*this.audiences {
            [one] => Value::from(&**one),
            several => several.iter().map(|audience| Value::from(&**audience)).collect(),
        };
        let mut claims = Map::from_iter([
            ("iss".to_owned(), Value::from(&*this.issuer)),
            ("sub".to_owned(), Value::from(&*grant.subject)),
            ("aud".to_owned(), audience),
            ("iat".to_owned(), Value::from(issued_at)),
            ("nbf".to_owned(), Value::from(issued_at)),
            ("exp".to_owned(), Value::from(ends)),
            ("jti".to_owned(), Value::from(id)),
        ]);
        if let Some(scope) = scope {
            claims.insert("scope".to_owned(), Value::from(scope));
        }
        claims.extend(grant.claims.iter().map(|(name, value)| (name.clone(), value.clone())));
        Value::Object(claims)
    }

    /// A verifier of what this issues: the same key (or its public half), issuer, audiences, cryptography and clock, and no leeway, since there
    /// is only one clock. Anything may still be changed.
    pub fn verifier(&self) -> JwtVerifierBuilder {
        let this = &*self.0;
        let builder = JwtVerifier::builder(this.verifying_key.clone())
            .issuer(this.issuer.clone())
            .crypto(this.crypto)
            .leeway(Duration::ZERO)
            .shared_clock(this.clock.clone());
        this.audiences.iter().fold(builder, |builder, audience| builder.audience(audience.clone()))
    }

    /// Asks `users` whose the credentials are, and issues what it grants.
    ///
    /// Limit how often a name and an address may try: that is not done here.
    ///
    /// # Errors
    ///
    /// What `users` says, or [`NotIssued`](LoginErrorKind::NotIssued).
    pub async fn login(&self, users: &impl Authenticate, credentials: Credentials) -> Result<IssuedToken, LoginError> {
        let grant = users.authenticate(credentials).await?;
        Ok(self.issue(&grant)?)
    }

    /// The key that checks its signatures, for another service's [`KeySet`](super::KeySet).
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.0.verifying_key
    }
}

/// `iat` and `exp`, in whole seconds.
fn times(now: SystemTime, lifetime: Duration) -> Option<(u64, u64)> {
    /// The end of the year 9999, beyond which no verifier of ours believes a time.
    const LAST_SECOND: u64 = 253_402_300_799;
    let issued_at = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let ends = issued_at.checked_add(lifetime.as_secs())?;
    (ends <= LAST_SECOND).then_some((issued_at, ends))
}

/// 128 random bits: no two are alike, and none can be guessed.
fn random_id() -> Result<String, IssueError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| IssueError::because(IssueErrorKind::RandomnessUnavailable, error))?;
    Ok(URL_SAFE_NO_PAD.encode(id))
}

/// Builds a [`TokenIssuer`]; see there for an example.
#[must_use]
#[derive(Debug)]
pub struct TokenIssuerBuilder {
    key: SigningKey,
    issuer: Option<Box<str>>,
    audiences: Vec<Box<str>>,
    lifetime: Duration,
    crypto: Option<Crypto>,
    clock: SharedClock,
}

impl TokenIssuerBuilder {
    /// The `iss` of every token, a URL of yours. Required.
    pub fn issuer(mut self, issuer: impl Into<Box<str>>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// The `aud` of every token: the service that it is for. Required; called again, it adds one.
    pub fn audience(mut self, audience: impl Into<Box<str>>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// How long a token lives, in whole seconds: 15 minutes unless told otherwise.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Duration::from_secs(lifetime.as_secs());
        self
    }

    /// Which cryptography to use; needed if more than one is compiled in.
    pub fn crypto(mut self, crypto: Crypto) -> Self {
        self.crypto = Some(crypto);
        self
    }

    /// Where to read the time.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = SharedClock::new(clock);
        self
    }

    /// The issuer. It signs once to see that the key works.
    ///
    /// # Errors
    ///
    /// If the [crypto](Crypto) is missing or ambiguous, the key does not work, no issuer or audience was given, or the lifetime is shorter than
    /// a second: see [`ConfigErrorKind`].
    pub fn build(self) -> Result<TokenIssuer, ConfigError> {
        let crypto = Crypto::resolve(self.crypto)?;
        let issuer = self.issuer.ok_or(ConfigErrorKind::IssuerMissing)?;
        if self.audiences.is_empty() {
            return Err(ConfigErrorKind::AudienceMissing.into());
        }
        if self.lifetime.is_zero() {
            return Err(ConfigErrorKind::LifetimeTooShort.into());
        }
        let verifying_key = self.key.verifying_key(crypto)?;
        self.key.sign(crypto, b"").map_err(|error| ConfigError::because(ConfigErrorKind::KeyFormat, error))?;
        Ok(TokenIssuer(Arc::new(Inner {
            header: header(&self.key),
            key: self.key,
            verifying_key,
            issuer,
            audiences: self.audiences.into_boxed_slice(),
            lifetime: self.lifetime,
            crypto,
            clock: self.clock,
        })))
    }
}

fn header(key: &SigningKey) -> String {
    let mut header =
        Map::from_iter([("alg".to_owned(), Value::from(key.algorithm().as_str())), ("typ".to_owned(), Value::from("JWT"))]);
    if let Some(kid) = key.kid() {
        header.insert("kid".to_owned(), Value::from(kid));
    }
    URL_SAFE_NO_PAD.encode(Value::Object(header).to_string())
}
