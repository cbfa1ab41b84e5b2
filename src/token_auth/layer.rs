use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::{
    service::TokenAuth,
    settings::{Anonymous, Settings},
    source::TokenSource,
    verifier::VerifyToken,
};

/// Lets requests in by their token. See the [module](super) for what it does, and for examples.
///
/// `V` verifies the tokens; it is shared by all clones.
pub struct TokenAuthLayer<V> {
    verifier: Arc<V>,
    settings: Arc<Settings>,
}

impl<V: VerifyToken> TokenAuthLayer<V> {
    /// A layer that takes tokens from the `Authorization` header and refuses requests without one.
    pub fn new(verifier: V) -> Self {
        Self { verifier: Arc::new(verifier), settings: Arc::default() }
    }

    /// Adds a place to look for the token. The header stays one; see [`only_sources`](Self::only_sources).
    #[must_use]
    pub fn source(mut self, source: TokenSource) -> Self {
        let settings = Arc::make_mut(&mut self.settings);
        if settings.sources.is_empty() {
            settings.sources.push(TokenSource::header());
        }
        if !settings.sources.contains(&source) {
            settings.sources.push(source);
        }
        self
    }

    /// Looks for the token in these places and nowhere else; in the header, if there is none.
    #[must_use]
    pub fn only_sources(mut self, sources: impl IntoIterator<Item = TokenSource>) -> Self {
        let settings = Arc::make_mut(&mut self.settings);
        settings.sources.clear();
        for source in sources {
            if !settings.sources.contains(&source) {
                settings.sources.push(source);
            }
        }
        self
    }

    /// Lets requests without a token pass, without a [`Principal`](crate::Principal). A bad token is refused all the same: a client whose
    /// token has expired should hear of it, not find itself a stranger.
    #[must_use]
    pub fn allow_anonymous(mut self) -> Self {
        Arc::make_mut(&mut self.settings).anonymous = Anonymous::Passes;
        self
    }

    /// Names the protection space in the challenge ([RFC 9110 §11.5](https://www.rfc-editor.org/rfc/rfc9110#section-11.5)).
    #[must_use]
    pub fn realm(mut self, realm: impl Into<Box<str>>) -> Self {
        Arc::make_mut(&mut self.settings).realm = Some(realm.into());
        self
    }
}

impl<S, V> Layer<S> for TokenAuthLayer<V> {
    type Service = TokenAuth<S, V>;

    fn layer(&self, inner: S) -> Self::Service {
        TokenAuth::new(inner, Arc::clone(&self.verifier), Arc::clone(&self.settings))
    }
}

impl<V> Clone for TokenAuthLayer<V> {
    fn clone(&self) -> Self {
        Self { verifier: Arc::clone(&self.verifier), settings: Arc::clone(&self.settings) }
    }
}

impl<V> fmt::Debug for TokenAuthLayer<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAuthLayer").field("settings", &self.settings).finish_non_exhaustive()
    }
}
