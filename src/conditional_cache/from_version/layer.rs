use std::fmt;

use tower_layer::Layer;

use super::service::FromVersion;

/// Asks a source for the [`Version`](super::super::Version) of what a GET or HEAD wants, and answers 304 to who has it: the inner service
/// is not called, and nothing is made.
///
/// The source is a function of the request's head, and may wait: for a row of a database, or for nothing at all. It answers what makes a
/// version (a number, a text, a time, a [`Version`](super::super::Version)), or `None` where it knows none, and then the request passes.
/// So that a request is not delayed by a slow source, ask it only what is quicker than the handler.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
/// use donjon::conditional_cache::FromVersionLayer;
/// use http::{Request, Response, request::Parts};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let revision = Arc::new(AtomicU64::new(7));
/// let source = move |request: &Parts| {
///     let known = request.uri.path() == "/articles";
///     let revision = revision.load(Ordering::Relaxed);
///     async move { known.then_some(revision) }
/// };
/// let service = ServiceBuilder::new()
///     .layer(FromVersionLayer::new(source))
///     .service(service_fn(async |_: Request<()>| Ok::<_, std::convert::Infallible>(Response::new("a long list".to_owned()))));
///
/// let first = service.clone().oneshot(Request::get("/articles").body(()).unwrap()).await.unwrap();
/// assert_eq!(first.headers()["etag"], "\"7\"");
/// let again = Request::get("/articles").header("if-none-match", "\"7\"").body(()).unwrap();
/// assert_eq!(service.oneshot(again).await.unwrap().status(), 304);
/// # });
/// ```
///
/// To one that accepts a coding the tag is weak, and no weak one matches `If-Match`. For a resource that is written to answer
/// `Version::from(revision).with_strong_tag()`, and let nothing further out [code its content](super::super::Version::with_strong_tag).
///
/// # Security
///
/// A 304 tells that the client's version is the current one. Put the layer inside whatever decides who may ask, or let the source
/// decide it.
///
/// # Ordering
///
/// Inside [`ConditionalCacheLayer`](super::super::ConditionalCacheLayer) or [`CachePolicyLayer`](super::super::CachePolicyLayer): a 304 has
/// to repeat `Cache-Control`, `Expires` and `Vary` ([RFC 9110 §15.4.5](https://www.rfc-editor.org/rfc/rfc9110#section-15.4.5)), which
/// their rules write on it too.
#[derive(Clone)]
#[must_use]
pub struct FromVersionLayer<V> {
    source: V,
}

impl<V> FromVersionLayer<V> {
    /// A layer that asks `source`: a function from `&`[`Parts`](http::request::Parts) to a future of an `Option` of what makes a version.
    pub fn new(source: V) -> Self {
        Self { source }
    }
}

impl<V: Clone, S> Layer<S> for FromVersionLayer<V> {
    type Service = FromVersion<S, V>;

    fn layer(&self, inner: S) -> Self::Service {
        FromVersion::new(inner, self.source.clone())
    }
}

impl<V> fmt::Debug for FromVersionLayer<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromVersionLayer").finish_non_exhaustive()
    }
}
