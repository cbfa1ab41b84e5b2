//! What axum needs to know of the crate's types: extractors and responses, on `axum-core` alone.

#[cfg(feature = "conditional-cache")]
mod conditional_cache;
#[cfg(feature = "error-mapping")]
mod error_mapping;
mod or_problem;
mod problem;
#[cfg(feature = "token-auth")]
mod token_auth;
#[cfg(feature = "ws-upgrade")]
mod ws_upgrade;

pub use self::or_problem::OrProblem;
