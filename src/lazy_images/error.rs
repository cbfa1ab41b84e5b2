use std::{error::Error, fmt};

use lol_html::errors::SelectorError;

/// A setting of [`LazyImagesLayer`](super::LazyImagesLayer) that cannot be used.
#[derive(Debug)]
pub struct ConfigError {
    kind: ConfigErrorKind,
    source: SelectorError,
}

/// What is wrong with a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// A text is no CSS selector, or one that asks for what is only known behind the element.
    Selector,
}

impl ConfigError {
    pub(super) fn selector(source: SelectorError) -> Self {
        Self { kind: ConfigErrorKind::Selector, source }
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ConfigErrorKind::Selector => f.write_str("not a selector that can be matched while a page streams"),
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
