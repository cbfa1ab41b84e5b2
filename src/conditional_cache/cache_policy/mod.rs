//! Writes what may be kept, by whom and for how long, and nothing else: see [`CachePolicyLayer`].

mod future;
mod layer;
mod service;
mod writing;

pub(super) use self::writing::{Reading, Writer};
pub use self::{future::CachePolicyFuture, layer::CachePolicyLayer, service::CachePolicyService};
