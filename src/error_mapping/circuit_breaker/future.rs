use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Response, StatusCode};
use pin_project_lite::pin_project;

use super::{
    body::CircuitBreakerBody,
    circuit::{Outcome, Ticket},
};
use crate::{
    LayerBody, Problem,
    error_mapping::{
        as_error::AsError,
        cause::{Cause, Role, after_attempt},
        walk::{Place, cause_of},
    },
};

pin_project! {
    /// The future of [`CircuitBreaker`](super::CircuitBreaker).
    #[must_use = "futures do nothing unless polled"]
    pub struct CircuitBreakerFuture<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<F> {
        Running { #[pin] future: F, ticket: Ticket },
        Refused { left: Duration, attempted: bool },
    }
}

impl<F> CircuitBreakerFuture<F> {
    pub(super) fn running(future: F, ticket: Ticket) -> Self {
        Self { kind: Kind::Running { future, ticket } }
    }

    pub(super) fn refused(left: Duration, attempted: bool) -> Self {
        Self { kind: Kind::Refused { left, attempted } }
    }
}

impl<F, B, E> Future for CircuitBreakerFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: AsError,
{
    type Output = Result<Response<CircuitBreakerBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Refused { left, attempted } => Poll::Ready(Ok(refusal(*left, *attempted))),
            KindProj::Running { future, ticket } => {
                let response = match ready!(future.poll(cx)) {
                    Ok(response) => response,
                    Err(error) => {
                        ticket.report(outcome_of(&error));
                        return Poll::Ready(Err(error));
                    }
                };
                let word = match outcome_of_response(&response) {
                    Outcome::Success => ticket.succeed(),
                    outcome => {
                        ticket.report(outcome);
                        None
                    }
                };
                Poll::Ready(Ok(response.map(|body| CircuitBreakerBody::observed(body, word))))
            }
        }
    }
}

/// The retry advice is a gateway's whatever role the server has: nothing was sent, and nothing stands between this and the upstream. An attempt
/// before it may have done something.
#[cold]
fn refusal<B>(left: Duration, attempted: bool) -> Response<CircuitBreakerBody<B>> {
    let problem = Cause::DestinationUnavailable.problem(Role::Gateway, left);
    let problem = if attempted { after_attempt(problem) } else { problem };
    let mut response: Response<LayerBody<B>> = problem.into_http_response();
    response.extensions_mut().insert(Cause::DestinationUnavailable);
    response.map(CircuitBreakerBody::own)
}

/// A cause and a problem are said in this process: a status beside them is nothing that an upstream has answered.
fn outcome_of_response<B>(response: &Response<B>) -> Outcome {
    match (response.extensions().get::<Cause>(), response.status()) {
        (Some(cause), _) => outcome_of_cause(*cause),
        (None, _) if response.extensions().get::<Problem>().is_some() => Outcome::Unknown,
        (None, status) => outcome_of_status(status),
    }
}

fn outcome_of_status(status: StatusCode) -> Outcome {
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => Outcome::Failure,
        _ => Outcome::Success,
    }
}

#[cold]
pub(super) fn outcome_of(error: &impl AsError) -> Outcome {
    outcome_of_cause(cause_of(error.as_error(), Place::Here))
}

fn outcome_of_cause(cause: Cause) -> Outcome {
    if cause.is_upstreams() { Outcome::Failure } else { Outcome::Unknown }
}

impl<F> fmt::Debug for CircuitBreakerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreakerFuture").finish_non_exhaustive()
    }
}
