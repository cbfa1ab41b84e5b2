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
//! `token-auth` wants one of `aws-lc-rs` and `rust-crypto` for its cryptography, and to be told which if both are compiled in;
//! `token-auth-remote` lets it ask identity providers; `axum` adds extractors and responses, `tracing` events for operators; `full` is all of
//! it with `aws-lc-rs`. Nothing is on by default, and turning a layer on never changes what another layer does.
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

pub use crate::core::{
    AssetUrls, Clock, LayerBody, ManualClock, Principal, PrincipalBuilder, Problem, Retryability, Revoked, Revoker, SystemClock,
    Value,
};

#[cfg(fuzzing)]
#[doc(hidden)]
pub use crate::core::fuzzing;
