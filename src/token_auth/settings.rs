use super::source::TokenSource;

/// What the builder of the layer collects.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    /// Empty for the default, the header alone.
    pub(super) sources: Vec<TokenSource>,
    pub(super) anonymous: Anonymous,
    pub(super) realm: Option<Box<str>>,
}

/// What happens to a request without a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Anonymous {
    #[default]
    Refused,
    Passes,
}

impl Settings {
    pub(super) fn sources_or_default(&self) -> &[TokenSource] {
        const HEADER: &[TokenSource] = &[TokenSource::HEADER];
        if self.sources.is_empty() { HEADER } else { &self.sources }
    }
}
