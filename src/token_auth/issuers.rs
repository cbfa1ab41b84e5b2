//! Tokens of several issuers.

use std::{collections::HashMap, fmt};

use super::{
    error::{ConfigError, ConfigErrorKind},
    jwt::{
        JwtVerifier, claims,
        json::Json,
        parse::{self, Compact},
    },
    verifier::{TokenError, TokenErrorKind, Verdict, VerifyToken},
};
use crate::{Principal, core::trace::event};

/// Takes tokens of several issuers, each with keys and rules of its own.
///
/// The `iss` of the token, which nobody has checked at that moment, only says whom to ask: the one verifier of that name then judges the whole
/// token, `iss` included, by its own keys. So the `kid` of one issuer never reaches the keys of another, and a token that names an issuer not
/// listed here is refused before anything is fetched or computed. A token that one of them [remembers](super::TokenCache) is not even read.
///
/// Verifiers of different types go together as `Arc<dyn VerifyToken<Future = LaterVerdict>>`.
///
/// ```
/// use donjon::token_auth::{Issuers, JwtVerifier, TokenAuthLayer};
/// # use donjon::token_auth::{ConfigError, Crypto, VerifyingKey};
///
/// # fn layer(ours: VerifyingKey, theirs: VerifyingKey, crypto: Crypto) -> Result<TokenAuthLayer<Issuers>, ConfigError> {
/// let ours = JwtVerifier::builder(ours).issuer("https://login.example").audience("https://api.example");
/// let theirs = JwtVerifier::builder(theirs).issuer("https://partner.example").audience("https://api.example");
/// # let (ours, theirs) = (ours.crypto(crypto), theirs.crypto(crypto));
/// let issuers = Issuers::builder()
///     .issuer("https://login.example", ours.build()?)
///     .issuer("https://partner.example", theirs.build()?)
///     .build()?;
/// let layer = TokenAuthLayer::new(issuers);
/// # Ok(layer)
/// # }
/// ```
pub struct Issuers<V = JwtVerifier> {
    by_name: HashMap<Box<str>, V>,
    max_len: usize,
}

impl<V: VerifyToken> Issuers<V> {
    /// Starts with no issuer.
    pub fn builder() -> IssuersBuilder<V> {
        IssuersBuilder { issuers: Vec::new(), max_len: parse::MAX_LEN }
    }

    fn verifier_of(&self, token: &str) -> Result<&V, TokenErrorKind> {
        let compact = Compact::split(token, self.max_len)?;
        let claims = parse::decode(compact.claims)?;
        let text = std::str::from_utf8(&claims).map_err(|_| TokenErrorKind::ClaimsMalformed)?;
        match claims::read(text)?.get("iss") {
            None => Err(TokenErrorKind::ClaimMissing),
            Some(Json::Text(issuer)) => self.by_name.get(&**issuer).ok_or(TokenErrorKind::WrongIssuer),
            Some(_) => Err(TokenErrorKind::ClaimsMalformed),
        }
    }
}

impl<V: VerifyToken> VerifyToken for Issuers<V> {
    type Future = V::Future;

    fn verify(&self, token: &str) -> Verdict<V::Future> {
        if let Some(known) = self.recall(token) {
            return Verdict::Now(known);
        }
        match self.verifier_of(token) {
            Ok(verifier) => verifier.verify(token),
            Err(kind) => {
                event!(DEBUG, "token refused", reason = kind);
                Verdict::Now(Err(kind.into()))
            }
        }
    }

    fn recall(&self, token: &str) -> Option<Result<Principal, TokenError>> {
        self.by_name.values().find_map(|verifier| verifier.recall(token))
    }
}

impl<V: Clone> Clone for Issuers<V> {
    fn clone(&self) -> Self {
        Self { by_name: self.by_name.clone(), max_len: self.max_len }
    }
}

impl<V> fmt::Debug for Issuers<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

/// Builds [`Issuers`]; see there for an example.
#[must_use]
pub struct IssuersBuilder<V = JwtVerifier> {
    issuers: Vec<(Box<str>, V)>,
    max_len: usize,
}

impl<V: VerifyToken> IssuersBuilder<V> {
    /// Asks `verifier` about the tokens whose `iss` is exactly `issuer`.
    pub fn issuer(mut self, issuer: impl Into<Box<str>>, verifier: V) -> Self {
        self.issuers.push((issuer.into(), verifier));
        self
    }

    /// The longest token whose issuer is looked for, in bytes: 8 KiB unless told otherwise. The verifiers have their own limit.
    pub fn max_len(mut self, bytes: usize) -> Self {
        self.max_len = bytes;
        self
    }

    /// The verifier of them all.
    ///
    /// # Errors
    ///
    /// [`IssuerMissing`](ConfigErrorKind::IssuerMissing) if there is none, [`IssuerAmbiguous`](ConfigErrorKind::IssuerAmbiguous) if one
    /// comes twice.
    pub fn build(self) -> Result<Issuers<V>, ConfigError> {
        let count = self.issuers.len();
        let by_name: HashMap<_, _> = self.issuers.into_iter().collect();
        match by_name.len() {
            0 => Err(ConfigErrorKind::IssuerMissing.into()),
            distinct if distinct < count => Err(ConfigErrorKind::IssuerAmbiguous.into()),
            _ => Ok(Issuers { by_name, max_len: self.max_len }),
        }
    }
}

impl<V> fmt::Debug for IssuersBuilder<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.issuers.iter().map(|(issuer, _)| issuer)).finish()
    }
}
