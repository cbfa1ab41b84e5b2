use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::document::ProtectedResource;
use crate::{LayerBody, Problem};

/// The service of [`ProtectedResourceLayer`](super::ProtectedResourceLayer).
#[derive(Clone, Debug)]
pub struct ProtectedResourceService<S> {
    inner: S,
    resource: ProtectedResource,
}

impl<S> ProtectedResourceService<S> {
    pub(super) fn new(inner: S, resource: ProtectedResource) -> Self {
        Self { inner, resource }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for ProtectedResourceService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<LayerBody<ResBody>>;
    type Error = S::Error;
    type Future = ProtectedResourceFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let state = match request.uri().path_and_query() {
            Some(path) if path.as_str() == self.resource.metadata_path() => {
                State::Own { response: Some(answer(request.method(), &self.resource)) }
            }
            _ => State::Inner { future: self.inner.call(request) },
        };
        ProtectedResourceFuture { state }
    }
}

fn answer<B>(method: &Method, resource: &ProtectedResource) -> Response<LayerBody<B>> {
    let json = resource.json();
    let len = json.len();
    let mut response = match *method {
        Method::GET => Response::new(LayerBody::full(json)),
        Method::HEAD => Response::new(LayerBody::empty()),
        _ => {
            let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED).into_http_response();
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, len.into());
    // It changes with a deployment; clients ask for it once per authorization.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

pin_project! {
    /// The future of [`ProtectedResourceService`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ProtectedResourceFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B> {
        Inner { #[pin] future: F },
        Own { response: Option<Response<LayerBody<B>>> },
    }
}

impl<F, B, E> Future for ProtectedResourceFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<LayerBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Inner { future } => future.poll(cx).map_ok(|response| response.map(LayerBody::inner)),
            // Nothing is left when it is polled again after completion.
            StateProj::Own { response } => response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response))),
        }
    }
}

impl<F, B> fmt::Debug for ProtectedResourceFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtectedResourceFuture").finish_non_exhaustive()
    }
}
