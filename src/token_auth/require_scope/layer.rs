use std::sync::Arc;

use tower_layer::Layer;

use super::{
    requirement::{Needed, Requirement},
    service::RequireScope,
};

/// Lets requests pass whose caller was granted what they need.
///
/// It stands somewhere within [`TokenAuthLayer`](crate::token_auth::TokenAuthLayer), around the routes that need the grant, and looks at the
/// [`Principal`](crate::Principal) that it finds there:
///
/// 1. The principal was granted it: the request passes.
/// 2. It was not: 403 `insufficient_scope`, with the scopes in the challenge
///    ([RFC 6750 §3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)).
/// 3. There is no principal, because `TokenAuth` lets the anonymous pass: 401 and `TokenAuth`'s challenge, as for any request without a token.
/// 4. There is no `TokenAuth` around it: 500 and an ERROR event for every request, never an open door.
///
/// ```
/// use donjon::token_auth::{JwtVerifier, RequireScopeLayer, TokenAuthLayer};
/// use tower::{Layer as _, ServiceBuilder};
///
/// fn layers(verifier: JwtVerifier) -> impl Sized {
///     ServiceBuilder::new()
///         .layer(TokenAuthLayer::new(verifier))
///         .layer(RequireScopeLayer::all_of(["articles:read", "articles:write"]))
/// }
/// ```
///
/// Roles of an identity provider that does not write them into `scope`:
///
/// ```
/// use donjon::token_auth::RequireScopeLayer;
///
/// let admins = RequireScopeLayer::any_of(["admin", "owner"]).claim(["realm_access", "roles"]);
/// ```
#[derive(Clone, Debug)]
pub struct RequireScopeLayer {
    requirement: Arc<Requirement>,
}

impl RequireScopeLayer {
    /// Wants every one of these. Of none of them wants no more than a caller who is known.
    #[must_use]
    pub fn all_of<I>(scopes: I) -> Self
    where
        I: IntoIterator<Item: Into<Box<str>>>,
    {
        Self { requirement: Arc::new(Requirement::new(Needed::All, scopes)) }
    }

    /// Wants one of these, whichever. Of none of them nobody can have one.
    #[must_use]
    pub fn any_of<I>(scopes: I) -> Self
    where
        I: IntoIterator<Item: Into<Box<str>>>,
    {
        Self { requirement: Arc::new(Requirement::new(Needed::Any, scopes)) }
    }

    /// Looks for them in this claim instead of among the principal's [scopes](crate::Principal::scopes): the names of the members that lead to
    /// it, from the outermost on. It must hold an array of texts, or one text, which counts as a whole: roles have
    /// names with spaces. Only if the last of the names is `scope` or `scp`, the words of the text count. An empty text is never granted.
    ///
    /// What is wanted is then no scope, and is not told in the challenge. The claims are read for every request: put the layer around the routes
    /// that need it.
    #[must_use]
    pub fn claim<I>(mut self, path: I) -> Self
    where
        I: IntoIterator<Item: Into<Box<str>>>,
    {
        Arc::make_mut(&mut self.requirement).claim = Some(path.into_iter().map(Into::into).collect());
        self
    }
}

impl<S> Layer<S> for RequireScopeLayer {
    type Service = RequireScope<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireScope::new(inner, Arc::clone(&self.requirement))
    }
}
