//! A response's content, read once and given to all who wait for it.
//!
//! Nothing pumps: the reader that is furthest pulls the inner body on, the others follow in what it brought, each at its own pace. So nobody
//! reads ahead of every client, a slow one keeps no other waiting, whichever of them asked first, and a body with one reader costs no task.
//!
//! All of it is kept for who comes later, until it is whole, or larger than may be stored, or all bodies together have no more room. From
//! then on nobody can come any more, and as much as might have been stored is kept for those who are behind; who falls further behind is
//! cut short.
//!
//! When the last reader goes away, what is left is read on only if its end is known to be near: a length was told, and it is within
//! what may be stored. Else the inner body is dropped, as it would be without a cache.

mod buffer;
mod drive;
mod reader;
mod room;
mod wakers;

pub(super) use self::{
    drive::{Fill, Filled, Limits},
    reader::{ReadError, Reader},
    room::Room,
};

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
