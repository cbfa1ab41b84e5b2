//! Leaves an upstream alone that is down: see [`CircuitBreakerLayer`].

mod body;
mod circuit;
mod future;
mod layer;
mod record;
mod service;

pub use self::{
    body::CircuitBreakerBody, circuit::CircuitState, future::CircuitBreakerFuture, layer::CircuitBreakerLayer,
    service::CircuitBreaker,
};
