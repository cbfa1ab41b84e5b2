use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{
    binding::{self, Admission, Presentation},
    future::ResponseFuture,
    rejection::{Rejection, RejectionKind},
    settings::{Anonymous, Settings},
    source::{self, Found},
    verifier::{TokenErrorKind, Verdict, VerifyToken},
};
use crate::{LayerBody, core::ready::take_ready};

/// The service of [`TokenAuthLayer`](super::TokenAuthLayer).
///
/// # Clone
///
/// The inner service must be [`Clone`] for the sake of verifiers that answer later: while one does, the service that was polled ready waits
/// with the request, and a clone takes its place. With an answer at once, as [`JwtVerifier`](super::JwtVerifier) gives while its keys are at
/// hand, it is never cloned.
pub struct TokenAuth<S, V> {
    inner: S,
    verifier: Arc<V>,
    settings: Arc<Settings>,
}

impl<S, V> TokenAuth<S, V> {
    pub(super) fn new(inner: S, verifier: Arc<V>, settings: Arc<Settings>) -> Self {
        Self { inner, verifier, settings }
    }
}

impl<S, V, ReqBody, ResBody> Service<Request<ReqBody>> for TokenAuth<S, V>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    V: VerifyToken,
{
    type Response = Response<LayerBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, V::Future, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let refuse = |rejection| ResponseFuture::refused(rejection, Arc::clone(&self.settings));
        let sources = self.settings.sources_or_default();
        let (verdict, presentation) = match source::find(request.method(), request.uri(), request.headers(), sources) {
            Found::Token { token, at } => (self.verifier.verify(token), Presentation::new(at, token)),
            Found::Nothing => {
                return match self.settings.anonymous {
                    Anonymous::Passes => ResponseFuture::inner(self.inner.call(request), (None, None), &self.settings),
                    Anonymous::Refused => refuse(RejectionKind::Missing.into()),
                };
            }
            Found::Several => return refuse(RejectionKind::InvalidRequest.into()),
            Found::Malformed => return refuse(RejectionKind::InvalidToken(TokenErrorKind::Malformed).into()),
        };
        source::conceal(&mut request, sources);
        match verdict {
            Verdict::Now(Ok(principal)) => {
                match binding::admit(&principal, presentation, &request, self.settings.space.dpop.as_ref()) {
                    Admission::Granted(nonce) => {
                        request.extensions_mut().insert(principal.clone());
                        ResponseFuture::inner(self.inner.call(request), (Some(principal), nonce), &self.settings)
                    }
                    Admission::Refused(rejection) => refuse(rejection),
                    Admission::Asked(answer, nonce) => {
                        let ready = take_ready(&mut self.inner);
                        ResponseFuture::asking(answer, ready, request, (principal, nonce), Arc::clone(&self.settings))
                    }
                }
            }
            Verdict::Now(Err(error)) => refuse(Rejection::from(error).of_scheme(presentation.scheme())),
            Verdict::Later(verdict) => {
                let ready = take_ready(&mut self.inner);
                ResponseFuture::verifying(verdict, ready, request, presentation, Arc::clone(&self.settings))
            }
        }
    }
}

impl<S: Clone, V> Clone for TokenAuth<S, V> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), verifier: Arc::clone(&self.verifier), settings: Arc::clone(&self.settings) }
    }
}

impl<S: fmt::Debug, V> fmt::Debug for TokenAuth<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAuth").field("inner", &self.inner).field("settings", &self.settings).finish_non_exhaustive()
    }
}
