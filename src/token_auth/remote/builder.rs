use std::time::Duration;

use super::{
    fetch::{Client, Fetch},
    https::HttpsClient,
    keys::{Place, RemoteKeys},
    schedule::Timing,
};
use crate::{
    Clock,
    core::SharedClock,
    token_auth::{
        crypto::Crypto,
        error::{ConfigError, ConfigErrorKind},
        url::{self, Transport},
    },
};

const TIMEOUT: Duration = Duration::from_secs(5);
const LIFETIME: Duration = Duration::from_secs(600);
const STALE: Duration = Duration::from_secs(3600);
const COOLDOWN: Duration = Duration::from_secs(30);
const LEAST: Duration = Duration::from_secs(1);

/// Builds [`RemoteKeys`]; see there for an example.
#[must_use]
pub struct RemoteKeysBuilder {
    place: Named,
    client: Option<Client>,
    crypto: Option<Crypto>,
    transport: Transport,
    timeout: Duration,
    timing: Timing,
    clock: SharedClock,
}

enum Named {
    Jwks(String),
    Issuer(String),
}

impl RemoteKeys {
    /// Keys from the URL of a JSON Web Key Set ([RFC 7517 §5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).
    ///
    /// Whose they are is not known by it: give the verifier its [`issuer`](crate::token_auth::JwtVerifierBuilder::issuer).
    pub fn jwks(url: impl Into<String>) -> RemoteKeysBuilder {
        RemoteKeysBuilder::new(Named::Jwks(url.into()))
    }

    /// Keys of an issuer, found by its metadata: those of
    /// [OpenID Connect Discovery](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig) or, where there are none, of
    /// [RFC 8414](https://www.rfc-editor.org/rfc/rfc8414#section-3).
    ///
    /// `issuer` is the URL exactly as the provider writes it, in its metadata and in `iss`: `https://login.example` is another issuer than
    /// `https://login.example/`. A verifier with these keys takes tokens of no other.
    pub fn discover(issuer: impl Into<String>) -> RemoteKeysBuilder {
        RemoteKeysBuilder::new(Named::Issuer(issuer.into()))
    }
}

impl RemoteKeysBuilder {
    fn new(place: Named) -> Self {
        let timing = Timing { lifetime: LIFETIME, stale: STALE, cooldown: COOLDOWN };
        Self {
            place,
            client: None,
            crypto: None,
            transport: Transport::Https,
            timeout: TIMEOUT,
            timing,
            clock: SharedClock::default(),
        }
    }

    /// Fetches by a client of your own; an [`HttpsClient`] otherwise.
    pub fn client(mut self, client: impl Fetch) -> Self {
        self.client = Some(Client::new(client));
        self
    }

    /// Which cryptography the [`HttpsClient`] is to use; needed if more than one is compiled in.
    pub fn crypto(mut self, crypto: Crypto) -> Self {
        self.crypto = Some(crypto);
        self
    }

    /// Takes `http` URLs, too, for a provider on the same machine. Whoever stands between hands out the keys that tokens are checked with.
    pub fn dangerous_allow_http(mut self) -> Self {
        self.transport = Transport::AlsoHttp;
        self
    }

    /// How long one fetch may take, metadata included: 5 seconds unless told otherwise. It is also the longest that a request waits whose key
    /// is not there, once for a fetch that it finds under way and once for its own.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How old the keys may become while the provider answers: 10 minutes unless told otherwise. So long a key that the provider has withdrawn
    /// may still be taken. They are fetched anew when three quarters of it are over; a shorter `max-age` of the provider counts, down to the
    /// [`cooldown`](Self::cooldown).
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.timing.lifetime = lifetime;
        self
    }

    /// How much longer they are used while the provider does not answer: an hour unless told otherwise. Then requests are refused with 503.
    pub fn stale(mut self, stale: Duration) -> Self {
        self.timing.stale = stale;
        self
    }

    /// How often unknown keys may cause a fetch: every 30 seconds unless told otherwise.
    pub fn cooldown(mut self, cooldown: Duration) -> Self {
        self.timing.cooldown = cooldown;
        self
    }

    /// Where to read the time; the verifier's should be the same.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = SharedClock::new(clock);
        self
    }

    /// The keys. Nothing is fetched yet: see [`RemoteKeys::refresh`].
    ///
    /// # Errors
    ///
    /// [`UrlInvalid`](ConfigErrorKind::UrlInvalid), [`UrlInsecure`](ConfigErrorKind::UrlInsecure),
    /// [`LifetimeTooShort`](ConfigErrorKind::LifetimeTooShort) for a lifetime, cooldown or timeout of less than a second, and those of
    /// [`HttpsClientBuilder::build`](super::HttpsClientBuilder::build).
    pub fn build(self) -> Result<RemoteKeys, ConfigError> {
        if self.timing.lifetime < LEAST || self.timing.cooldown < LEAST || self.timeout < LEAST {
            return Err(ConfigErrorKind::LifetimeTooShort.into());
        }
        let place = match self.place {
            Named::Jwks(text) => Place::Jwks(url::read(&text, self.transport)?),
            Named::Issuer(text) => Place::Issuer { url: url::read(&text, self.transport)?, name: text.into() },
        };
        let client = client_or_default(self.client, self.crypto, self.transport)?;
        Ok(RemoteKeys::new(place, (client, self.transport), (self.timeout, self.timing), self.clock))
    }
}

/// The client given, or one of our own.
pub(super) fn client_or_default(
    client: Option<Client>,
    crypto: Option<Crypto>,
    transport: Transport,
) -> Result<Client, ConfigError> {
    match client {
        Some(client) => Ok(client),
        None => Ok(Client::new(HttpsClient::builder().maybe_crypto(crypto).transport(transport).build()?)),
    }
}

impl std::fmt::Debug for RemoteKeysBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteKeysBuilder").field("timeout", &self.timeout).field("timing", &self.timing).finish_non_exhaustive()
    }
}
