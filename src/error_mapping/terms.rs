//! What the answer to one request is made by.

use std::sync::Arc;

use http::{Extensions, HeaderMap};

use super::{attempted::Attempted, config::Config, correlation::Ids, proxy_status::Heard};
use crate::Problem;

/// The settings, and the names of the request if it has any; one word, and nothing where nothing was set.
///
/// It is in every response: one of more than 128 bytes is copied at several times the price.
#[derive(Clone, Default)]
pub(super) struct Terms(Option<Arc<Set>>);

#[derive(Clone)]
struct Set {
    config: Config,
    ids: Option<Ids>,
    heard: Heard,
    /// Of the request, if that may be repeated with harm.
    attempted: Option<Attempted>,
}

impl Terms {
    pub(super) fn new(config: Config) -> Self {
        Self((!config.is_default()).then(|| Arc::new(Set { config, ids: None, heard: Heard::default(), attempted: None })))
    }

    /// The same for a request that has these names.
    pub(super) fn named(&self, ids: Option<Ids>) -> Self {
        match &self.0 {
            Some(set) if ids.is_some() => Self(Some(Arc::new(Set { ids, ..Set::clone(set) }))),
            _ => self.clone(),
        }
    }

    /// Puts the word of a request into it, for whoever repeats it.
    pub(super) fn ask_of_attempts(&mut self, extensions: &mut Extensions) {
        if let Some(set) = &mut self.0 {
            Arc::make_mut(set).attempted = Some(Attempted::put_into(extensions));
        }
    }

    /// Whether an attempt of the request that was given up may have been carried out.
    pub(super) fn is_attempted(&self) -> bool {
        self.0.as_ref().and_then(|set| set.attempted.as_ref()).is_some_and(Attempted::is_told)
    }

    /// The same for a response whose head has told this of other proxies.
    pub(super) fn hearing(&self, heard: &Heard) -> Self {
        match &self.0 {
            Some(set) if !heard.is_nothing() => Self(Some(Arc::new(Set { heard: heard.clone(), ..Set::clone(set) }))),
            _ => self.clone(),
        }
    }

    /// The same for a request that has failed, which has a name at the latest now.
    #[cold]
    pub(super) fn of_failure(&self, problem: Option<&Problem>) -> Self {
        let correlation = self.config().correlation.as_ref();
        self.named(correlation.map(|correlation| correlation.of_failure(self.ids().cloned(), problem)))
    }

    #[inline]
    pub(super) fn config(&self) -> &Config {
        match &self.0 {
            None => const { &Config::DEFAULT },
            Some(set) => &set.config,
        }
    }

    #[inline]
    pub(super) fn ids(&self) -> Option<&Ids> {
        self.0.as_ref()?.ids.as_ref()
    }

    /// On the trailers of a response from within.
    pub(super) fn pass_trailers(&self, trailers: &mut HeaderMap) {
        if let Some(set) = &self.0
            && let Some(proxy_status) = set.config.proxy_status()
        {
            proxy_status.pass_trailers(trailers, &set.heard);
        }
    }

    /// Whether nothing was set, so that there is nothing to look up for a request that succeeds.
    #[inline]
    pub(super) fn is_default(&self) -> bool {
        self.0.is_none()
    }
}
