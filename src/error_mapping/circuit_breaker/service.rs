use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{
    body::CircuitBreakerBody,
    circuit::{Admission, Circuit},
    future::{CircuitBreakerFuture, outcome_of},
};
use crate::error_mapping::{as_error::AsError, attempted::Attempted};

/// Answers for an upstream that is down; made by [`CircuitBreakerLayer`](super::CircuitBreakerLayer).
///
/// It is ready when the service within is, whose failure to become ready counts as that of a request.
///
/// # Clone
/// Clones have one circuit.
#[derive(Clone, Debug)]
pub struct CircuitBreaker<S> {
    inner: S,
    circuit: Arc<Circuit>,
}

impl<S> CircuitBreaker<S> {
    pub(super) fn new(inner: S, circuit: Arc<Circuit>) -> Self {
        Self { inner, circuit }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for CircuitBreaker<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: AsError,
{
    type Response = Response<CircuitBreakerBody<ResBody>>;
    type Error = S::Error;
    type Future = CircuitBreakerFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let polled = self.inner.poll_ready(cx);
        // To be ready is no request yet: it takes no place among the probes.
        if let Poll::Ready(Err(error)) = &polled
            && let Admission::Pass(mut ticket) = self.circuit.admit()
        {
            ticket.report(outcome_of(error));
        }
        polled
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        match self.circuit.admit() {
            Admission::Pass(ticket) => CircuitBreakerFuture::running(self.inner.call(request), ticket),
            Admission::Refuse(left) => CircuitBreakerFuture::refused(left, Attempted::is_told_in(request.extensions())),
        }
    }
}
