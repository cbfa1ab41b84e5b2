//! Makes entity tags and answers conditional and range requests, and writes nothing about caching: see [`PreconditionLayer`].

mod future;
mod layer;
mod service;

pub(super) use self::future::Plan;
pub use self::{future::ResponseFuture, layer::PreconditionLayer, service::Precondition};
