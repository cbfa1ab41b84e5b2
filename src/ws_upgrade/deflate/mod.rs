//! permessage-deflate, [RFC 7692](https://www.rfc-editor.org/rfc/rfc7692).

mod agreement;
mod config;
mod deflater;
mod extension;
mod forms;
mod inflater;
mod pool;

pub use self::config::Deflate;
pub(super) use self::{
    deflater::Deflater,
    extension::{Extension, Negotiated},
    forms::Forms,
    inflater::{Inflated, Inflater},
};
