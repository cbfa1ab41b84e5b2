//! Asking the authorization server what a token is worth, [RFC 7662](https://www.rfc-editor.org/rfc/rfc7662).

pub(in crate::token_auth) mod answer;
mod builder;
mod client_auth;
mod refusals;
mod verifier;

pub use self::{builder::IntrospectionBuilder, client_auth::ClientAuth, verifier::Introspection};
