use std::{error::Error, fmt, net::IpAddr, sync::Arc, time::Duration};

use http::Extensions;
use tower_layer::Layer;

use super::{
    cause::Role, config::Config, correlation::Correlation, counts::ErrorCounts, empty::EmptyErrors, proxy_status::ProxyStatus,
    render::ErrorPage, report::ErrorReport, service::ErrorMapping, to_problem::ToProblem,
    upstream_retry_after::UpstreamRetryAfter,
};
use crate::{Clock, Problem, core::SharedClock};

/// Puts [`ErrorMapping`] around a service.
///
/// The settings are shared by every service that one layer makes.
///
/// ```
/// use bytes::Bytes;
/// use donjon::{Retryability, error_mapping::ErrorMappingLayer};
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{ServiceExt as _, service_fn, Layer as _};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let broken = service_fn(|_: Request<()>| async { Err::<Response<Full<Bytes>>, _>(std::io::Error::other("disk on fire")) });
/// let response = ErrorMappingLayer::new().layer(broken).oneshot(Request::new(())).await.unwrap();
/// assert_eq!(response.status(), 500);
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// assert_eq!(response.extensions().get(), Some(&Retryability::Never));
/// # });
/// ```
#[derive(Clone, Default)]
pub struct ErrorMappingLayer {
    config: Config,
}

impl ErrorMappingLayer {
    /// An origin that says `Retry-After: 1` with every 503 of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether this server answers for itself, the default, or for others.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.config.change().role = role;
        self
    }

    /// How long a client should wait after a 503 of this layer's making; sent as whole seconds, rounded up. One second if not set.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.config.change().retry_after = wait;
        self
    }

    /// Answers an error of type `E`, wherever it is in the source chain, with a problem of one's own.
    ///
    /// Own mappings come before what the layer knows by itself. In a chain the outermost error that has one decides; of two mappings for
    /// one type the first. A mapping that panics answers a fixed 500.
    #[must_use]
    pub fn map<E>(mut self, to_problem: impl Fn(&E) -> Problem + Send + Sync + 'static) -> Self
    where
        E: Error + 'static,
    {
        self.config.change().mappings.push(Arc::new(move |error| error.downcast_ref::<E>().map(&to_problem)));
        self
    }

    /// Answers an error of type `E`, wherever it is in the source chain, with the problem that it calls itself.
    ///
    /// As [`map`](Self::map), for errors that know their answer: see [`ToProblem`].
    #[must_use]
    pub fn map_own<E>(self) -> Self
    where
        E: ToProblem + Error + 'static,
    {
        self.map(E::to_problem)
    }

    /// Answers what neither a mapping nor the layer knows, instead of with a bare 500. It is told the error as it came.
    ///
    /// Panics are not asked about: their answer is fixed.
    #[must_use]
    pub fn fallback(mut self, to_problem: impl Fn(&(dyn Error + 'static)) -> Problem + Send + Sync + 'static) -> Self {
        self.config.change().fallback = Some(Arc::new(to_problem));
        self
    }

    /// Tells in `Proxy-Status` what went wrong with an upstream. Not sent if not set.
    ///
    /// Only in the [role of a gateway](Role::Gateway): an origin must not send the field
    /// ([RFC 9209 §2](https://www.rfc-editor.org/rfc/rfc9209#section-2)), and as one the layer does not touch it.
    #[must_use]
    pub fn proxy_status(mut self, proxy_status: ProxyStatus) -> Self {
        self.config.change().proxy_status = Some(proxy_status);
        self
    }

    /// What becomes of the `Retry-After` that an upstream has sent; a [cap](UpstreamRetryAfter::Cap) of one day if not set.
    ///
    /// Only in the [role of a gateway](Role::Gateway), and not of a success, of which the field says nothing
    /// ([RFC 9110 §10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)), nor of what was made in this process (a
    /// [`Problem`], an answer with a [`Cause`](super::Cause)). An origin's own is never touched.
    ///
    /// ```
    /// use donjon::error_mapping::{ErrorMappingLayer, Role, UpstreamRetryAfter};
    /// use std::time::Duration;
    ///
    /// let hour = UpstreamRetryAfter::Cap(Duration::from_secs(60 * 60));
    /// let layer = ErrorMappingLayer::new().role(Role::Gateway).upstream_retry_after(hour);
    /// ```
    #[must_use]
    pub fn upstream_retry_after(mut self, policy: UpstreamRetryAfter) -> Self {
        self.config.change().upstream_retry_after = policy;
        self
    }

    /// What an upstream's `Retry-After` is compared with where it is a date.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.config.change().clock = Some(SharedClock::new(clock));
        self
    }

    /// Carries the id of a request, and of its trace, into answers, events and reports. Neither is read if not set.
    #[must_use]
    pub fn correlation(mut self, correlation: Correlation) -> Self {
        self.config.change().correlation = Some(correlation);
        self
    }

    /// Tells of every error that is answered here (of a failure, of a panic, of a problem from within) and of every body that fails.
    ///
    /// It is called once for each, before the response is sent, so it has to be quick. Of stacked layers the innermost that has somebody to tell
    /// does. If it panics, the answer is as it would have been.
    ///
    /// ```
    /// use donjon::error_mapping::ErrorMappingLayer;
    ///
    /// let layer = ErrorMappingLayer::new().on_error(|report| {
    ///     let kind = report.problem().map_or("cut", |problem| problem.type_uri());
    ///     eprintln!("{kind} {:?} {}", report.cause(), report.request_id().unwrap_or("-"));
    /// });
    /// ```
    #[must_use]
    pub fn on_error(mut self, tell: impl Fn(&ErrorReport<'_>) + Send + Sync + 'static) -> Self {
        self.config.change().hooks.push(Arc::new(tell));
        self
    }

    /// Counts what [`on_error`](Self::on_error) would be told.
    #[must_use]
    pub fn count_in(self, counts: &ErrorCounts) -> Self {
        let counts = counts.clone();
        self.on_error(move |report| counts.add(report))
    }

    /// The page of a problem, in place of the built-in one. One that panics is replaced by it.
    #[must_use]
    pub fn html_page(mut self, page: impl Fn(&Problem) -> ErrorPage + Send + Sync + 'static) -> Self {
        self.config.change().template = Some(Arc::new(page));
        self
    }

    /// What becomes of error responses without content; they pass if not set.
    #[must_use]
    pub fn empty_errors(mut self, empty_errors: EmptyErrors) -> Self {
        self.config.change().empty_errors = empty_errors;
        self
    }

    /// Shows the texts of an error's chain, or of a panic, in the answer itself (as the member `causes`, in the page, in the text), to a peer on
    /// the machine's own loopback address, for development. Texts are scrubbed as for the log.
    ///
    /// `peer` finds the address of the connection's other end in the extensions of the request. Where it is not known, is not a loopback address,
    /// or the request carries a trace of a proxy (`Forwarded`, `Via`, `X-Forwarded-For`, `X-Forwarded-Host`, `X-Real-Ip`), or asks a `Host` that is
    /// neither a loopback address nor within `localhost`, nothing is shown.
    ///
    /// # Danger
    /// A proxy on the same machine that leaves no trace makes every client a local one: never set it where clients come by one.
    ///
    /// ```
    /// use axum::extract::ConnectInfo;
    /// use donjon::error_mapping::ErrorMappingLayer;
    /// use std::net::SocketAddr;
    ///
    /// let layer = ErrorMappingLayer::new();
    /// #[cfg(debug_assertions)]
    /// let layer = layer.dangerous_expose_causes(|extensions| Some(extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip()));
    /// ```
    #[must_use]
    pub fn dangerous_expose_causes(mut self, peer: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        self.config.change().exposed_to = Some(Arc::new(peer));
        self
    }
}

impl<S> Layer<S> for ErrorMappingLayer {
    type Service = ErrorMapping<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ErrorMapping::new(inner, self.config.clone())
    }
}

impl fmt::Debug for ErrorMappingLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorMappingLayer").field("config", &self.config).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_not_shared_with_the_layer_they_were_made_from() {
        let origin = ErrorMappingLayer::new();
        let gateway = origin.clone().role(Role::Gateway).map::<std::io::Error>(|_| Problem::new(http::StatusCode::CONFLICT));
        let told = |layer: &ErrorMappingLayer| format!("{layer:?}");
        assert!(told(&origin).contains("role: Origin, retry_after: 1s, mappings: 0,"), "{}", told(&origin));
        assert!(told(&gateway).contains("role: Gateway, retry_after: 1s, mappings: 1,"), "{}", told(&gateway));
    }
}
