use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Response, StatusCode};
use pin_project_lite::pin_project;

use super::circuit::{Outcome, Ticket};
use crate::{
    LayerBody,
    error_mapping::{
        as_error::AsError,
        attempted::Attempted,
        cause::{Cause, Role},
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
        Refused { left: Duration, attempted: Option<Attempted> },
    }
}

impl<F> CircuitBreakerFuture<F> {
    pub(super) fn running(future: F, ticket: Ticket) -> Self {
        Self { kind: Kind::Running { future, ticket } }
    }

    pub(super) fn refused(left: Duration, attempted: Option<Attempted>) -> Self {
        Self { kind: Kind::Refused { left, attempted } }
    }
}

impl<F, B, E> Future for CircuitBreakerFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: AsError,
{
    type Output = Result<Response<LayerBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Refused { left, attempted } => Poll::Ready(Ok(refusal(*left, *attempted))),
            KindProj::Running { future, ticket } => {
                let result = ready!(future.poll(cx));
                ticket.report(match &result {
                    Ok(response) => outcome_of_status(response.status()),
                    Err(error) => outcome_of(error),
                });
                Poll::Ready(result.map(|response| response.map(LayerBody::inner)))
            }
        }
    }
}

/// The retry advice is a gateway's whatever role the server has: nothing was sent, and nothing stands between this and the upstream. After an
/// attempt that may have done something it is an origin's, whose own part may be done when its upstream is out of reach.
#[cold]
fn refusal<B>(left: Duration, attempted: Option<Attempted>) -> Response<LayerBody<B>> {
    let role = if attempted.is_some() { Role::Origin } else { Role::Gateway };
    let mut response = Cause::DestinationUnavailable.problem(role, left).into_http_response();
    response.extensions_mut().insert(Cause::DestinationUnavailable);
    response
}

fn outcome_of_status(status: StatusCode) -> Outcome {
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => Outcome::Failure,
        _ => Outcome::Success,
    }
}

#[cold]
pub(super) fn outcome_of(error: &impl AsError) -> Outcome {
    if cause_of(error.as_error(), Place::Here).is_upstreams() { Outcome::Failure } else { Outcome::Unknown }
}

impl<F> fmt::Debug for CircuitBreakerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreakerFuture").finish_non_exhaustive()
    }
}
