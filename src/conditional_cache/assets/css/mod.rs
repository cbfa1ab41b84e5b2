//! Stylesheets: the URLs within them, and how they follow the assets that they name.

mod escape;
mod order;
mod reference;
mod token;

pub(super) use self::order::rewrite;

#[cfg(fuzzing)]
pub(super) use self::reference::references;
