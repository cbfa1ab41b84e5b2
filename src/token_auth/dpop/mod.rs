//! Demonstrating proof of possession, [RFC 9449](https://www.rfc-editor.org/rfc/rfc9449): a token that is of no use to who only stole it.

pub(super) mod error;
pub(super) mod header;
mod nonce;
pub(super) mod proof;
pub(super) mod replay;
pub(super) mod target;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue};

use self::{
    error::ProofErrorKind,
    nonce::{Age, Nonces},
    proof::ProofClaims,
    replay::{MemoryReplayStore, ProofId, ReplayStore, ReplayVerdict},
    target::Origin,
};
use super::{
    crypto::{Algorithm, Crypto},
    error::{ConfigError, ConfigErrorKind},
    jwt::json,
    thumbprint::Thumbprint,
    url::Transport,
};
use crate::{Clock, core::SharedClock};

/// [§8.1](https://www.rfc-editor.org/rfc/rfc9449#section-8.1)
pub(super) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// How far `iat` may lie from our clock unless told otherwise.
const WINDOW: Duration = Duration::from_secs(60);
/// Proofs are made for one request each; none is older when it arrives.
const WINDOW_MOST: Duration = Duration::from_secs(600);

/// What proofs may be signed with unless told otherwise: everything asymmetric, the usual ones first.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::Es256,
    Algorithm::EdDsa,
    Algorithm::Es384,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
];

/// Checks proofs of possession ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)), for
/// [`TokenAuthLayer::dpop`](super::TokenAuthLayer::dpop).
///
/// A proof names the URI that the client called. This server cannot know it from the request: `Host` is written by the client, and a proxy may
/// have changed scheme, host and path. So it is configured: the origin by which clients know the server, and if a proxy or a router takes
/// a prefix off the path before the layer sees it, that prefix.
///
/// ```
/// use std::time::Duration;
/// use donjon::token_auth::{Dpop, JwtVerifier, TokenAuthLayer};
/// # use donjon::token_auth::{ConfigError, Crypto};
///
/// # fn layer(verifier: JwtVerifier, crypto: Crypto) -> Result<TokenAuthLayer<JwtVerifier>, ConfigError> {
/// // Clients call https://api.example/v1/articles, and the proxy hands on /articles.
/// let dpop = Dpop::builder("https://api.example/v1")
///     .require_dpop()
///     .require_nonce()
///     .window(Duration::from_secs(30))
/// #   .crypto(crypto)
///     .build()?;
/// let layer = TokenAuthLayer::new(verifier).dpop(dpop);
/// # Ok(layer)
/// # }
/// ```
///
/// Cloning is a reference count; clones share the memory of used proofs, so give the layers of one server clones of one `Dpop`.
#[derive(Clone)]
pub struct Dpop(Arc<Inner>);

struct Inner {
    origins: Box<[Origin]>,
    algorithms: Box<[Algorithm]>,
    window: Duration,
    bearer: BearerTokens,
    nonces: Option<Nonces>,
    replays: Arc<dyn ReplayStore>,
    crypto: Crypto,
    clock: SharedClock,
}

/// Whether tokens that are bound to no key are taken, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BearerTokens {
    Taken,
    Refused,
}

/// What a request says that a proof must fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) headers: &'a HeaderMap,
    /// SHA-256 of the access token.
    pub(super) token: &'a Thumbprint,
}

/// A proof that is good, if nobody used it before.
pub(super) struct Proof {
    pub(super) key: Thumbprint,
    id: ProofId,
    until: SystemTime,
    /// For the response, if the nonce of the proof is about to end.
    pub(super) nonce: Option<HeaderValue>,
}

impl Dpop {
    /// Starts with the origin by which clients know this server, such as `https://api.example`, and the base path if there is one.
    pub fn builder(origin: impl Into<Box<str>>) -> DpopBuilder {
        DpopBuilder {
            origins: vec![origin.into()],
            transport: Transport::Https,
            algorithms: ALGORITHMS.into(),
            window: WINDOW,
            bearer: BearerTokens::Taken,
            nonces: NoncePolicy::None,
            replays: None,
            crypto: None,
            clock: SharedClock::default(),
        }
    }

    pub(super) fn bearer_tokens(&self) -> BearerTokens {
        self.0.bearer
    }

    /// The algorithms of proofs, as a challenge lists them ([§7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)).
    pub(super) fn algorithms(&self) -> String {
        let names: Vec<_> = self.0.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        names.join(" ")
    }

    /// The nonce to send with a refusal, if nonces are required ([§9](https://www.rfc-editor.org/rfc/rfc9449#section-9)).
    pub(super) fn fresh_nonce(&self) -> Option<HeaderValue> {
        self.0.nonces.as_ref().map(|nonces| nonces.fresh(self.0.clock.now()))
    }

    /// All checks of [§4.3](https://www.rfc-editor.org/rfc/rfc9449#section-4.3) but the replay, which [`record`](Self::record) is for, and the
    /// token's naming the key, which is the caller's.
    pub(super) fn check(&self, wanted: Wanted<'_>) -> Result<Proof, ProofErrorKind> {
        let this = &*self.0;
        let now = this.clock.now();
        let signed = proof::verify(proof::only(wanted.headers)?, &this.algorithms, this.crypto)?;
        let members = json::object(&signed.claims).map_err(|_| ProofErrorKind::Malformed)?;
        let claims = ProofClaims::read(&members)?;
        claims.is_for(wanted.method, wanted.path, &this.origins)?;
        let nonce = match this.nonces.as_ref().map(|nonces| (nonces, nonces.age(claims.nonce.unwrap_or_default(), now))) {
            None | Some((_, Age::Current)) => None,
            Some((nonces, Age::Previous)) => Some(nonces.fresh(now)),
            Some((_, Age::Invalid)) => return Err(ProofErrorKind::NonceInvalid),
        };
        let earliest = now.checked_sub(this.window).unwrap_or(SystemTime::UNIX_EPOCH);
        claims.is_of_now(now, (earliest, now + this.window))?;
        claims.is_of_token(wanted.token)?;
        let until = claims.iat + this.window;
        Ok(Proof { key: signed.key, id: ProofId::of(&signed.key, claims.jti), until, nonce })
    }

    /// Uses the proof up.
    pub(super) fn record(&self, proof: &Proof) -> ReplayVerdict {
        self.0.replays.record(proof.id, self.0.clock.now(), proof.until)
    }
}

impl fmt::Debug for Dpop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dpop")
            .field("origins", &self.0.origins)
            .field("algorithms", &self.0.algorithms)
            .field("window", &self.0.window)
            .field("bearer_tokens", &self.0.bearer)
            .field("nonces", &self.0.nonces)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
enum NoncePolicy {
    None,
    OwnSecret,
    SharedSecret([u8; 32]),
}

/// Builds a [`Dpop`]; see there for an example.
#[must_use]
#[derive(Clone)]
pub struct DpopBuilder {
    origins: Vec<Box<str>>,
    transport: Transport,
    algorithms: Vec<Algorithm>,
    window: Duration,
    bearer: BearerTokens,
    nonces: NoncePolicy,
    replays: Option<Arc<dyn ReplayStore>>,
    crypto: Option<Crypto>,
    clock: SharedClock,
}

impl DpopBuilder {
    /// Adds another origin by which clients know this server.
    pub fn origin(mut self, origin: impl Into<Box<str>>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Takes origins without TLS, too, for development on one machine. Elsewhere whoever stands between could read the tokens, and change the
    /// requests behind their proofs.
    pub fn dangerous_allow_http(mut self) -> Self {
        self.transport = Transport::AlsoHttp;
        self
    }

    /// What proofs may be signed with. Unless told otherwise, every [`Algorithm`] that is not
    /// [symmetric](Algorithm::is_symmetric).
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// How far the time of making may lie from our clock, before or after: 60 seconds unless told otherwise, ten minutes at most
    /// ([RFC 9449 §11.1](https://www.rfc-editor.org/rfc/rfc9449#section-11.1)).
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Refuses every token that is bound to no key. Unless told so, tokens that are not bound are taken as ever, by the scheme `Bearer`.
    ///
    /// Cookies and WebSocket subprotocols carry no proof, so they let nobody in any more.
    pub fn require_dpop(mut self) -> Self {
        self.bearer = BearerTokens::Refused;
        self
    }

    /// Wants a nonce of ours in every proof ([RFC 9449 §9](https://www.rfc-editor.org/rfc/rfc9449#section-9)), so that no proof can be made
    /// beforehand.
    ///
    /// A client without one is told `use_dpop_nonce` and given one in `DPoP-Nonce`; one whose nonce is about to end gets the next with the
    /// answer. A nonce is taken for two and a half to five minutes. A page of another origin sees neither header unless CORS exposes
    /// `DPoP-Nonce` and `WWW-Authenticate`.
    pub fn require_nonce(mut self) -> Self {
        if matches!(self.nonces, NoncePolicy::None) {
            self.nonces = NoncePolicy::OwnSecret;
        }
        self
    }

    /// Wants a nonce, and makes them from `secret`: with the same one, several processes take each other's.
    pub fn require_nonce_of(mut self, secret: [u8; 32]) -> Self {
        self.nonces = NoncePolicy::SharedSecret(secret);
        self
    }

    /// Where used proofs are remembered: a [`MemoryReplayStore`] unless told otherwise.
    pub fn replay_store(mut self, store: impl ReplayStore) -> Self {
        self.replays = Some(Arc::new(store));
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

    /// The checker of proofs.
    ///
    /// # Errors
    ///
    /// If the [crypto](Crypto) is missing or ambiguous, an origin is none, the algorithms are missing or symmetric, the window is too short or
    /// too long, or the system gives no random numbers for nonces: see [`ConfigErrorKind`].
    pub fn build(self) -> Result<Dpop, ConfigError> {
        let crypto = Crypto::resolve(self.crypto)?;
        let origins: Result<_, _> = self.origins.iter().map(|origin| Origin::parse(origin, self.transport)).collect();
        if self.algorithms.is_empty() || self.algorithms.iter().any(|algorithm| algorithm.is_symmetric()) {
            return Err(ConfigErrorKind::ProofAlgorithmsMissing.into());
        }
        if self.window < Duration::from_secs(1) || self.window > WINDOW_MOST {
            return Err(ConfigErrorKind::ProofWindowOutOfRange.into());
        }
        let nonces = match self.nonces {
            NoncePolicy::None => None,
            NoncePolicy::OwnSecret => Some(Nonces::new(random()?)),
            NoncePolicy::SharedSecret(secret) => Some(Nonces::new(secret)),
        };
        Ok(Dpop(Arc::new(Inner {
            origins: origins?,
            algorithms: self.algorithms.into_boxed_slice(),
            window: self.window,
            bearer: self.bearer,
            nonces,
            replays: self.replays.unwrap_or_else(|| Arc::new(MemoryReplayStore::new())),
            crypto,
            clock: self.clock,
        })))
    }
}

fn random() -> Result<[u8; 32], ConfigError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| ConfigError::because(ConfigErrorKind::RandomnessUnavailable, error))?;
    Ok(bytes)
}

/// Hides the secret of the nonces.
impl fmt::Debug for DpopBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopBuilder")
            .field("origins", &self.origins)
            .field("algorithms", &self.algorithms)
            .field("window", &self.window)
            .field("bearer_tokens", &self.bearer)
            .finish_non_exhaustive()
    }
}
