use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::retry::Policy;

use super::{
    advice::{Repeatable, of_error, of_response},
    backoff::Backoff,
    budget::Budget,
    replay::Replay,
    retry_after::retry_after,
};
use crate::{
    Clock, Retryability,
    core::{SharedClock, trace::event},
    error_mapping::{as_error::AsError, attempted::Attempted},
};

/// Says to [`tower::retry`](https://docs.rs/tower/0.5/tower/retry/) which requests of a gateway are sent again.
///
/// 1. Never after a 500, a 4xx, or an error that is not the upstream's: the handling failed half way, or would fail again.
/// 2. What is proven unsent or not begun (a refused connection, a name without an address, a stream that HTTP/2
///    [refused](super::super::Cause::Unprocessed), an open [circuit](super::super::CircuitBreakerLayer)) is sent again whatever its method.
/// 3. After any other failure of the upstream, and after a 502, 503 or 504 that it answers, only an idempotent method is
///    ([RFC 9110 §9.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2)), and where it is
///    [allowed](Self::allow_idempotency_key) a request with an `Idempotency-Key`. A service in the same process may know better, and says so
///    by a [`Retryability`](crate::Retryability) in its response's extensions.
/// 4. Only with a body that can be sent again: see [`Replay`].
/// 5. Only so often: at most twice for a request, and for a fifth of all requests, so that an upstream that is dead gets no more than 1.2 times
///    its load.
/// 6. After a wait that grows and that no two share. `Retry-After` is kept, in both its forms; one that asks for more than the longest wait is
///    left to the client, and its response passes. That of an open circuit is one like any other: where no more than the longest wait is left of its
///    time, a request waits for the probe instead of being answered at once.
/// 7. What the client is told holds for all attempts. After one that may have been carried out, the failure of a later one is not called
///    [safe](crate::Retryability::Safe) to repeat, though it be a refused connection or a lack of room, unless the method itself is
///    [safe](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1): neither by an [`ErrorMapping`](super::super::ErrorMapping) around it in
///    the [role of a gateway](super::super::Role::Gateway) nor by an open circuit beneath. They learn of it by the request's extensions, so
///    that whoever makes another request of it between them has to hand these on.
///
/// One policy, with its clones, has one budget: make one for each upstream.
///
/// ```
/// use bytes::Bytes;
/// use donjon::error_mapping::{CircuitBreakerLayer, ErrorMappingLayer, GatewayRetryPolicy, ReplayBody, Role};
/// use http::Request;
/// use http_body_util::Full;
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// use tower::ServiceBuilder;
///
/// let client = Client::builder(TokioExecutor::new()).build_http::<ReplayBody<Full<Bytes>>>();
/// let gateway = ServiceBuilder::new()
///     .layer(ErrorMappingLayer::new().role(Role::Gateway))
///     .map_request(|request: Request<Full<Bytes>>| request.map(|body| ReplayBody::new(body, 64 * 1024)))
///     .retry(GatewayRetryPolicy::new())
///     .layer(CircuitBreakerLayer::new())
///     .service(client);
/// # fn is_service<S: tower::Service<Request<Full<Bytes>>>>(_: S) {}
/// # is_service(gateway);
/// ```
///
/// A proxy has more to do than this stack does: it writes the upstream's authority into the request's URI, and takes the hop-by-hop fields out of the
/// request and of the response ([RFC 9110 §7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)). `examples/gateway` of the repository is one
/// that does.
///
/// A timeout beneath the retry layer bounds an attempt, one above it the whole with its waits. Either runs while the client uploads, too, and neither
/// bounds the body of a response: what does, and where it stands, is said at [`CircuitBreakerLayer`](super::super::CircuitBreakerLayer). A circuit
/// breaker beneath counts every attempt.
///
/// The client beneath must not follow redirects (reqwest: `redirect::Policy::none()`; no `FollowRedirect` of tower-http): where the second server
/// refuses the connection, a `POST` that the first one has acted on would be taken for unsent and sent again. See
/// [`Role::Gateway`](crate::error_mapping::Role::Gateway).
///
/// # Panics
/// Waiting needs the timer of a tokio runtime.
#[derive(Clone)]
pub struct GatewayRetryPolicy {
    repeatable: Repeatable,
    max_retries: u32,
    backoff: Backoff,
    budget: Arc<Budget>,
    clock: SharedClock,
    /// Of the one request that this clone is for.
    retries: u32,
}

impl GatewayRetryPolicy {
    /// At most two retries for a request, 20 retries for 100 requests, a first wait of up to 50 ms and none longer than 2 s.
    #[must_use]
    pub fn new() -> Self {
        Self {
            repeatable: Repeatable::ByMethod,
            max_retries: 2,
            backoff: Backoff { first: Duration::from_millis(50), most: Duration::from_secs(2) },
            budget: Arc::new(Budget::new(20)),
            clock: SharedClock::default(),
            retries: 0,
        }
    }

    /// How often one request is sent again. Twice if not set.
    #[must_use]
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// How many retries a hundred requests pay for, of all together; 20 if not set. The first request of all has none to its credit, and no more
    /// than a hundred are saved up.
    #[must_use]
    pub fn budget(mut self, percent: u8) -> Self {
        self.budget = Arc::new(Budget::new(percent));
        self
    }

    /// The first wait, of which a random part is waited, and which doubles with each retry. 50 ms if not set.
    #[must_use]
    pub fn first_wait(mut self, wait: Duration) -> Self {
        self.backoff.first = wait;
        self
    }

    /// The longest wait. A `Retry-After` beyond it is not waited for; one up to it is, and a random part of the growing wait on top, so
    /// that those who were told the same do not come back together. 2 s if not set.
    #[must_use]
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.backoff.most = wait;
        self
    }

    /// Takes the client's word that a request with an `Idempotency-Key` may be repeated whatever its method. The upstream has to keep it: one that
    /// does not know the field does the work twice. A key that is empty, comes twice, or is for the next hop alone
    /// ([`Connection`](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1) names it) is none.
    #[must_use]
    pub fn allow_idempotency_key(mut self) -> Self {
        self.repeatable = Repeatable::ByMethodOrKey;
        self
    }

    /// What the dates of `Retry-After` are compared with. The waits are tokio's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = SharedClock::new(clock);
        self
    }

    /// How long to wait before the request is sent again, and what the attempt leaves to be said of it.
    fn wait<B: Replay, R, E: AsError>(
        &self,
        request: &Request<B>,
        result: &Result<Response<R>, E>,
    ) -> Option<(Duration, Retryability)> {
        let (retryability, asked) = match result {
            Ok(response) => {
                let retryability = of_response(response.status(), response.extensions().get().copied());
                if retryability == Retryability::Never {
                    return None;
                }
                (retryability, retry_after(response.headers(), self.clock.now()))
            }
            Err(error) => (of_error(error.as_error()), None),
        };
        let may = match retryability {
            Retryability::Never => false,
            Retryability::IdempotentOnly => self.repeatable.admits(request.method(), request.headers()),
            Retryability::Safe => true,
        };
        if !may || self.retries >= self.max_retries || !request.body().is_whole() {
            return None;
        }
        let wait = self.backoff.wait(self.retries, asked)?;
        self.budget.withdraw().then_some((wait, retryability))
    }
}

impl<B: Replay, R, E: AsError> Policy<Request<B>, Response<R>, E> for GatewayRetryPolicy {
    type Future = RetryFuture;

    fn retry(&mut self, request: &mut Request<B>, result: &mut Result<Response<R>, E>) -> Option<RetryFuture> {
        let (wait, retryability) = self.wait(request, result)?;
        // The attempt before may still be reading, and would go on through the wait.
        if !request.body_mut().take_over() {
            return None;
        }
        if retryability != Retryability::Safe && !request.method().is_safe() {
            Attempted::tell(request.extensions_mut());
        }
        self.retries = self.retries.saturating_add(1);
        event!(DEBUG, "a request is sent again", retry = self.retries);
        Some(RetryFuture { sleep: tokio::time::sleep(wait) })
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        if self.retries == 0 {
            self.budget.deposit();
        }
        if self.retries >= self.max_retries {
            return None;
        }
        let mut clone = Request::new(request.body().replay()?);
        *clone.method_mut() = request.method().clone();
        *clone.uri_mut() = request.uri().clone();
        *clone.version_mut() = request.version();
        *clone.headers_mut() = request.headers().clone();
        *clone.extensions_mut() = request.extensions().clone();
        Some(clone)
    }
}

impl Default for GatewayRetryPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for GatewayRetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayRetryPolicy")
            .field("repeatable", &self.repeatable)
            .field("max_retries", &self.max_retries)
            .field("backoff", &self.backoff)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The wait of [`GatewayRetryPolicy`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct RetryFuture {
        #[pin]
        sleep: tokio::time::Sleep,
    }
}

impl Future for RetryFuture {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().sleep.poll(cx)
    }
}
