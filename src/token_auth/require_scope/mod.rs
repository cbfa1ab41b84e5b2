//! Lets requests pass whose caller was granted what they need: see [`RequireScopeLayer`].

mod future;
mod layer;
mod refusal;
mod requirement;
mod service;

pub(super) use self::refusal::{RequiredScope, Unguarded};
pub use self::{future::RequireScopeFuture, layer::RequireScopeLayer, service::RequireScope};
