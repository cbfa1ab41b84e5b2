use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    answer,
    binding::{self, Admission, Presentation},
    dpop::{DPOP_NONCE, replay::Asking},
    rejection::Rejection,
    settings::Settings,
    verifier::TokenError,
};
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

/// Who was let in, and the nonce that the response brings.
pub(super) type Passed = (Option<Principal>, Option<HeaderValue>);

// What waits is in a box, so that the future of those that do not wait stays small.
pin_project! {
    #[project = StateProj]
    enum State<S, F, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        Inner { #[pin] future: S::Future, passed: Passed, settings: Option<Arc<Settings>> },
        Verifying {
            #[pin]
            verdict: F,
            waiting: Option<Box<(S, Request<ReqBody>)>>,
            presentation: Presentation,
            settings: Arc<Settings>,
        },
        Asking {
            answer: Asking,
            waiting: Option<Box<(S, Request<ReqBody>, Principal)>>,
            nonce: Option<HeaderValue>,
            settings: Arc<Settings>,
        },
        Refused { rejection: Option<Rejection>, settings: Arc<Settings> },
    }
}

impl<S, F, ReqBody> ResponseFuture<S, F, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(super) fn inner(future: S::Future, passed: Passed, settings: &Arc<Settings>) -> Self {
        Self { state: State::Inner { future, passed, settings: settings.for_response() } }
    }

    /// `ready` is the service that was polled ready.
    pub(super) fn verifying(
        verdict: F,
        ready: S,
        request: Request<ReqBody>,
        presentation: Presentation,
        settings: Arc<Settings>,
    ) -> Self {
        Self { state: State::Verifying { verdict, waiting: Some(Box::new((ready, request))), presentation, settings } }
    }

    /// `ready` is the service that was polled ready.
    pub(super) fn asking(
        answer: Asking,
        ready: S,
        request: Request<ReqBody>,
        (principal, nonce): (Principal, Option<HeaderValue>),
        settings: Arc<Settings>,
    ) -> Self {
        Self { state: State::Asking { answer, waiting: Some(Box::new((ready, request, principal))), nonce, settings } }
    }

    pub(super) fn refused(rejection: Rejection, settings: Arc<Settings>) -> Self {
        Self { state: State::Refused { rejection: Some(rejection), settings } }
    }
}

impl<S, F, ReqBody> State<S, F, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn of(
        admission: Admission,
        (mut ready, mut request, principal): (S, Request<ReqBody>, Principal),
        settings: &Arc<Settings>,
    ) -> Self {
        match admission {
            Admission::Granted(nonce) => {
                request.extensions_mut().insert(principal.clone());
                Self::Inner { future: ready.call(request), passed: (Some(principal), nonce), settings: settings.for_response() }
            }
            Admission::Refused(rejection) => Self::refused(rejection, settings),
            Admission::Asked(answer, nonce) => {
                let waiting = Some(Box::new((ready, request, principal)));
                Self::Asking { answer, waiting, nonce, settings: Arc::clone(settings) }
            }
        }
    }

    fn refused(rejection: Rejection, settings: &Arc<Settings>) -> Self {
        Self::Refused { rejection: Some(rejection), settings: Arc::clone(settings) }
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
                StateProj::Inner { future, passed: (principal, nonce), settings } => {
                    let response = ready!(future.poll(cx))?;
                    let mut response =
                        answer::complete(response, principal.take(), settings.as_ref().map(|settings| &settings.space));
                    if let Some(nonce) = nonce.take() {
                        response.headers_mut().insert(DPOP_NONCE, nonce);
                    }
                    return Poll::Ready(Ok(response));
                }
                StateProj::Verifying { verdict, waiting, presentation, settings } => {
                    match (ready!(verdict.poll(cx)), waiting.take().map(|waiting| *waiting)) {
                        (Ok(principal), Some((ready, request))) => {
                            let admission = binding::admit(&principal, *presentation, &request, settings.space.dpop.as_ref());
                            State::of(admission, (ready, request, principal), settings)
                        }
                        (Err(error), _) => State::refused(Rejection::from(error).of_scheme(presentation.scheme()), settings),
                        // Polled again after a panic of the inner service's `call`.
                        (Ok(_), None) => return Poll::Pending,
                    }
                }
                StateProj::Asking { answer, waiting, nonce, settings } => {
                    let admission = binding::settled(ready!(answer.as_mut().poll(cx)), nonce.take());
                    match waiting.take() {
                        Some(waiting) => State::of(admission, *waiting, settings),
                        // As above.
                        None => return Poll::Pending,
                    }
                }
                StateProj::Refused { rejection, settings } => match rejection.take() {
                    Some(rejection) => return Poll::Ready(Ok(rejection.into_http_response(&settings.space))),
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
