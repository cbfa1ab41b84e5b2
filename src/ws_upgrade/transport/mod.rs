//! What stands between the connection and the codec: reads the frames as they come, before they are whole.
//!
//! The codec beneath [`WsSocket`](super::WsSocket) looks at a frame when all of it is there and knows no extension. Here the text of a
//! frame is judged while it arrives (RFC 6455 §8.1 lets an endpoint fail as soon as it knows), and large frames are read in large pieces
//! without a large buffer for every idle connection; or, where compression was agreed on, compressed messages are inflated.
//!
//! A message that is sent alone, while the codec has nothing to send, is written beside it: with its head from where it is, in one call.

mod adapter;
#[cfg(any(test, fuzzing))]
#[allow(clippy::unwrap_used, reason = "a finding is a panic")]
pub(super) mod harness;
mod head;
mod inflow;
mod inspector;
mod plain;
mod stream;
#[cfg(test)]
mod tests;
mod text;

pub(super) use self::{
    adapter::{Stream, Transport},
    stream::{poll_flush, poll_message, poll_room, put, write},
};
