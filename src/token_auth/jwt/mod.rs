//! Signed tokens: [RFC 7519](https://www.rfc-editor.org/rfc/rfc7519) in the compact serialization of
//! [RFC 7515](https://www.rfc-editor.org/rfc/rfc7515), as strictly as [RFC 8725](https://www.rfc-editor.org/rfc/rfc8725) wants.

mod builder;
pub(super) mod claims;
pub(super) mod der;
pub(super) mod json;
pub(super) mod jwk;
pub(super) mod key_set;
pub(super) mod key_source;
pub(super) mod keys;
pub(super) mod parse;
mod roca;
mod verifier;
#[cfg(test)]
mod wycheproof;

pub use self::{builder::JwtVerifierBuilder, verifier::JwtVerifier};
