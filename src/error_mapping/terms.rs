//! What the answer to one request is made by.

use super::{config::Config, correlation::Ids};

/// The settings, and the names of the request if it has any.
///
/// Two words in every response: of more than 128 bytes a response is copied at several times the price.
pub(super) enum Terms {
    Unnamed(Config),
    Named(Box<(Config, Ids)>),
}

impl Terms {
    #[inline]
    pub(super) fn new(config: Config, ids: Option<Ids>) -> Self {
        match ids {
            None => Self::Unnamed(config),
            Some(ids) => Self::Named(Box::new((config, ids))),
        }
    }

    #[inline]
    pub(super) fn config(&self) -> &Config {
        match self {
            Self::Unnamed(config) => config,
            Self::Named(named) => &named.0,
        }
    }

    #[inline]
    pub(super) fn ids(&self) -> Option<&Ids> {
        match self {
            Self::Unnamed(_) => None,
            Self::Named(named) => Some(&named.1),
        }
    }

    /// Whether nothing was set, so that there is nothing to look up for a request that succeeds.
    #[inline]
    pub(super) fn is_default(&self) -> bool {
        matches!(self, Self::Unnamed(config) if config.is_default())
    }
}

impl Default for Terms {
    #[inline]
    fn default() -> Self {
        Self::Unnamed(Config::default())
    }
}
