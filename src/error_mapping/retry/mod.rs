//! Sending a request again, where that does no harm: see [`GatewayRetryPolicy`].

mod advice;
mod backoff;
mod budget;
mod policy;
mod recording;
mod replay;
mod replay_error;
mod retry_after;

pub(super) use self::retry_after::retry_after;
pub use self::{
    policy::{GatewayRetryPolicy, RetryFuture},
    replay::{Replay, ReplayBody},
    replay_error::ReplayError,
};
