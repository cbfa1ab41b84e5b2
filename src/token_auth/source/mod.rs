//! Where a request carries its token.

mod candidates;
mod find;
mod place;
mod query;
mod subprotocol;

pub use self::place::TokenSource;
pub(super) use self::{
    candidates::FoundAt,
    find::{Found, find, mark_sensitive},
    query::strip_query,
    subprotocol::strip_subprotocol,
};
