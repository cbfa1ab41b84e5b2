use std::{
    error::Error,
    fmt, mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    cause::{Cause, Role},
    chain::{Chain, chain},
    correlation::Ids,
    guard::{Foreign, Panicked, catch, guard},
    report::{ErrorReport, ErrorStage, report},
    terms::Terms,
    upstream::BoxError,
    walk::{Place, cause_of},
};
use crate::core::trace::event;

pin_project! {
    /// The response body of [`ErrorMapping`](super::ErrorMapping): the inner body, observed, or a rendered problem.
    ///
    /// Frames, trailers (but for a `Proxy-Status` that a gateway [does not let through](super::UpstreamProxyStatus)) and size hints pass. An error of the inner body passes as a [`BodyError`], and a panic of it becomes one, so that
    /// the server cuts the message instead of losing the connection's task or ending it as if it were whole.
    pub struct ResponseBody<B> {
        #[pin]
        content: Content<B>,
    }

    impl<B> PinnedDrop for ResponseBody<B> {
        // A client that leaves drops it in the task of its connection.
        fn drop(this: Pin<&mut Self>) {
            if mem::needs_drop::<B>() && matches!(this.content, Content::Inner { .. }) {
                leave(this.project().content);
            }
        }
    }
}

pin_project! {
    // Not a `LayerBody`, beside which the terms would have a place of its own.
    #[project = ContentProj]
    enum Content<B> {
        Inner { #[pin] body: B, terms: Terms },
        // In a box, so that the many responses without such bytes are not made larger by them; none when nothing is (left) to be sent.
        Own { bytes: Option<Box<Bytes>> },
    }
}

impl<B> ResponseBody<B> {
    #[inline]
    pub(super) fn inner(body: B, terms: Terms) -> Self {
        Self { content: Content::Inner { body, terms } }
    }

    pub(super) fn full(bytes: Bytes) -> Self {
        Self { content: Content::Own { bytes: (!bytes.is_empty()).then(|| Box::new(bytes)) } }
    }
}

/// What is not polled again may panic when it is dropped.
#[cold]
fn leave<B>(mut content: Pin<&mut Content<B>>) {
    let _ = guard(|| content.set(Content::Own { bytes: None }));
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data: From<Bytes>, Error: Into<BoxError>>,
{
    type Data = B::Data;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, BodyError>>> {
        let mut content = self.project().content;
        let error = match content.as_mut().project() {
            ContentProj::Inner { body, terms } => match catch(|| body.poll_frame(cx)) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(None)) => return Poll::Ready(None),
                Ok(Poll::Ready(Some(Ok(mut frame)))) => {
                    if let (false, Some(trailers)) = (terms.is_default(), frame.trailers_mut()) {
                        terms.pass_trailers(trailers);
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                Ok(Poll::Ready(Some(Err(error)))) => BodyError::failed(error, terms),
                Err(panicked) => BodyError::panicked(&panicked, terms),
            },
            ContentProj::Own { bytes } => match catch(|| bytes.take().map(|bytes| Frame::data((*bytes).into()))) {
                Ok(frame) => return Poll::Ready(frame.map(Ok)),
                Err(panicked) => BodyError::panicked(&panicked, &Terms::default()),
            },
        };
        // Whoever asks again is not told the same again.
        leave(content);
        Poll::Ready(Some(Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Inner { body, .. } => guard(|| body.is_end_stream()).unwrap_or(false),
            Content::Own { bytes } => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Inner { body, .. } => guard(|| body.size_hint()).unwrap_or_default(),
            Content::Own { bytes } => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.content {
            Content::Inner { .. } => "ResponseBody::Inner",
            Content::Own { .. } => "ResponseBody::Own",
        })
    }
}

/// An upstream that breaks off is a warning; what breaks here an error.
fn tell(cause: Cause, error: &(dyn Error + 'static), ids: Option<&Ids>) {
    let (id, trace) = (ids.and_then(Ids::request), ids.and_then(Ids::trace));
    match cause.is_upstreams() {
        true => {
            event!(WARN, "the body of a response failed", cause = cause, error = Chain(error); request_id = id, trace_id = trace)
        }
        false => {
            event!(ERROR, "the body of a response failed", cause = cause, error = Chain(error); request_id = id, trace_id = trace)
        }
    }
}

/// The body of a response failed after its head was sent.
///
/// The error of the inner body is the [`source`](Error::source); this type's own texts do not repeat it.
pub struct BodyError {
    kind: Kind,
    /// Of stacked layers the innermost that has somebody to tell does.
    reported: bool,
}

enum Kind {
    Failed(Foreign, Cause),
    Panicked,
}

impl BodyError {
    #[cold]
    fn panicked(panicked: &Panicked, terms: &Terms) -> Self {
        let _ = guard(|| panicked.tell(terms.ids()));
        Self { kind: Kind::Panicked, reported: false }.report(terms)
    }

    #[cold]
    fn failed(error: impl Into<BoxError>, terms: &Terms) -> Self {
        let error = match catch(|| error.into()) {
            Ok(error) => error,
            Err(panicked) => return Self::panicked(&panicked, terms),
        };
        // Of a stack of these layers the innermost has told the log, in whatever it was wrapped since.
        let error = match error.downcast::<Self>() {
            Ok(told) => return told.report(terms),
            Err(error) => Foreign::new(error),
        };
        let told = guard(|| chain(&*error).find_map(<dyn Error>::downcast_ref).map(|told: &Self| (told.cause(), told.reported)));
        let (cause, reported) = told.ok().flatten().unwrap_or_else(|| {
            let place = if terms.config().role == Role::Gateway { Place::Relayed } else { Place::Answer };
            let cause = guard(|| cause_of(&*error, place)).unwrap_or(Cause::Panic);
            let _ = guard(|| tell(cause, &*error, terms.ids()));
            (cause, false)
        });
        Self { kind: Kind::Failed(error, cause), reported }.report(terms)
    }

    fn report(mut self, terms: &Terms) -> Self {
        let hooks = &terms.config().hooks;
        if !self.reported && !hooks.is_empty() {
            self.reported = true;
            let (cause, error) = (Some(self.cause()), self.source());
            report(hooks, &ErrorReport { stage: ErrorStage::Body, problem: None, cause, error, ids: terms.ids() });
        }
        self
    }

    /// What cut the message. The status was sent before it was known.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self.kind {
            Kind::Failed(_, cause) => cause,
            Kind::Panicked => Cause::Panic,
        }
    }

    /// Whether the body panicked right beneath the layer; there is no source then.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.kind, Kind::Panicked)
    }
}

impl fmt::Debug for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyError").field("panic", &self.is_panic()).finish_non_exhaustive()
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Failed(..) => "the response body failed",
            Kind::Panicked => "the response body panicked",
        })
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Failed(error, _) => Some(&**error),
            Kind::Panicked => None,
        }
    }
}
