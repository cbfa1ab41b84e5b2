//! Tokens that end before their time.

mod error;
mod list;
mod state;
mod status;

pub(super) use self::status::SharedRevocation;
pub use self::{
    error::{RevocationError, RevocationErrorKind},
    list::RevocationList,
    status::{Revocation, RevocationStatus, TokenFacts},
};
