use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, header};
use pin_project_lite::pin_project;
use tokio::runtime::Handle;

use super::{
    accept::{Acceptance, Handler},
    deflate::Negotiated,
    handshake::Answer,
    rejection::{WsRejection, WsRejectionKind},
    session::Session,
};
use crate::core::{
    LayerBody, Principal,
    trace::{event, in_current_span},
};

pin_project! {
    /// The response of a [`WsUpgrade`](super::WsUpgrade) service.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<F> {
        Inner { #[pin] future: F, opening: Option<Box<Opening>> },
        Rejected { rejection: WsRejection },
    }
}

/// A valid handshake whose answer is awaited.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) answer: Answer,
    pub(super) acceptance: Acceptance,
    pub(super) session: Session,
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(super) fn pass(future: F) -> Self {
        Self { kind: Kind::Inner { future, opening: None } }
    }

    pub(super) fn open(future: F, opening: Box<Opening>) -> Self {
        Self { kind: Kind::Inner { future, opening: Some(opening) } }
    }

    pub(super) fn reject(rejection: WsRejection) -> Self {
        Self { kind: Kind::Rejected { rejection } }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<LayerBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Inner { future, opening: None } => future.poll(cx).map_ok(|response| response.map(LayerBody::inner)),
            KindProj::Inner { future, opening } => answer(future, opening, cx),
            KindProj::Rejected { rejection } => reject(rejection),
        }
    }
}

// Out of line, so that the way of every other request stays short.

#[inline(never)]
fn answer<F, B, E>(
    future: Pin<&mut F>,
    opening: &mut Option<Box<Opening>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<LayerBody<B>>, E>>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    let response = ready!(future.poll(cx))?;
    Poll::Ready(Ok(match opening.take() {
        None => response.map(LayerBody::inner),
        Some(opening) => opening.answer(response),
    }))
}

#[inline(never)]
fn reject<B, E>(rejection: &WsRejection) -> Poll<Result<Response<LayerBody<B>>, E>> {
    rejection.report();
    Poll::Ready(Ok(rejection.into_http_response()))
}

impl Opening {
    /// Opens the socket if the inner service's answer is an acceptance that nothing has overruled; else lets the answer pass.
    fn answer<B>(self, response: Response<B>) -> Response<LayerBody<B>> {
        match self.acceptance.take() {
            None => response.map(LayerBody::inner),
            Some(handler) if response.status() == StatusCode::SWITCHING_PROTOCOLS => self.switch(handler, response),
            Some(_) => {
                event!(WARN, "websocket acceptance was overruled on its way to the layer", status = response.status());
                response.map(LayerBody::inner)
            }
        }
    }

    fn switch<B>(self, handler: Handler, response: Response<B>) -> Response<LayerBody<B>> {
        let Self { answer, mut session, .. } = self;
        let extensions = session.deflate.as_ref().and_then(Negotiated::header_value);
        let (mut parts, _) = response.into_parts();
        // Who was verified beneath this layer is known only now.
        if let Some(principal) = parts.extensions.get::<Principal>()
            && let Err(kind) = session.identify(principal)
        {
            return refuse(kind, &answer, &session);
        }
        let Ok(runtime) = Handle::try_current() else { return refuse(WsRejectionKind::NoUpgrade, &answer, &session) };
        parts.status = complete(&mut parts.headers, answer, session.subprotocol.clone(), extensions);
        runtime.spawn(in_current_span(session.run(handler)));
        Response::from_parts(parts, LayerBody::empty())
    }
}

fn refuse<B>(kind: WsRejectionKind, answer: &Answer, session: &Session) -> Response<LayerBody<B>> {
    session.config.counters.refused();
    let version = if *answer == Answer::Connected { Version::HTTP_2 } else { Version::HTTP_11 };
    let rejection = kind.over(version);
    rejection.report();
    rejection.into_http_response()
}

/// Writes the fields of [RFC 6455 §4.2.2](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2) over whatever stands there, and
/// removes those of a body, which neither a 101 ([RFC 9110 §6.4.1](https://www.rfc-editor.org/rfc/rfc9110#section-6.4.1)) nor the answer
/// to a CONNECT ([§9.3.6](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6)) has. Returns the status.
fn complete(
    headers: &mut HeaderMap,
    answer: Answer,
    subprotocol: Option<HeaderValue>,
    extensions: Option<HeaderValue>,
) -> StatusCode {
    if !headers.is_empty() {
        for name in [
            header::CONTENT_LENGTH,
            header::CONTENT_TYPE,
            header::TRANSFER_ENCODING,
            header::SEC_WEBSOCKET_EXTENSIONS,
            header::SEC_WEBSOCKET_PROTOCOL,
        ] {
            headers.remove(name);
        }
    }
    if let Some(extensions) = extensions {
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, extensions);
    }
    if let Some(subprotocol) = subprotocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    match answer {
        Answer::SwitchingProtocols(accept) => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
            StatusCode::SWITCHING_PROTOCOLS
        }
        Answer::Connected => StatusCode::OK,
    }
}

impl<F> std::fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
