use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{rejection::Rejection, settings::Settings, verifier::TokenError};
use crate::{LayerBody, Principal};

pin_project! {
    /// The future of [`TokenAuth`](super::TokenAuth).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, F, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        state: State<S, F, ReqBody>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        Inner { #[pin] future: S::Future, principal: Option<Principal> },
        Verifying { #[pin] verdict: F, waiting: Option<(S, Request<ReqBody>)>, settings: Arc<Settings> },
        Refused { rejection: Option<Rejection>, settings: Arc<Settings> },
    }
}

impl<S, F, ReqBody> ResponseFuture<S, F, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(super) fn inner(future: S::Future, principal: Option<Principal>) -> Self {
        Self { state: State::Inner { future, principal } }
    }

    /// `ready` is the service that was polled ready.
    pub(super) fn verifying(verdict: F, ready: S, request: Request<ReqBody>, settings: Arc<Settings>) -> Self {
        Self { state: State::Verifying { verdict, waiting: Some((ready, request)), settings } }
    }

    pub(super) fn refused(rejection: Rejection, settings: Arc<Settings>) -> Self {
        Self { state: State::Refused { rejection: Some(rejection), settings } }
    }
}

impl<S, F, ReqBody, ResBody> Future for ResponseFuture<S, F, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    F: Future<Output = Result<Principal, TokenError>>,
{
    type Output = Result<Response<LayerBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Inner { future, principal } => {
                    let mut response = ready!(future.poll(cx))?.map(LayerBody::inner);
                    if let Some(principal) = principal.take() {
                        response.extensions_mut().insert(principal);
                    }
                    return Poll::Ready(Ok(response));
                }
                StateProj::Verifying { verdict, waiting, settings } => match (ready!(verdict.poll(cx)), waiting.take()) {
                    (Ok(principal), Some((mut ready, mut request))) => {
                        request.extensions_mut().insert(principal.clone());
                        State::Inner { future: ready.call(request), principal: Some(principal) }
                    }
                    (Err(error), _) => State::Refused { rejection: Some(error.into()), settings: Arc::clone(settings) },
                    // Polled again after a panic of the inner service's `call`.
                    (Ok(_), None) => return Poll::Pending,
                },
                StateProj::Refused { rejection, settings } => match rejection.take() {
                    Some(rejection) => return Poll::Ready(Ok(rejection.into_http_response(settings.realm.as_deref()))),
                    // Polled again after completion.
                    None => return Poll::Pending,
                },
            };
            state.set(next);
        }
    }
}

impl<S, F, ReqBody> fmt::Debug for ResponseFuture<S, F, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
