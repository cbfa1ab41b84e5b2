//! Composable tower layers for the gate of a web app.
#![cfg_attr(docsrs, feature(doc_cfg))]

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

pub use crate::core::{
    Clock, LayerBody, ManualClock, Principal, PrincipalBuilder, Problem, Retryability, Revoked, Revoker, SystemClock, Value,
};

#[cfg(fuzzing)]
#[doc(hidden)]
pub use crate::core::fuzzing;
