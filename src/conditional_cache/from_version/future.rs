use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::conditional_cache::{
    body::ResponseBody,
    validators::Validators,
    version::{self, Version},
};

pin_project! {
    /// The future of [`FromVersion`](super::FromVersion).
    #[must_use = "futures do nothing unless polled"]
    pub struct FromVersionFuture<S, B, F>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, F>,
    }
}

pin_project! {
    #[project = StateProj]
    #[project_replace = StateOwned]
    enum State<S, B, F>
    where
        S: Service<Request<B>>,
    {
        Asking { #[pin] version: F, asked: Option<(S, Request<B>)> },
        Calling { #[pin] inner: S::Future, validators: Option<Validators> },
    }
}

impl<S, B, F> FromVersionFuture<S, B, F>
where
    S: Service<Request<B>>,
{
    pub(super) fn passing(inner: S::Future) -> Self {
        Self { state: State::Calling { inner, validators: None } }
    }

    pub(super) fn asking(version: F, service: S, request: Request<B>) -> Self {
        Self { state: State::Asking { version, asked: Some((service, request)) } }
    }
}

impl<S, B, F, T, ResBody> Future for FromVersionFuture<S, B, F>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    F: Future<Output = Option<T>>,
    T: Into<Version>,
    ResBody: Body,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProj::Asking { version, asked } => {
                    let version = ready!(version.poll(cx));
                    // Taken once: the state is another from here on, or the answer is given.
                    let Some((mut service, request)) = asked.take() else { return Poll::Pending };
                    let validators = match version.map(|version| version.into().validators(request.headers())) {
                        None => None,
                        Some(current) => match version::answer(request.method(), request.headers(), current) {
                            Ok(answer) => return Poll::Ready(Ok(answer)),
                            Err(current) => Some(current),
                        },
                    };
                    let inner = service.call(request);
                    state.as_mut().project_replace(State::Calling { inner, validators });
                }
                StateProj::Calling { inner, validators } => {
                    let mut response = ready!(inner.poll(cx))?;
                    if let Some(validators) = validators.take() {
                        version::write(validators, &mut response);
                    }
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
            }
        }
    }
}

impl<S, B, F> fmt::Debug for FromVersionFuture<S, B, F>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromVersionFuture").finish_non_exhaustive()
    }
}
