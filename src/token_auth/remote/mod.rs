//! What is asked of other servers: keys by URL and by issuer, and what an opaque token is worth.

mod builder;
pub(super) mod discovery;
mod error;
mod fetch;
mod https;
pub(super) mod introspection;
mod keys;
mod schedule;

pub use self::{
    builder::RemoteKeysBuilder,
    error::{RemoteError, RemoteErrorKind},
    fetch::Fetch,
    https::{HttpsClient, HttpsClientBuilder},
    introspection::{ClientAuth, Introspection, IntrospectionBuilder},
    keys::RemoteKeys,
};
