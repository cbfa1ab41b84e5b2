//! Issuing: what [`JwtVerifier`](super::JwtVerifier) verifies, for an application that is its own issuer.

mod builder;
mod error;
mod family;
mod jwk;
mod jwks;
mod key;
mod key_ring;
mod login;
mod memory_refresh_store;
mod refresh;
mod refresh_builder;
mod refresh_error;
mod refresh_store;
pub(super) mod refresh_token;
mod session_end;
mod token;
mod token_issuer;

pub use self::{
    builder::TokenIssuerBuilder,
    error::{IssueError, IssueErrorKind},
    family::RefreshFamily,
    jwks::JwksService,
    key::SigningKey,
    login::{Authenticate, Credentials, LoginError, LoginErrorKind},
    memory_refresh_store::MemoryRefreshStore,
    refresh::RefreshTokens,
    refresh_builder::RefreshTokensBuilder,
    refresh_error::{RefreshError, RefreshErrorKind},
    refresh_store::{RefreshStore, Replaced},
    refresh_token::SessionId,
    session_end::RevokeSession,
    token::{Grant, IssuedToken, TokenPair},
    token_issuer::TokenIssuer,
};
