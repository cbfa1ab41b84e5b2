//! Leaves an upstream alone that is down: see [`CircuitBreakerLayer`].

mod circuit;
mod future;
mod layer;
mod service;

pub use self::{circuit::CircuitState, future::CircuitBreakerFuture, layer::CircuitBreakerLayer, service::CircuitBreaker};
