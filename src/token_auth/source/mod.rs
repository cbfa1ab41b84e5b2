//! Where a request carries its token.

mod candidates;
mod conceal;
mod find;
mod place;
mod query;
mod subprotocol;

pub use self::place::TokenSource;
pub(super) use self::{
    candidates::FoundAt,
    conceal::conceal,
    find::{Found, find},
};
