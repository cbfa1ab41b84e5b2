use std::{error::Error, fmt, slice, sync::Arc, time::Duration};

use super::cause::Role;
use crate::Problem;

/// An own mapping: the problem for an error that it knows.
pub(super) type Mapping = Arc<dyn Fn(&(dyn Error + 'static)) -> Option<Problem> + Send + Sync>;

/// Shared, and free to copy while there are none, which is what a request that succeeds pays for.
#[derive(Clone, Default)]
pub(super) struct Mappings(Option<Arc<Vec<Mapping>>>);

impl Mappings {
    pub(super) fn push(&mut self, mapping: Mapping) {
        Arc::make_mut(self.0.get_or_insert_default()).push(mapping);
    }

    pub(super) fn iter(&self) -> slice::Iter<'_, Mapping> {
        self.0.as_deref().map_or(&[][..], Vec::as_slice).iter()
    }
}

/// What can be set on the layer. Every response future holds a copy.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) role: Role,
    pub(super) retry_after: Duration,
    pub(super) mappings: Mappings,
}

impl Default for Config {
    fn default() -> Self {
        Self { role: Role::Origin, retry_after: Duration::from_secs(1), mappings: Mappings::default() }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("role", &self.role)
            .field("retry_after", &self.retry_after)
            .field("mappings", &self.mappings.iter().len())
            .finish()
    }
}
