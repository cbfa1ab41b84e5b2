//! Answers 304 before anything is made, from a version that is cheap to learn: see [`FromVersionLayer`].

mod future;
mod layer;
mod service;

pub use self::{future::FromVersionFuture, layer::FromVersionLayer, service::FromVersion};
