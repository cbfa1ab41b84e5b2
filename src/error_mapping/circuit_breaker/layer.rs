use std::{sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{
    circuit::{Circuit, CircuitState, Settings},
    service::CircuitBreaker,
};
use crate::{Clock, core::SharedClock};

/// Leaves an upstream alone that is down, and answers at once in its stead.
///
/// 1. Every request tells how the upstream is: what [`ErrorMapping`](super::super::ErrorMapping) would call its failure, and a 502, 503 or 504 that
///    it answers, counts against it; any other response for it, a 500 too, since it is there to give it. What is the fault of this server, of its
///    client or of a limit between them counts for nothing, and so does a response with a [`Problem`](crate::Problem), which was made in this
///    process.
/// 2. Too many failures among the last requests open the circuit. While it is open nothing is sent: the answer is a 503 `destination_unavailable`
///    ([RFC 9209 §2.3.4](https://www.rfc-editor.org/rfc/rfc9209#section-2.3.4)), safe to try again, whose `Retry-After` is what is left of the time.
///    To the retry of a request of which an earlier attempt may have been carried out it is safe only if repeating it does no harm.
/// 3. After that time one request passes as a probe, or as many as are [set](Self::probes). If they succeed the circuit closes and forgets;
///    the first one that fails opens it for the whole time again. One that is given up leaves its place to the next, and one that has said
///    nothing for as long as that time is joined by another, so that no hanging probe keeps it half open.
/// 4. A success is told when the head is there, and taken back if the body breaks off by the upstream's fault: the request is a failure then,
///    and when it was a probe the circuit opens again, unless as many requests as are remembered have told more since it closed. How long a body
///    lasts is for its content and its client to say (a stream of events has no end, and a slow reader makes one), so nobody waits
///    for it. A body that its client leaves changes nothing.
///
/// What stands beneath it has to ask the upstream for every response: one that a gateway gives by itself, such as that to a `TRACE` whose
/// [`Max-Forwards`](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.2) is 0, would be taken for a sign of the upstream's life, and belongs above.
///
/// A layer, with its clones, is one circuit for all the services that it makes: make one for each upstream, around the client. Above it stands
/// the retry layer, if there is one: each attempt of a retry counts. A timeout beneath it bounds an attempt, and one that runs out is a failure
/// of the upstream; one above it bounds the whole, and counts for nothing here.
///
/// ```
/// use bytes::Bytes;
/// use donjon::error_mapping::{CircuitBreakerLayer, CircuitState, UpstreamError};
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{Layer as _, ServiceExt as _, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let down = service_fn(|_: Request<()>| async { Err::<Response<Full<Bytes>>, _>(UpstreamError::new("down")) });
/// let layer = CircuitBreakerLayer::new().open_after(1, 10);
/// assert!(layer.layer(down).oneshot(Request::new(())).await.is_err());
/// assert_eq!(layer.state(), CircuitState::Open);
/// let answer = layer.layer(down).oneshot(Request::new(())).await.unwrap();
/// assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"5".parse().unwrap()));
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct CircuitBreakerLayer {
    circuit: Arc<Circuit>,
}

impl CircuitBreakerLayer {
    /// Opens after 10 failures among 20 requests, for 5 seconds, and closes after one probe.
    #[must_use]
    pub fn new() -> Self {
        Self { circuit: Arc::new(Circuit::new(Settings::default())) }
    }

    /// Opens when this many of the last requests have failed; 10 of 20 if not set. Of requests no more than 64 are remembered; less than
    /// one is taken as one, and more failures than requests as all of them.
    #[must_use]
    pub fn open_after(self, failures: u32, requests: u32) -> Self {
        self.with(|settings| (settings.failures, settings.window) = (failures, requests))
    }

    /// How long it stays open; 5 seconds if not set.
    #[must_use]
    pub fn open_for(self, time: Duration) -> Self {
        self.with(|settings| settings.open_for = time)
    }

    /// How many requests have to succeed before it closes, and how many pass at once until then; one if not set.
    #[must_use]
    pub fn probes(self, requests: u32) -> Self {
        self.with(|settings| settings.probes = requests)
    }

    /// What it reads the time from.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        self.with(|settings| settings.clock = SharedClock::new(clock))
    }

    /// Whether requests pass at the moment, for a report of health.
    #[must_use]
    pub fn state(&self) -> CircuitState {
        self.circuit.state()
    }

    /// Another setting is another circuit: none that somebody uses changes.
    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.circuit.settings.clone();
        change(&mut settings);
        Self { circuit: Arc::new(Circuit::new(settings)) }
    }
}

impl Default for CircuitBreakerLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for CircuitBreakerLayer {
    type Service = CircuitBreaker<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CircuitBreaker::new(inner, Arc::clone(&self.circuit))
    }
}
