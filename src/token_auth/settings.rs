use std::sync::Arc;

use super::{challenge::ProtectionSpace, source::TokenSource};

/// What the builder of the layer collects.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    /// Empty for the default, the header alone.
    pub(super) sources: Vec<TokenSource>,
    pub(super) anonymous: Anonymous,
    pub(super) space: ProtectionSpace,
}

/// What happens to a request without a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Anonymous {
    #[default]
    Refused,
    Passes,
}

impl Settings {
    /// What is needed of it when the response comes: nothing, where a challenge says no more than its scheme. The count that all requests share
    /// is then left alone.
    pub(super) fn for_response(self: &Arc<Self>) -> Option<Arc<Self>> {
        let ProtectionSpace { realm, resource_metadata, dpop } = &self.space;
        (realm.is_some() || resource_metadata.is_some() || dpop.is_some()).then(|| Arc::clone(self))
    }

    pub(super) fn sources_or_default(&self) -> &[TokenSource] {
        const HEADER: &[TokenSource] = &[TokenSource::HEADER];
        if self.sources.is_empty() { HEADER } else { &self.sources }
    }
}
