use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    error::{IssueError, IssueErrorKind},
    key::SigningKey,
    key_ring::{KeyRing, RingKey},
    login::{Authenticate, Credentials, LoginError},
    refresh_token::SessionId,
    token::{Grant, IssuedToken},
};
use crate::{
    core::{SharedClock, trace::event},
    token_auth::{
        crypto::Crypto,
        error::ConfigError,
        jwt::{
            JwtVerifier, JwtVerifierBuilder,
            key_set::KeySet,
            key_source::{KeySource, Keys, LiveKeys, Renewal},
        },
        scope,
    },
};

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
///
/// # Changing the key
///
/// Keys are changed without anybody noticing: [`rotate`](Self::rotate) publishes the new one at once, lets it sign when all who keep the
/// published keys have had time to see it, and keeps the old one published until the last of its tokens has expired. Nothing runs in
/// the background: which key signs is read off the clock. Several processes stay in step if each is told the same keys and times, at
/// start by [`next_key`](super::TokenIssuerBuilder::next_key) or later by [`rotate_at`](Self::rotate_at).
///
/// A stolen key is another matter: [`rotate_at`](Self::rotate_at) this moment, then [`withdraw`](Self::withdraw) the old one, and all of its
/// tokens are refused by the next request.
#[derive(Clone, Debug)]
pub struct TokenIssuer(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) keys: KeyRing,
    /// The `typ` of every token.
    pub(super) typ: &'static str,
    pub(super) issuer: Box<str>,
    pub(super) audiences: Box<[Box<str>]>,
    pub(super) client_id: Option<Box<str>>,
    pub(super) lifetime: Duration,
    pub(super) jwks_max_age: Duration,
    pub(super) crypto: Crypto,
    pub(super) clock: SharedClock,
}

impl TokenIssuer {
    /// Issues a token.
    ///
    /// # Errors
    ///
    /// If a scope is not one, the time is out of range, or the system gives no randomness or no signature: see [`IssueErrorKind`].
    pub fn issue(&self, grant: &Grant) -> Result<IssuedToken, IssueError> {
        self.issue_in(grant, None)
    }

    /// Issues a token of a session.
    pub(super) fn issue_in(&self, grant: &Grant, session: Option<&SessionId>) -> Result<IssuedToken, IssueError> {
        let this = &*self.0;
        if !grant.scopes.iter().all(|scope| scope::is_scope(scope)) {
            return Err(IssueErrorKind::ScopeInvalid.into());
        }
        let scope = (!grant.scopes.is_empty()).then(|| grant.scopes.join(" "));
        let now = this.clock.now();
        let (issued_at, ends) = times(now, this.lifetime).ok_or(IssueErrorKind::TimeOutOfRange)?;
        let id = random_id()?;
        let mut claims = this.claims(grant, (issued_at, ends), &id, scope.as_deref());
        if let Some(session) = session {
            claims.insert("sid".to_owned(), Value::from(session.as_str()));
        }

        let key = this.keys.signer(now).ok_or(IssueErrorKind::SigningFailed)?;
        let mut token = format!("{}.", key.header);
        URL_SAFE_NO_PAD.encode_string(Value::Object(claims).to_string(), &mut token);
        let signature = key
            .signing
            .sign(this.crypto, token.as_bytes())
            .map_err(|error| IssueError::because(IssueErrorKind::SigningFailed, error))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        let expires_at = UNIX_EPOCH + Duration::from_secs(ends);
        Ok(IssuedToken { access_token: token, id, scope, lifetime: this.lifetime, expires_at })
    }

    /// A verifier of what this issues, now and after a [change of keys](#changing-the-key): the same keys (or their public halves), issuer,
    /// audiences, type, cryptography and clock, and no leeway, since there is only one clock. Anything may still be changed.
    pub fn verifier(&self) -> JwtVerifierBuilder {
        let this = &*self.0;
        let builder = JwtVerifier::builder(self.keys())
            .issuer(this.issuer.clone())
            .crypto(this.crypto)
            .leeway(Duration::ZERO)
            .shared_clock(this.clock.clone());
        let builder = if this.client_id.is_some() { builder.token_type(this.typ) } else { builder };
        this.audiences.iter().fold(builder, |builder, audience| builder.audience(audience.clone()))
    }

    /// Asks `users` whose the credentials are, and issues what it grants.
    ///
    /// Limit how often a name and an address may try: that is not done here.
    ///
    /// # Errors
    ///
    /// What `users` says, or [`NotIssued`](super::LoginErrorKind::NotIssued).
    pub async fn login(&self, users: &impl Authenticate, credentials: Credentials) -> Result<IssuedToken, LoginError> {
        let grant = users.authenticate(credentials).await?;
        Ok(self.issue(&grant)?)
    }

    /// The keys that check its signatures, kept up to date: for a [`JwtVerifier`] in this process that is set up by hand.
    #[must_use]
    pub fn keys(&self) -> KeySource {
        let keys: Arc<dyn LiveKeys> = Arc::<Inner>::clone(&self.0);
        KeySource::live(keys)
    }

    /// The keys that check its signatures, as they are now. A later change does not show in it.
    #[must_use]
    pub fn key_set(&self) -> KeySet {
        KeySet::clone(&self.0.keys.verifying(self.0.clock.now()).set)
    }

    /// The public keys as a JSON Web Key Set ([RFC 7517 §5](https://www.rfc-editor.org/rfc/rfc7517#section-5)): the one that signs, those that
    /// are still needed, and those that will sign next. Each has `use`, `alg` and `kid`. Secrets are never among them: for an issuer that
    /// signs with one the set is empty.
    ///
    /// [`JwksService`](super::JwksService) serves it.
    #[must_use]
    pub fn jwks(&self) -> String {
        format!(r#"{{"keys":[{}]}}"#, self.0.keys.published(self.0.clock.now()).join(","))
    }

    /// Changes the key: publishes `key` at once, and lets it sign after twice the time that the published keys
    /// [may be kept](super::TokenIssuerBuilder::jwks_max_age). Answers when that is.
    ///
    /// # Errors
    ///
    /// As [`rotate_at`](Self::rotate_at).
    pub fn rotate(&self, key: SigningKey) -> Result<SystemTime, ConfigError> {
        let now = self.0.clock.now();
        let signs_from = now.checked_add(self.0.jwks_max_age.saturating_mul(2)).unwrap_or(now);
        self.rotate_at(key, signs_from)?;
        Ok(signs_from)
    }

    /// Publishes `key` at once, and lets it sign from the given time on; in the past means now.
    ///
    /// # Errors
    ///
    /// [`KidMissing`] if it or the one before is a secret without a name, [`KeysAmbiguous`] if its name is in use, [`KeysMixed`] if one is a
    /// secret and the other is not, or what [`build`](super::TokenIssuerBuilder::build) says of a key that does not work. Nothing has
    /// changed then.
    ///
    /// [`KidMissing`]: crate::token_auth::ConfigErrorKind::KidMissing
    /// [`KeysAmbiguous`]: crate::token_auth::ConfigErrorKind::KeysAmbiguous
    /// [`KeysMixed`]: crate::token_auth::ConfigErrorKind::KeysMixed
    pub fn rotate_at(&self, key: SigningKey, signs_from: SystemTime) -> Result<(), ConfigError> {
        let this = &*self.0;
        let now = this.clock.now();
        let key = RingKey::new(key, this.typ, signs_from.max(now), this.crypto)?;
        let kid = key.signing.kid().unwrap_or_default().to_owned();
        this.keys.add(key, now)?;
        event!(INFO, "a new key is published", kid = kid);
        Ok(())
    }

    /// Takes the key of that name away at once: it signs no more, and its tokens are refused by this process from the next request on; by
    /// others when they have seen the published keys again. If it was the one that signs, the one before takes over, or else the next.
    ///
    /// # Errors
    ///
    /// [`KeysMissing`](crate::token_auth::ConfigErrorKind::KeysMissing) if there is none of that name, or no other.
    pub fn withdraw(&self, kid: &str) -> Result<(), ConfigError> {
        self.0.keys.withdraw(kid, self.0.clock.now())?;
        event!(WARN, "a key was withdrawn", kid = kid);
        Ok(())
    }

    pub(super) fn jwks_max_age(&self) -> Duration {
        self.0.jwks_max_age
    }

    pub(super) fn clock(&self) -> &SharedClock {
        &self.0.clock
    }

    pub(super) fn lifetime(&self) -> Duration {
        self.0.lifetime
    }
}

impl Inner {
    fn claims(&self, grant: &Grant, (issued_at, ends): (u64, u64), id: &str, scope: Option<&str>) -> Map<String, Value> {
        let audience = match &*self.audiences {
            [one] => Value::from(&**one),
            several => several.iter().map(|audience| Value::from(&**audience)).collect(),
        };
        let mut claims = Map::from_iter([
            ("iss".to_owned(), Value::from(&*self.issuer)),
            ("sub".to_owned(), Value::from(&*grant.subject)),
            ("aud".to_owned(), audience),
            ("iat".to_owned(), Value::from(issued_at)),
            ("nbf".to_owned(), Value::from(issued_at)),
            ("exp".to_owned(), Value::from(ends)),
            ("jti".to_owned(), Value::from(id)),
        ]);
        for (name, value) in [("client_id", self.client_id.as_deref()), ("scope", scope)] {
            if let Some(value) = value {
                claims.insert(name.to_owned(), Value::from(value));
            }
        }
        claims.extend(grant.claims.iter().map(|(name, value)| (name.clone(), value.clone())));
        claims
    }
}

impl LiveKeys for Inner {
    fn current(&self, now: SystemTime) -> Option<Keys> {
        Some(self.keys.verifying(now))
    }

    fn generation(&self, now: SystemTime) -> u64 {
        self.keys.generation(now)
    }

    fn renew(&self, _: SystemTime) -> Renewal {
        Renewal::Current
    }

    fn issuer(&self) -> Option<&str> {
        Some(&self.issuer)
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
