//! What a client has to know to get a token for this API, [RFC 9728](https://www.rfc-editor.org/rfc/rfc9728).

pub(super) mod document;
mod layer;
mod service;

pub use self::{
    document::{ProtectedResource, ProtectedResourceBuilder},
    layer::ProtectedResourceLayer,
    service::{ProtectedResourceFuture, ProtectedResourceService},
};
