use tower_layer::Layer;

use super::{service::CachePolicyService, writing::Writer};
use crate::{
    conditional_cache::policy::CachePolicy,
    core::{Clock, SharedClock},
};

/// Writes `Cache-Control`, `Expires`, `Vary` and the targeted fields on answers to GET and HEAD, by a [`CachePolicy`], and nothing else:
/// no tags, no conditions, and the body is the inner service's own.
///
/// [`ConditionalCacheLayer`](super::super::ConditionalCacheLayer) does the same and more. This one is for where something else makes the
/// validators: around a file service, or before a server that is proxied to.
///
/// ```
/// use donjon::conditional_cache::{CacheControl, CachePolicy, CachePolicyLayer, CacheRule};
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let policy = CachePolicy::builder().rule(CacheRule::new(CacheControl::versioned()).path("/assets/**")).build()?;
/// let service = ServiceBuilder::new()
///     .layer(CachePolicyLayer::new().policy(policy))
///     .service(service_fn(async |_: Request<()>| Ok::<_, std::convert::Infallible>(Response::new("any body at all"))));
///
/// let response = service.oneshot(Request::get("/assets/app.3f2a9c1b.js").body(()).unwrap()).await.unwrap();
/// assert_eq!(response.headers()["cache-control"], "public, max-age=31536000, immutable");
/// # Ok::<_, donjon::conditional_cache::PolicyError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct CachePolicyLayer {
    writer: Writer,
}

impl CachePolicyLayer {
    /// A layer that writes the defaults of [`CachePolicy`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what is written.
    pub fn policy(mut self, policy: CachePolicy) -> Self {
        self.writer.set_policy(policy);
        self
    }

    /// Sets the clock from which `Expires` is told; the system's if none is given.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.writer.set_clock(SharedClock::new(clock));
        self
    }
}

impl<S> Layer<S> for CachePolicyLayer {
    type Service = CachePolicyService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CachePolicyService::new(inner, self.writer.clone())
    }
}
