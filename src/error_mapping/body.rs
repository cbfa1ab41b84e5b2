use std::{
    error::Error,
    fmt, io,
    iter::successors,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    cause::{Cause, Role},
    chain::{chain, ends},
    correlation::Ids,
    guard::{Foreign, Panicked, catch, guard, told},
    report::{ErrorReport, ErrorStage, report},
    tell,
    terms::Terms,
    upstream::BoxError,
    walk::{Place, cause_of},
};

pin_project! {
    /// The response body of [`ErrorMapping`](super::ErrorMapping): the inner body, observed, or a rendered problem.
    ///
    /// Frames, trailers (but for a `Proxy-Status` that a gateway [does not let through](super::UpstreamProxyStatus)) and size hints pass.
    /// An error of the inner body passes as a [`BodyError`], and a panic of it becomes one, so that the server cuts the message instead of
    /// losing the connection's task or ending it as if it were whole.
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

/// The body of a response failed after its head was sent.
///
/// The error of the inner body is the [`source`](Error::source); this type's own texts do not repeat it. It is none where the sources have no end,
/// and where they tell of a stream of HTTP/2: hyper's server takes the reason of the first that it finds for that of the stream which it resets, and
/// what an upstream said of its own stream is nothing to say of this one. A `REFUSED_STREAM` handed on would tell the client that its request was not
/// processed ([RFC 9113 §8.7](https://www.rfc-editor.org/rfc/rfc9113#section-8.7)). The log and the [report](ErrorReport) are told such an error as
/// any other.
pub struct BodyError {
    kind: Kind,
    /// Of stacked layers the innermost that has somebody to tell does.
    reported: bool,
    /// By which the log was told.
    ids: Option<Box<Ids>>,
}

enum Kind {
    Failed { error: Foreign, cause: Cause, shown: bool },
    Panicked,
}

impl BodyError {
    #[cold]
    fn panicked(panicked: &Panicked, terms: &Terms) -> Self {
        let named = terms.of_failure(None);
        told(panicked, named.ids());
        Self::new(Kind::Panicked, &named).report(terms)
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
        let place = if terms.config().role == Role::Gateway { Place::Relayed } else { Place::Answer };
        let shown = catch(|| is_shown(&*error)).unwrap_or(false);
        let judged = catch(|| match chain(&*error).find_map(<dyn Error>::downcast_ref) {
            Some(told) => Judged::Told(told),
            None => Judged::Anew(cause_of(&*error, place)),
        });
        let (cause, panicked) = match judged {
            Ok(Judged::Told(Self { kind, reported, ids })) => {
                let (cause, reported, ids) = (kind.cause(), *reported, ids.clone());
                return Self { kind: Kind::Failed { error, cause, shown }, reported, ids }.report(terms);
            }
            Ok(Judged::Anew(cause)) => (cause, None),
            Err(panicked) => (Cause::Panic, Some(panicked)),
        };
        let named = terms.of_failure(None);
        tell::cut(cause, &*error, panicked.as_ref(), named.ids());
        Self::new(Kind::Failed { error, cause, shown }, &named).report(terms)
    }

    fn new(kind: Kind, named: &Terms) -> Self {
        Self { kind, reported: false, ids: named.ids().cloned().map(Box::new) }
    }

    fn report(mut self, terms: &Terms) -> Self {
        let hooks = &terms.config().hooks;
        if !self.reported && !hooks.is_empty() {
            self.reported = true;
            if self.ids.is_none() {
                self.ids = terms.of_failure(None).ids().cloned().map(Box::new);
            }
            let error = match &self.kind {
                Kind::Failed { error, .. } => Some(&**error),
                Kind::Panicked => None,
            };
            let (cause, ids) = (Some(self.cause()), self.ids.as_deref());
            report(hooks, &ErrorReport { stage: ErrorStage::Body, problem: None, cause, error, ids });
        }
        self
    }

    /// What cut the message. The status was sent before it was known.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.kind.cause()
    }

    /// Whether the body panicked right beneath the layer; there is no source then.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.kind, Kind::Panicked)
    }
}

impl Kind {
    fn cause(&self) -> Cause {
        match self {
            Self::Failed { cause, .. } => *cause,
            Self::Panicked => Cause::Panic,
        }
    }
}

/// What a layer within has said of an error, or what is to be said of it now.
enum Judged<'a> {
    Told(&'a BodyError),
    Anew(Cause),
}

/// Whether a server may walk the sources. Over HTTP/2 what hyper says stands above h2's error, and above one of the connection's otherwise.
fn is_shown(error: &(dyn Error + 'static)) -> bool {
    let speaks_of_a_stream = |error: &&(dyn Error + 'static)| {
        error.is::<hyper::Error>() && error.source().is_some_and(|source| !source.is::<io::Error>())
    };
    #[cfg(feature = "error-mapping-http2")]
    let speaks_of_a_stream = move |error: &&(dyn Error + 'static)| error.is::<h2::Error>() || speaks_of_a_stream(error);
    ends(error) && !successors(Some(error), |error| (*error).source()).any(|error| speaks_of_a_stream(&error))
}

impl fmt::Debug for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyError").field("panic", &self.is_panic()).finish_non_exhaustive()
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Failed { .. } => "the response body failed",
            Kind::Panicked => "the response body panicked",
        })
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Failed { error, shown: true, .. } => Some(&**error),
            _ => None,
        }
    }
}
