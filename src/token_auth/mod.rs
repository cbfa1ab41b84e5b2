//! Lets requests in by their bearer token, and says who is calling.
//!
//! # Rules
//!
//! 1. The token is looked for in the `Authorization` header ([RFC 6750 §2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)), and where
//!    else [`TokenSource`] says: a cookie, or the subprotocols of a WebSocket.
//! 2. No token: 401 with a challenge that names no error ([§3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)); or, after
//!    [`allow_anonymous`](TokenAuthLayer::allow_anonymous), the request passes without a [`Principal`](crate::Principal).
//! 3. More than one token, in two places or twice in one: 400 `invalid_request` ([§2](https://www.rfc-editor.org/rfc/rfc6750#section-2)).
//! 4. A token that is malformed, too long, unsigned, of an algorithm or key that is not ours, wrongly signed, for somebody else, expired or not
//!    yet valid: 401 `invalid_token`. Every claim is checked with its type, as [RFC 7519 §4.1](https://www.rfc-editor.org/rfc/rfc7519#section-4.1)
//!    and [RFC 8725 §3](https://www.rfc-editor.org/rfc/rfc8725#section-3) have it, and none before the signature.
//! 5. Verification that cannot be done now: 503 with `Retry-After`, never let through.
//! 6. A good token: its [`Principal`](crate::Principal) goes into the extensions of the request, for handlers, and of the response, for the
//!    layers around.
//!
//! Every refusal is a response with a [`Problem`](crate::Problem) and a [`Rejection`] in its extensions.
//!
//! # Examples
//!
//! Tokens of an issuer whose public key is at hand:
//!
//! ```
//! use donjon::token_auth::{Algorithm, JwtVerifier, TokenAuthLayer, VerifyingKey};
//! # use donjon::token_auth::{ConfigError, Crypto};
//!
//! # fn layer(pem: &str, crypto: Crypto) -> Result<TokenAuthLayer<JwtVerifier>, ConfigError> {
//! let verifier = JwtVerifier::builder(VerifyingKey::from_pem(Algorithm::Es256, pem)?)
//!     .issuer("https://login.example")
//!     .audience("https://api.example")
//! #   .crypto(crypto)
//!     .build()?;
//! let layer = TokenAuthLayer::new(verifier);
//! # Ok(layer)
//! # }
//! ```
//!
//! An application that issues its own, for pages that keep the token in a cookie and open WebSockets, with a public part:
//!
//! ```
//! use std::time::Duration;
//! use donjon::token_auth::{Algorithm, SigningKey, TokenAuthLayer, TokenIssuer, TokenSource};
//! # use donjon::token_auth::{ConfigError, Crypto, JwtVerifier};
//!
//! # fn both(secret: &[u8], crypto: Crypto) -> Result<(TokenIssuer, TokenAuthLayer<JwtVerifier>), ConfigError> {
//! let issuer = TokenIssuer::builder(SigningKey::from_secret(Algorithm::Hs256, secret)?)
//!     .issuer("https://app.example")
//!     .audience("https://app.example")
//!     .lifetime(Duration::from_secs(600))
//! #   .crypto(crypto)
//!     .build()?;
//! let layer = TokenAuthLayer::new(issuer.verifier().build()?)
//!     .source(TokenSource::cookie("session"))
//!     .source(TokenSource::websocket_subprotocol())
//!     .allow_anonymous()
//!     .realm("app");
//! # Ok((issuer, layer))
//! # }
//! ```
//!
//! A handler asks for the [`Principal`](crate::Principal) or for [`Claims<T>`](Claims), in axum as an argument.
//!
//! # Security
//!
//! - A key works with one [`Algorithm`]; secrets and public keys do not stand in one [`KeySet`]. `none` does not exist. A key in the token's
//!   own header is never used, and no `kid` is ever more than compared.
//! - An audience must be configured: a token for another service of the same issuer is nobody's business here. The one way around is called
//!   [`dangerous_accept_any_audience`](JwtVerifierBuilder::dangerous_accept_any_audience).
//! - JSON with duplicate members is refused, at every depth: two readers could read it in two ways.
//! - No byte of a token comes into a response, a log or a `Debug`. The client learns no reason beyond "expired", which only the holder of a real
//!   token can hear.
//! - A token that is good stays good until it expires: keep lifetimes short.
//! - A cookie is sent with requests that other sites cause: see [`TokenSource::cookie`].
//!
//! # Ordering
//!
//! Inside `ErrorMapping`, which renders the refusals; outside `ConditionalCache`, which keeps one caller's answers from another by the
//! `Principal`; outside everything that should not run for strangers.
//!
//! # Feature
//!
//! `token-auth`, and one of `aws-lc-rs` and `rust-crypto` for the [`Crypto`]. With both, every builder wants to be told which.

mod challenge;
mod claims;
mod crypto;
mod error;
mod future;
mod issuer;
mod jwt;
mod layer;
mod rejection;
mod scope;
mod service;
mod settings;
mod source;
mod verifier;

pub use self::{
    claims::{Claims, ClaimsError, ClaimsErrorKind, RawClaims},
    crypto::{Algorithm, Crypto},
    error::{ConfigError, ConfigErrorKind},
    future::ResponseFuture,
    issuer::{
        Authenticate, Credentials, Grant, IssueError, IssueErrorKind, IssuedToken, LoginError, LoginErrorKind, SigningKey,
        TokenIssuer, TokenIssuerBuilder,
    },
    jwt::{JwtVerifier, JwtVerifierBuilder, key_set::KeySet, keys::VerifyingKey},
    layer::TokenAuthLayer,
    rejection::{Rejection, RejectionKind},
    service::TokenAuth,
    source::TokenSource,
    verifier::{TokenError, TokenErrorKind, Verdict, VerifyToken},
};

/// Entry points for fuzzing: every parser of bytes that come from outside, with what must hold of it.
#[cfg(fuzzing)]
#[doc(hidden)]
#[allow(missing_docs, clippy::missing_panics_doc, reason = "not part of the interface")]
pub mod fuzzing {
    use http::{HeaderMap, HeaderValue, Method, header};

    use super::{
        jwt::{
            claims::{self, Registered},
            der,
            parse::{Compact, Header, MAX_LEN},
        },
        scope,
        source::{self, Found, TokenSource},
    };

    pub fn token(data: &[u8]) {
        let Ok(text) = std::str::from_utf8(data) else { return };
        if Compact::split(text, MAX_LEN).is_ok() {
            assert!(text.len() <= MAX_LEN && text.matches('.').count() == 2);
        }
    }

    pub fn token_header(data: &[u8]) {
        if Header::read(data).is_ok() {
            let json: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
            assert!(json.get("alg").is_some() && json.get("crit").is_none());
        }
    }

    pub fn token_claims(data: &[u8]) {
        let Ok(text) = std::str::from_utf8(data) else { return };
        if let Ok(members) = claims::read(text)
            && let Ok(registered) = Registered::read(&members)
        {
            assert!(members.get("exp").is_some());
            assert!(registered.scopes().iter().all(|scope| scope::is_scope(scope)));
        }
    }

    pub fn token_source(data: &[u8]) {
        let Ok(value) = HeaderValue::from_bytes(data) else { return };
        let sources = [TokenSource::header(), TokenSource::cookie("session"), TokenSource::websocket_subprotocol()];
        for name in [header::AUTHORIZATION, header::COOKIE, header::SEC_WEBSOCKET_PROTOCOL] {
            let mut headers = HeaderMap::from_iter([(name, value.clone())]);
            if let Found::Token { token, .. } = source::find(&Method::CONNECT, &headers, &sources) {
                assert!(!token.is_empty() && token.is_ascii());
            }
            source::strip_subprotocol(&mut headers);
            let left = headers.get(header::SEC_WEBSOCKET_PROTOCOL).map_or(&b""[..], HeaderValue::as_bytes);
            assert!(!left.starts_with(b"bearer."));
        }
    }

    pub fn key_pem(data: &[u8]) {
        let Ok(text) = std::str::from_utf8(data) else { return };
        if let Some((_, der)) = der::pem(text) {
            let (_, key) = der::public_key(&der).or_else(|| der::private_key(&der)).unzip();
            assert!(key.is_none_or(|key| key.len() < der.len()));
        }
    }

    pub fn key_set(data: &[u8]) {
        if let Ok(text) = std::str::from_utf8(data)
            && let Ok(set) = super::KeySet::from_jwks(text)
        {
            assert!(set.iter().len() > 0);
        }
    }
}
