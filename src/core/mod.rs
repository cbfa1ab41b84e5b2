//! What two or more layers need: the few types through which they know each other, and the HTTP grammar that they share.
//!
//! Nothing in here imports a layer. What is public is re-exported at the crate's root.

mod asset_urls;
mod body;
mod clock;
mod principal;
mod problem;
mod retry;
mod signal;

#[cfg_attr(not(feature = "full"), allow(dead_code, unused_imports, reason = "each layer uses its own part of the grammar"))]
pub(crate) mod header;
#[cfg_attr(not(feature = "full"), allow(dead_code, reason = "only layers that know files decode paths"))]
pub(crate) mod path;
#[cfg_attr(not(feature = "full"), allow(dead_code, reason = "only layers that wait before they call need it"))]
pub(crate) mod ready;
#[cfg_attr(not(feature = "full"), allow(dead_code, reason = "each layer reads its own kinds of structured fields"))]
pub(crate) mod structured;
#[cfg_attr(
    not(feature = "full"),
    allow(dead_code, unused_imports, unused_macros, reason = "not every layer has something to tell")
)]
pub(crate) mod trace;

pub use self::{
    asset_urls::AssetUrls,
    body::LayerBody,
    clock::{Clock, ManualClock, SystemClock},
    principal::{Principal, PrincipalBuilder},
    problem::{Problem, Value},
    retry::Retryability,
    signal::{Revoked, Revoker},
};
#[cfg_attr(
    not(feature = "full"),
    allow(unused_imports, reason = "only layers that read the time hold a clock, only assets write a manifest")
)]
pub(crate) use self::{clock::SharedClock, problem::json_member};

#[cfg(fuzzing)]
pub use self::header::fuzzing;
