//! Makes entity tags and answers conditional and range requests, by [`PreconditionLayer`] alone or with a policy written.

mod future;
mod layer;
mod service;

pub use self::{future::ResponseFuture, layer::PreconditionLayer, service::ConditionalCache};
