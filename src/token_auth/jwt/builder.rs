use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::{
    claims::{Leeway, Rules, audiences},
    key_source::KeySource,
    parse,
    verifier::{Inner, JwtVerifier},
};
use crate::{
    Clock,
    core::SharedClock,
    token_auth::{
        cache::TokenCache,
        crypto::Crypto,
        error::{ConfigError, ConfigErrorKind},
        revocation::{Revocation, SharedRevocation},
    },
};

/// A token is dead when it says so; but clocks that are set by the network may differ by less than this, and a fresh token should work.
const LEEWAY: Leeway = Leeway { at_start: Duration::from_secs(30), at_end: Duration::ZERO };
/// More would make a short lifetime meaningless.
const LEEWAY_MOST: Duration = Duration::from_secs(300);

/// Builds a [`JwtVerifier`]; see there for an example.
#[must_use]
#[derive(Debug)]
pub struct JwtVerifierBuilder {
    keys: KeySource,
    issuer: Option<Box<str>>,
    audiences: Vec<Box<str>>,
    any_audience: bool,
    token_type: Option<Box<str>>,
    leeway: Leeway,
    max_len: usize,
    revocation: Option<SharedRevocation>,
    cache: Option<TokenCache>,
    crypto: Option<Crypto>,
    clock: SharedClock,
}

impl JwtVerifier {
    /// Starts a verifier with its keys: a [`KeySet`](super::super::KeySet), one [`VerifyingKey`](super::super::VerifyingKey), or whatever else
    /// is a [`KeySource`].
    pub fn builder(keys: impl Into<KeySource>) -> JwtVerifierBuilder {
        JwtVerifierBuilder {
            keys: keys.into(),
            issuer: None,
            audiences: Vec::new(),
            any_audience: false,
            token_type: None,
            leeway: LEEWAY,
            max_len: parse::MAX_LEN,
            revocation: None,
            cache: Some(TokenCache::new()),
            crypto: None,
            clock: SharedClock::default(),
        }
    }
}

impl JwtVerifierBuilder {
    /// Who must have issued the token: the exact value of `iss`, which becomes required
    /// ([RFC 7519 §4.1.1](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.1)).
    pub fn issuer(mut self, issuer: impl Into<Box<str>>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Whom the token must be for: `aud` has to name it, or one of them if this is called again
    /// ([RFC 7519 §4.1.3](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.3)).
    pub fn audience(mut self, audience: impl Into<Box<str>>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Takes tokens for anybody. A token that a user gave to any other service of the issuer then opens this one, too.
    pub fn dangerous_accept_any_audience(mut self) -> Self {
        self.any_audience = true;
        self
    }

    /// The `typ` that the header must have, such as `at+jwt` ([RFC 9068 §2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.1)).
    ///
    /// Without it `JWT`, `at+jwt` and no type at all are taken, and any other type is refused.
    pub fn token_type(mut self, token_type: impl Into<Box<str>>) -> Self {
        self.token_type = Some(token_type.into());
        self
    }

    /// How far the issuer's clock may differ from ours, both ways: five minutes at most.
    ///
    /// A token is taken until `exp` plus the leeway, which is also the principal's [`expires_at`](crate::Principal::expires_at), and from `nbf`
    /// and `iat` minus the leeway. Without it `exp` is exact, since a token that is dead should be dead everywhere, and 30 seconds are allowed
    /// at the start, since a fresh token should work at once though its issuer's clock be a little ahead.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = Leeway { at_start: leeway, at_end: leeway };
        self
    }

    /// The longest token that is looked at, in bytes: 8 KiB unless told otherwise.
    pub fn max_len(mut self, bytes: usize) -> Self {
        self.max_len = bytes;
        self
    }

    /// Asks about every token whether it was revoked, also about one that is remembered.
    pub fn revocation(mut self, revocation: impl Revocation) -> Self {
        self.revocation = Some(SharedRevocation::new(revocation));
        self
    }

    /// How many verified tokens are remembered: see [`TokenCache`].
    pub fn cache(mut self, cache: TokenCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Remembers no tokens: every one is verified each time that it comes.
    pub fn without_cache(mut self) -> Self {
        self.cache = None;
        self
    }

    /// Which cryptography to use; needed if more than one is compiled in.
    pub fn crypto(mut self, crypto: Crypto) -> Self {
        self.crypto = Some(crypto);
        self
    }

    /// Where to read the time.
    pub fn clock(self, clock: impl Clock) -> Self {
        self.shared_clock(SharedClock::new(clock))
    }

    pub(in crate::token_auth) fn shared_clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// The verifier.
    ///
    /// # Errors
    ///
    /// If the [crypto](Crypto) is missing or ambiguous, the keys are missing, mixed or ambiguous, no audience was given, or the leeway is
    /// too long: see [`ConfigErrorKind`].
    pub fn build(self) -> Result<JwtVerifier, ConfigError> {
        let crypto = Crypto::resolve(self.crypto)?;
        if let Some(keys) = self.keys.fixed() {
            keys.check()?;
        }
        let issuer = match (self.issuer, self.keys.issuer()) {
            (Some(given), Some(known)) if *given != *known => return Err(ConfigErrorKind::IssuerMismatch.into()),
            (given, known) => given.or_else(|| known.map(Into::into)),
        };
        if self.leeway.at_end > LEEWAY_MOST {
            return Err(ConfigErrorKind::LeewayTooLong.into());
        }
        let audiences = audiences(self.audiences, self.any_audience)?;
        Ok(JwtVerifier::new(Inner {
            keys: self.keys,
            rules: Rules { issuer: issuer.map(Into::into), audiences, leeway: self.leeway },
            token_type: self.token_type,
            max_len: self.max_len,
            revocation: self.revocation,
            cache: self.cache.and_then(TokenCache::build),
            known_header: ArcSwapOption::empty(),
            crypto,
            clock: self.clock,
        }))
    }
}
