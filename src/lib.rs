//! Composable [tower](https://docs.rs/tower) layers for the gate of a web app, on axum or bare hyper: who may enter, what can be
//! reused, what is answered when something falls, which lines stay open, what need not be sent yet.
//!
//! | layer | feature | its question |
//! |---|---|---|
//! | [`TokenAuthLayer`](token_auth::TokenAuthLayer) | `token-auth` | who is calling? |
//! | [`ConditionalCacheLayer`](conditional_cache::ConditionalCacheLayer) | `conditional-cache` | what can be reused? |
//! | [`SharedCacheLayer`](conditional_cache::shared::SharedCacheLayer) | `conditional-cache-shared` | what need not be made again? |
//! | [`ErrorMappingLayer`](error_mapping::ErrorMappingLayer) | `error-mapping` | what went wrong, and may the client try again? |
//! | [`WsUpgradeLayer`](ws_upgrade::WsUpgradeLayer) | `ws-upgrade` | which connections stay open? |
//! | [`LazyImagesLayer`](lazy_images::LazyImagesLayer) | `lazy-images` | what need not be sent yet? |
//!
//! Nothing is on by default, and turning a layer on never changes what another layer does. Beside the layers there are:
//!
//! | feature | what it adds |
//! |---|---|
//! | `aws-lc-rs`, `rust-crypto` | the cryptography of `token-auth`, which wants one of the two, and to be told which if both are compiled in |
//! | `token-auth-remote` | keys by URL or issuer, introspection |
//! | `conditional-cache-assets` | files under URLs that change with their content |
//! | `error-mapping-http2` | the errors of HTTP/2 at an upstream told apart |
//! | `error-mapping-rustls` | the errors of TLS at an upstream told apart |
//! | `error-mapping-reqwest` | the errors of reqwest told apart |
//! | `ws-upgrade-http2` | sockets over HTTP/2 |
//! | `ws-upgrade-json` | sockets of typed values, as JSON |
//! | `ws-upgrade-testing` | a client in memory, for the tests of an app |
//! | `lazy-images-colours` | placeholders in the colours of local images |
//! | `axum` | extractors and responses |
//! | `tracing` | events for operators |
//! | `full` | all of it, with `aws-lc-rs` |
//!
//! # The stack on axum
//!
//! ```
//! # #[cfg(feature = "full")]
//! # mod example {
//! use axum::{Router, routing::{any, get}};
//! use donjon::{
//!     Principal,
//!     conditional_cache::ConditionalCacheLayer,
//!     error_mapping::ErrorMappingLayer,
//!     lazy_images::LazyImagesLayer,
//!     token_auth::{Algorithm, ConfigError, JwtVerifier, TokenAuthLayer, VerifyingKey},
//!     ws_upgrade::{WsAccept, WsHandshake, WsUpgradeLayer},
//! };
//!
//! async fn me(caller: Principal) -> String {
//!     format!("You are {}.", caller.subject().unwrap_or("nobody"))
//! }
//!
//! async fn greet(handshake: WsHandshake) -> WsAccept {
//!     handshake.accept(|mut socket| async move { drop(socket.send("welcome").await) })
//! }
//!
//! fn app(secret: &[u8]) -> Result<Router, ConfigError> {
//!     let key = VerifyingKey::from_secret(Algorithm::Hs256, secret)?;
//!     let verifier = JwtVerifier::builder(key).issuer("https://app.example").audience("https://app.example").build()?;
//!     Ok(Router::new()
//!         .route("/me", get(me))
//!         .route("/greeting", any(greet).layer(WsUpgradeLayer::new()))
//!         .layer(LazyImagesLayer::new())
//!         .layer(ConditionalCacheLayer::new())
//!         .layer(TokenAuthLayer::new(verifier))
//!         .layer(ErrorMappingLayer::new()))
//! }
//! # }
//! ```
//!
//! The layers know each other without depending on each other, through the types in this root: TokenAuth leaves a [`Principal`] in the
//! extensions of request and response, every refusal is a [`Problem`], every error says by its [`Retryability`] whether to try again.
//! The guides are in the modules.
//!
#![doc = include_str!("../docs/ordering.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(feature = "full"), allow(rustdoc::broken_intra_doc_links, reason = "the front page names every layer"))]

mod core;

#[cfg(feature = "conditional-cache")]
pub mod conditional_cache;
#[cfg(feature = "error-mapping")]
pub mod error_mapping;
#[cfg(feature = "lazy-images")]
pub mod lazy_images;
#[cfg(feature = "token-auth")]
pub mod token_auth;
#[cfg(feature = "ws-upgrade")]
pub mod ws_upgrade;

#[cfg(feature = "axum")]
mod axum;
#[cfg(all(doctest, feature = "full", not(feature = "rust-crypto")))]
mod readme;

#[cfg(feature = "axum")]
pub use crate::axum::OrProblem;
pub use crate::core::{
    AssetUrls, Clock, LayerBody, ManualClock, Principal, PrincipalBuilder, Problem, Retryability, Revoked, Revoker, SystemClock,
    Value,
};

#[cfg(fuzzing)]
#[doc(hidden)]
pub use crate::core::fuzzing;
