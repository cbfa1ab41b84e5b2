//! Lets requests in by their bearer token, and says who is calling.
//!
//! # Rules
//!
//! 1. The token is looked for in the `Authorization` header ([RFC 6750 §2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)), and where
//!    else [`TokenSource`] says: a cookie, the subprotocols of a WebSocket, or a parameter of the query.
//! 2. No token: 401 with a challenge that names no error ([§3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)); or, after
//!    [`allow_anonymous`](TokenAuthLayer::allow_anonymous), the request passes without a [`Principal`](crate::Principal).
//! 3. More than one token, in two places or twice in one: 400 `invalid_request` ([§2](https://www.rfc-editor.org/rfc/rfc6750#section-2)).
//!    A cookie can be made to [give way](TokenSource::ambient).
//! 4. A token that is malformed, too long, unsigned, of an algorithm or key that is not ours, wrongly signed, for somebody else, expired,
//!    not yet valid or revoked: 401 `invalid_token`. Every claim is checked with its type, as
//!    [RFC 7519 §4.1](https://www.rfc-editor.org/rfc/rfc7519#section-4.1) and
//!    [RFC 8725 §3](https://www.rfc-editor.org/rfc/rfc8725#section-3) have it, and none before the signature.
//! 5. A token that is bound to its sender by a `cnf` claim ([RFC 7800](https://www.rfc-editor.org/rfc/rfc7800)) is refused unless the sender shows
//!    the key ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449), where [`dpop`](TokenAuthLayer::dpop) takes proofs) or the certificate
//!    ([RFC 8705 §3](https://www.rfc-editor.org/rfc/rfc8705#section-3)) that it names: 401, a bad or used proof by `invalid_dpop_proof`.
//! 6. Verification that cannot be done now: 503 with `Retry-After`, never let through.
//! 7. A good token: its [`Principal`](crate::Principal) goes into the extensions of the request, for handlers, and of the response, for the
//!    layers around.
//! 8. Where [`RequireScopeLayer`] stands within, a principal that was not granted what it needs: 403 `insufficient_scope`, with the scopes in the
//!    challenge ([§3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)).
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
//!     .source(TokenSource::cookie("session").ambient())
//!     .source(TokenSource::websocket_subprotocol())
//!     .allow_anonymous()
//!     .realm("app");
//! # Ok((issuer, layer))
//! # }
//! ```
//!
//! Without [`ambient`](TokenSource::ambient) a request that has both the cookie and a header is refused (rule 3). The cookie is the login's to
//! set, `session={token}; Path=/; Max-Age={lifetime}; HttpOnly; Secure; SameSite=Strict`, from [`IssuedToken::access_token`] and
//! [`IssuedToken::lifetime`]. A page that opens `new WebSocket(url, ["bearer", token])` needs an answer that selects `bearer`: list it among the
//! subprotocols of the WebSocket's layer, or offer one of your own beside it.
//!
//! A handler asks for the [`Principal`](crate::Principal) or for [`Claims<T>`](Claims), in axum as an argument.
//!
//! # Login and refresh
//!
//! [`TokenIssuer`] signs short-lived access tokens, [`RefreshTokens`] keeps users logged in beyond them, a [`RevocationList`] makes a logout work
//! on the next request, and [`JwksService`] publishes the keys to other services. In axum the answers and the errors are responses as they are:
//!
//! ```
//! use std::sync::Arc;
//! use donjon::token_auth::{
//!     ConfigError, JwksService, JwtVerifier, RefreshError, RefreshTokens, RevocationList, SigningKey, TokenAuthLayer, TokenIssuer, TokenPair,
//! };
//! # use donjon::token_auth::Crypto;
//!
//! # type Parts = (TokenAuthLayer<JwtVerifier>, RefreshTokens, JwksService);
//! # fn parts(key: SigningKey, crypto: Crypto) -> Result<Parts, ConfigError> {
//! let issuer = TokenIssuer::builder(key).issuer("https://app.example").audience("https://app.example");
//! # let issuer = issuer.crypto(crypto);
//! let issuer = issuer.build()?;
//! let revoked = Arc::new(RevocationList::new());
//! let layer = TokenAuthLayer::new(issuer.verifier().revocation(Arc::clone(&revoked)).build()?);
//! let keys = JwksService::new(issuer.clone());
//! let tokens = RefreshTokens::builder(issuer).revocation(revoked).build()?;
//! # Ok((layer, tokens, keys))
//! # }
//!
//! async fn refresh(tokens: &RefreshTokens, refresh_token: &str) -> Result<TokenPair, RefreshError> {
//!     tokens.refresh(refresh_token).await
//! }
//! ```
//!
//! The example `token_auth` is all of it. How keys are changed is told at [`TokenIssuer`], what a stolen refresh token is worth at
//! [`RefreshTokens`].
//!
#![doc = include_str!("../../docs/token-auth.md")]
#![cfg_attr(feature = "token-auth-remote", doc = include_str!("../../docs/token-auth-remote.md"))]
//! # Security
//!
//! - A key works with one [`Algorithm`]; secrets and public keys do not stand in one [`KeySet`]. `none` does not exist. A key in the token's
//!   own header is never used, and no `kid` is ever more than compared.
//! - An audience must be configured: a token for another service of the same issuer is nobody's business here. The one way around is called
//!   [`dangerous_accept_any_audience`](JwtVerifierBuilder::dangerous_accept_any_audience).
//! - JSON with duplicate members is refused, at every depth: two readers could read it in two ways.
//! - No byte of a token comes into a response, a log or a `Debug`. The client learns no reason beyond "expired", which only the holder of a real
//!   token can hear.
//! - A token that is good stays good until it expires or is [revoked](Revocation): keep lifetimes short.
//! - Good tokens are kept in memory, whole, while they are [remembered](TokenCache): whoever can read the process's memory can read its secrets, too.
//! - A bearer token is good for whoever has it. Where that is too much, bind it: see the guide above. The key of a proof is looked at only after
//!   the token was found good, and what it may cost is bounded.
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
//! `token-auth-remote` adds what is asked of other servers: keys by URL or issuer, and introspection.

mod answer;
mod binding;
mod cache;
mod certificate;
mod challenge;
mod claims;
mod confirmation;
mod crypto;
mod dpop;
mod error;
mod future;
mod issuer;
mod issuers;
mod jwt;
mod key_file;
mod kind_error;
mod layer;
mod metadata;
mod rejection;
#[cfg(feature = "token-auth-remote")]
mod remote;
mod require_scope;
mod revocation;
mod scope;
mod service;
mod settings;
mod source;
mod thumbprint;
mod url;
mod verifier;

#[cfg(feature = "axum")]
pub(crate) use self::challenge::ProtectionSpace;
#[cfg(feature = "token-auth-remote")]
pub use self::remote::{
    ClientAuth, Fetch, HttpsClient, HttpsClientBuilder, Introspection, IntrospectionBuilder, RemoteError, RemoteErrorKind,
    RemoteKeys, RemoteKeysBuilder,
};
pub use self::{
    cache::TokenCache,
    certificate::ClientCertificate,
    claims::{Claims, ClaimsError, ClaimsErrorKind, RawClaims, SharedClaims},
    crypto::{Algorithm, Crypto},
    dpop::{
        Dpop, DpopBuilder,
        error::ProofErrorKind,
        replay::{MemoryReplayStore, ProofId, ProofUse, ReplayStore, ReplayVerdict},
    },
    error::{ConfigError, ConfigErrorKind},
    future::ResponseFuture,
    issuer::{
        Authenticate, Credentials, Grant, IssueError, IssueErrorKind, IssuedToken, JwksService, LoginError, LoginErrorKind,
        MemoryRefreshStore, RefreshError, RefreshErrorKind, RefreshFamily, RefreshStore, RefreshTokens, RefreshTokensBuilder,
        Replaced, RevokeSession, SessionId, SigningKey, TokenIssuer, TokenIssuerBuilder, TokenPair,
    },
    issuers::{Issuers, IssuersBuilder},
    jwt::{JwtVerifier, JwtVerifierBuilder, key_set::KeySet, key_source::KeySource, keys::VerifyingKey},
    key_file::{KeyFile, KeyFileBuilder},
    layer::TokenAuthLayer,
    metadata::{
        ProtectedResource, ProtectedResourceBuilder, ProtectedResourceFuture, ProtectedResourceLayer, ProtectedResourceService,
    },
    rejection::{Rejection, RejectionKind},
    require_scope::{RequireScope, RequireScopeFuture, RequireScopeLayer},
    revocation::{Revocation, RevocationError, RevocationErrorKind, RevocationList, RevocationStatus, TokenFacts},
    service::TokenAuth,
    source::TokenSource,
    thumbprint::Thumbprint,
    verifier::{LaterVerdict, TokenError, TokenErrorKind, Verdict, VerifyToken},
};

#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
