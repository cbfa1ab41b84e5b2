//! The layers, driven from outside: one binary, one module per layer, and the whole stack.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails loudly")]

mod support;

#[cfg(feature = "full")]
mod contract;
#[cfg(feature = "full")]
mod stack;

#[cfg(feature = "conditional-cache")]
mod conditional_cache;
#[cfg(feature = "error-mapping")]
mod error_mapping;
#[cfg(feature = "lazy-images")]
mod lazy_images;
#[cfg(feature = "conditional-cache-shared")]
mod shared_cache;
#[cfg(feature = "token-auth")]
mod token_auth;
#[cfg(feature = "ws-upgrade")]
mod ws_upgrade;
