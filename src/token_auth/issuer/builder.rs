use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    key::SigningKey,
    key_ring::{KeyRing, RingKey},
    token_issuer::{Inner, TokenIssuer},
};
use crate::{
    Clock,
    core::SharedClock,
    token_auth::{
        crypto::Crypto,
        error::{ConfigError, ConfigErrorKind},
    },
};

/// A quarter of an hour: short enough that a token need hardly ever be revoked.
const LIFETIME: Duration = Duration::from_secs(900);
/// Seldom enough for those who ask, and a new key need not wait for long.
const JWKS_MAX_AGE: Duration = Duration::from_secs(300);

/// Builds a [`TokenIssuer`]; see there for an example.
#[must_use]
#[derive(Debug)]
pub struct TokenIssuerBuilder {
    key: SigningKey,
    next_keys: Vec<(SigningKey, SystemTime)>,
    issuer: Option<Box<str>>,
    audiences: Vec<Box<str>>,
    client_id: Option<Box<str>>,
    lifetime: Duration,
    jwks_max_age: Duration,
    crypto: Option<Crypto>,
    clock: SharedClock,
}

impl TokenIssuer {
    /// Starts an issuer with its key.
    pub fn builder(key: SigningKey) -> TokenIssuerBuilder {
        TokenIssuerBuilder {
            key,
            next_keys: Vec::new(),
            issuer: None,
            audiences: Vec::new(),
            client_id: None,
            lifetime: LIFETIME,
            jwks_max_age: JWKS_MAX_AGE,
            crypto: None,
            clock: SharedClock::default(),
        }
    }
}

impl TokenIssuerBuilder {
    /// Adds a key that takes over at the given time; until then it is published, and verifies. Its time may have come already: a program that
    /// is started again lists the key that it had before, and this one, and goes on where it was.
    pub fn next_key(mut self, key: SigningKey, signs_from: SystemTime) -> Self {
        self.next_keys.push((key, signs_from));
        self
    }

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

    /// Issues in the profile of [RFC 9068](https://www.rfc-editor.org/rfc/rfc9068), which other vendors' resource servers may insist on: the
    /// header's `typ` is `at+jwt` (§2.1), and the token has a `client_id` (§2.2), this one.
    ///
    /// [`verifier`](TokenIssuer::verifier) takes no other type then.
    pub fn access_token_profile(mut self, client_id: impl Into<Box<str>>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// How long a token lives, in whole seconds: 15 minutes unless told otherwise.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Duration::from_secs(lifetime.as_secs());
        self
    }

    /// How long others may keep the published keys, in whole seconds: 5 minutes unless told otherwise. A new key waits twice as long before it
    /// signs.
    pub fn jwks_max_age(mut self, max_age: Duration) -> Self {
        self.jwks_max_age = Duration::from_secs(max_age.as_secs());
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

    /// The issuer. It signs once with each key to see that it works.
    ///
    /// # Errors
    ///
    /// If the [crypto](Crypto) is missing or ambiguous, a key does not work or not beside the others, no issuer or audience was given, or the
    /// lifetime is shorter than a second: see [`ConfigErrorKind`].
    pub fn build(self) -> Result<TokenIssuer, ConfigError> {
        let crypto = Crypto::resolve(self.crypto)?;
        let issuer = self.issuer.ok_or(ConfigErrorKind::IssuerMissing)?;
        if self.audiences.is_empty() {
            return Err(ConfigErrorKind::AudienceMissing.into());
        }
        if self.lifetime.is_zero() {
            return Err(ConfigErrorKind::LifetimeTooShort.into());
        }
        let typ = if self.client_id.is_some() { "at+jwt" } else { "JWT" };
        let first = RingKey::new(self.key, typ, UNIX_EPOCH, crypto)?;
        let others = self.next_keys.into_iter().map(|(key, signs_from)| RingKey::new(key, typ, signs_from, crypto));
        Ok(TokenIssuer(Arc::new(Inner {
            keys: KeyRing::new(first, others.collect::<Result<_, _>>()?, self.lifetime)?,
            typ,
            issuer,
            audiences: self.audiences.into_boxed_slice(),
            client_id: self.client_id,
            lifetime: self.lifetime,
            jwks_max_age: self.jwks_max_age,
            crypto,
            clock: self.clock,
        })))
    }
}
