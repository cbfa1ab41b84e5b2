use std::{fmt, sync::Arc, time::Duration};

use super::{
    answer::Wanted,
    client_auth::ClientAuth,
    refusals::Refusals,
    verifier::{Inner, Introspection},
};
use crate::{
    Clock,
    core::SharedClock,
    token_auth::{
        cache::TokenCache,
        crypto::Crypto,
        error::ConfigError,
        jwt::{claims::audiences, parse},
        remote::{
            builder::client_or_default,
            fetch::{Client, Fetch},
        },
        url::{self, Transport},
    },
};

const TIMEOUT: Duration = Duration::from_secs(5);
const CACHE_FOR: Duration = Duration::from_secs(30);
const CACHE_REFUSALS_FOR: Duration = Duration::from_secs(10);
const MAX_ENTRIES: usize = 10_000;
const MAX_QUESTIONS: usize = 256;

/// Builds an [`Introspection`]; see there for an example.
#[must_use]
pub struct IntrospectionBuilder {
    endpoint: String,
    auth: ClientAuth,
    issuer: Option<Box<str>>,
    audiences: Vec<Box<str>>,
    any_audience: bool,
    client: Option<Client>,
    crypto: Option<Crypto>,
    transport: Transport,
    timeout: Duration,
    cache_for: Duration,
    cache_refusals_for: Duration,
    max_entries: usize,
    max_questions: usize,
    clock: SharedClock,
}

impl Introspection {
    /// Starts a verifier that asks at the URL `endpoint`.
    pub fn builder(endpoint: impl Into<String>, auth: ClientAuth) -> IntrospectionBuilder {
        IntrospectionBuilder {
            endpoint: endpoint.into(),
            auth,
            issuer: None,
            audiences: Vec::new(),
            any_audience: false,
            client: None,
            crypto: None,
            transport: Transport::Https,
            timeout: TIMEOUT,
            cache_for: CACHE_FOR,
            cache_refusals_for: CACHE_REFUSALS_FOR,
            max_entries: MAX_ENTRIES,
            max_questions: MAX_QUESTIONS,
            clock: SharedClock::default(),
        }
    }
}

impl IntrospectionBuilder {
    /// Who must have issued the token: the exact value of `iss` in the answer, which becomes required.
    pub fn issuer(mut self, issuer: impl Into<Box<str>>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Whom the token must be for: `aud` in the answer has to name it, or one of them if this is called again.
    pub fn audience(mut self, audience: impl Into<Box<str>>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Takes tokens for anybody, which is right where the authorization server calls only those active that are for who asks.
    pub fn dangerous_accept_any_audience(mut self) -> Self {
        self.any_audience = true;
        self
    }

    /// How long a good answer is kept, and a revocation may so stay unseen: 30 seconds unless told otherwise, never beyond `exp`.
    pub fn cache_for(mut self, duration: Duration) -> Self {
        self.cache_for = duration;
        self
    }

    /// How long a refusal is kept: 10 seconds unless told otherwise.
    pub fn cache_refusals_for(mut self, duration: Duration) -> Self {
        self.cache_refusals_for = duration;
        self
    }

    /// How many good answers are kept, in 16 MiB at most, and as many refusals: 10,000 unless told otherwise. With none every request asks.
    pub fn max_entries(mut self, entries: usize) -> Self {
        self.max_entries = entries;
        self
    }

    /// How many tokens are asked about at the same time: 256 unless told otherwise. Others are refused with 503.
    pub fn max_questions(mut self, questions: usize) -> Self {
        self.max_questions = questions;
        self
    }

    /// How long an answer may take: 5 seconds unless told otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Asks by a client of your own; an [`HttpsClient`](crate::token_auth::HttpsClient) otherwise.
    pub fn client(mut self, client: impl Fetch) -> Self {
        self.client = Some(Client::new(client));
        self
    }

    /// Which cryptography the [`HttpsClient`](crate::token_auth::HttpsClient) is to use; needed if more than one is compiled in.
    pub fn crypto(mut self, crypto: Crypto) -> Self {
        self.crypto = Some(crypto);
        self
    }

    /// Takes an `http` URL, too, for a server on the same machine. Whoever stands between reads tokens and the secret, and lets in whom it likes.
    pub fn dangerous_allow_http(mut self) -> Self {
        self.transport = Transport::AlsoHttp;
        self
    }

    /// Where to read the time.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = SharedClock::new(clock);
        self
    }

    /// The verifier.
    ///
    /// # Errors
    ///
    /// [`UrlInvalid`](crate::token_auth::ConfigErrorKind::UrlInvalid), [`UrlInsecure`](crate::token_auth::ConfigErrorKind::UrlInsecure),
    /// [`AudienceMissing`](crate::token_auth::ConfigErrorKind::AudienceMissing),
    /// [`AudienceAmbiguous`](crate::token_auth::ConfigErrorKind::AudienceAmbiguous),
    /// [`ClientAuthInvalid`](crate::token_auth::ConfigErrorKind::ClientAuthInvalid), and those of
    /// [`HttpsClientBuilder::build`](crate::token_auth::HttpsClientBuilder::build).
    pub fn build(self) -> Result<Introspection, ConfigError> {
        let audiences = audiences(self.audiences, self.any_audience)?;
        Ok(Introspection(Arc::new(Inner {
            endpoint: url::read(&self.endpoint, self.transport)?,
            header: self.auth.header()?,
            auth: self.auth,
            wanted: Wanted { issuer: self.issuer, audiences },
            client: client_or_default(self.client, self.crypto, self.transport)?,
            timeout: self.timeout,
            max_len: parse::MAX_LEN,
            clock: self.clock,
            cache_for: self.cache_for,
            good: TokenCache::new().max_entries(self.max_entries).build(),
            cache_refusals_for: self.cache_refusals_for,
            bad: Refusals::new(self.max_entries),
            max_questions: self.max_questions,
            questions: Default::default(),
        })))
    }
}

impl fmt::Debug for IntrospectionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionBuilder")
            .field("auth", &self.auth)
            .field("issuer", &self.issuer)
            .field("audiences", &self.audiences)
            .finish_non_exhaustive()
    }
}
