use std::{error::Error, fmt};

use crate::error_mapping::upstream::BoxError;

/// A body that is kept failed, or cannot be read from its beginning any more.
///
/// The error of the body within is the [`source`](Error::source).
pub struct ReplayError(Kind);

enum Kind {
    Source(BoxError),
    Superseded,
    Lost,
}

impl ReplayError {
    pub(super) fn source(error: BoxError) -> Self {
        Self(Kind::Source(error))
    }

    pub(super) fn superseded() -> Self {
        Self(Kind::Superseded)
    }

    pub(super) fn lost() -> Self {
        Self(Kind::Lost)
    }
}

impl fmt::Debug for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplayError({self})")
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Source(_) => "the request body failed",
            Kind::Superseded => "the request is sent anew",
            Kind::Lost => "the beginning of the request body was not kept",
        })
    }
}

impl Error for ReplayError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::Source(error) => Some(&**error),
            Kind::Superseded | Kind::Lost => None,
        }
    }
}
