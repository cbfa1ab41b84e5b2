use std::{error::Error, fmt, ops::Deref, sync::Arc, time::Duration};

use super::{
    cause::Role, correlation::Correlation, empty::EmptyErrors, exposure::PeerOf, proxy_status::ProxyStatus, render::Template,
    report::Hook,
};
use crate::Problem;

/// An own mapping: the problem for an error that it knows.
pub(super) type Mapping = Arc<dyn Fn(&(dyn Error + 'static)) -> Option<Problem> + Send + Sync>;

/// The answer to what nothing else knows.
pub(super) type Fallback = Arc<dyn Fn(&(dyn Error + 'static)) -> Problem + Send + Sync>;

/// What can be set on the layer; shared by everything that one layer makes, and nothing at all while all is as it was.
#[derive(Clone, Default)]
pub(super) struct Config(Option<Arc<Settings>>);

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) role: Role,
    pub(super) retry_after: Duration,
    pub(super) mappings: Vec<Mapping>,
    pub(super) fallback: Option<Fallback>,
    pub(super) proxy_status: Option<ProxyStatus>,
    pub(super) correlation: Option<Correlation>,
    pub(super) hooks: Vec<Hook>,
    pub(super) template: Option<Template>,
    pub(super) empty_errors: EmptyErrors,
    pub(super) exposed_to: Option<Arc<PeerOf>>,
}

const DEFAULT: Settings = Settings {
    role: Role::Origin,
    retry_after: Duration::from_secs(1),
    mappings: Vec::new(),
    fallback: None,
    proxy_status: None,
    correlation: None,
    hooks: Vec::new(),
    template: None,
    empty_errors: EmptyErrors::Pass,
    exposed_to: None,
};

impl Config {
    pub(super) const DEFAULT: Self = Self(None);

    pub(super) fn change(&mut self) -> &mut Settings {
        Arc::make_mut(self.0.get_or_insert_with(|| Arc::new(DEFAULT)))
    }

    /// Whether nothing was set, so that there is nothing to look up for a request that succeeds.
    #[inline]
    pub(super) fn is_default(&self) -> bool {
        self.0.is_none()
    }
}

impl Deref for Config {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        static SETTINGS: Settings = DEFAULT;
        self.0.as_deref().unwrap_or(&SETTINGS)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("role", &self.role)
            .field("retry_after", &self.retry_after)
            .field("mappings", &self.mappings.len())
            .field("fallback", &self.fallback.is_some())
            .field("proxy_status", &self.proxy_status)
            .field("correlation", &self.correlation)
            .field("hooks", &self.hooks.len())
            .field("template", &self.template.is_some())
            .field("empty_errors", &self.empty_errors)
            .field("exposes", &self.exposed_to.is_some())
            .finish()
    }
}
