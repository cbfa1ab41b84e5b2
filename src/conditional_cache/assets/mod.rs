//! Files under URLs that change with their content.

mod answer;
mod body;
mod builder;
mod catalogue;
mod coding;
mod css;
mod error;
mod future;
mod gather;
mod handle;
mod name;
mod scan;
mod service;
mod settings;
mod source;
mod stamp;

pub use self::{
    body::FileBody,
    builder::AssetsBuilder,
    error::{AssetsError, AssetsErrorKind},
    future::AssetFuture,
    handle::Assets,
    service::AssetService,
    settings::{AssetMode, CssUrls},
};

#[cfg(fuzzing)]
mod fuzzing;
#[cfg(fuzzing)]
pub(super) use self::fuzzing::{fuzz_accept_encoding, fuzz_path, fuzz_stylesheet};
