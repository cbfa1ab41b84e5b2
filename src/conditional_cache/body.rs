use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::range::{Cut, Segment};
use crate::core::LayerBody;

pin_project! {
    /// The body of a response that passed [`ConditionalCache`](super::ConditionalCache).
    ///
    /// The inner service's body, untouched; or bytes of the layer's own; or what was held back for the entity tag, followed by what was
    /// not. Frames, trailers and errors come in the order in which the inner body gave them, and a size that was known stays known.
    ///
    /// Or parts of one of these, for a range request. Their size is exact: if the inner body turns out to be shorter than it was said to
    /// be, the answer ends before that size, and a server breaks it off (HTTP/1.1) or the client takes it for malformed (HTTP/2).
    pub struct ResponseBody<B>
    where
        B: Body,
    {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B>
    where
        B: Body,
    {
        Layer { #[pin] body: LayerBody<B> },
        // In a box, since it is rare and every response would be as large.
        Replay { replay: Box<Replay<B>> },
        Cut { cut: Box<Cut<ResponseBody<B>>> },
        None,
    }
}

struct Replay<B: Body> {
    held: Bytes,
    /// What is left of the exact size that the inner body claimed.
    left: Option<u64>,
    then: Then<B>,
}

/// What a poll of a body like `B` gives.
type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

/// What follows the bytes that were held back.
pub(super) enum Then<B: Body> {
    Rest(Pin<Box<B>>),
    Trailers(HeaderMap),
    Failed(B::Error),
    End,
}

impl<B: Body> ResponseBody<B> {
    pub(super) fn inner(body: B) -> Self {
        Self::layer(LayerBody::inner(body))
    }

    pub(super) fn layer(body: LayerBody<B>) -> Self {
        Self { kind: Kind::Layer { body } }
    }

    /// No content, and no word on how much there would have been: with a size of 0, a framework would write a `Content-Length: 0` onto a 304
    /// or the answer to a HEAD, where it tells the length of what a GET would get
    /// ([RFC 9110 §8.6](https://www.rfc-editor.org/rfc/rfc9110#section-8.6)).
    fn none() -> Self {
        Self { kind: Kind::None }
    }

    pub(super) fn cut(self, segments: Vec<Segment>) -> Self {
        Self { kind: Kind::Cut { cut: Box::new(Cut::new(self, segments)) } }
    }

    /// The body of an answer without content.
    ///
    /// A compressing layer further out takes what tells no length for long, and would make a coding's empty content out of no content. So
    /// the length is only left open where the client takes no coding.
    pub(super) fn without_content(may_be_coded: bool) -> Self {
        if may_be_coded { Self::layer(LayerBody::empty()) } else { Self::none() }
    }

    /// `size` is the exact size that the inner body claimed for the whole content.
    pub(super) fn replay(held: Bytes, size: Option<u64>, then: Then<B>) -> Self {
        match then {
            Then::End if size.is_none_or(|size| size == held.len() as u64) => Self::layer(LayerBody::full(held)),
            then => Self { kind: Kind::Replay { replay: Box::new(Replay { held, left: size, then }) } },
        }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data: From<Bytes>>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.project().kind.project() {
            KindProj::Layer { body } => body.poll_frame(cx),
            KindProj::Replay { replay } => replay.poll_frame(cx),
            KindProj::Cut { cut } => cut.poll_frame(cx),
            KindProj::None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Layer { body } => body.is_end_stream(),
            Kind::Replay { replay } => replay.is_end_stream(),
            Kind::Cut { cut } => cut.is_end_stream(),
            Kind::None => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Layer { body } => body.size_hint(),
            Kind::Replay { replay } => replay.size_hint(),
            Kind::Cut { cut } => cut.size_hint(),
            Kind::None => SizeHint::new(),
        }
    }
}

impl<B> Replay<B>
where
    B: Body<Data: From<Bytes>>,
{
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Polled<B> {
        if !self.held.is_empty() {
            let bytes = std::mem::take(&mut self.held);
            self.left = self.left.map(|left| left.saturating_sub(bytes.len() as u64));
            return Poll::Ready(Some(Ok(Frame::data(bytes.into()))));
        }
        if let Then::Rest(body) = &mut self.then {
            return body.as_mut().poll_frame(cx);
        }
        Poll::Ready(match std::mem::replace(&mut self.then, Then::End) {
            Then::Trailers(trailers) => Some(Ok(Frame::trailers(trailers))),
            Then::Failed(error) => Some(Err(error)),
            Then::Rest(_) | Then::End => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        let ended = match &self.then {
            Then::Rest(body) => body.is_end_stream(),
            Then::Trailers(_) | Then::Failed(_) => false,
            Then::End => true,
        };
        ended && self.held.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.len() as u64;
        match (&self.then, self.left) {
            (Then::Rest(body), _) => after(held, &body.size_hint()),
            (Then::End, None) => SizeHint::with_exact(held),
            // As much as the inner body promised, however it ended. An exact size made up from what did come would let a server announce
            // the torn content as whole, or leave no room for trailers in HTTP/1.1.
            (Then::Trailers(_) | Then::Failed(_) | Then::End, Some(left)) => SizeHint::with_exact(left),
            (Then::Trailers(_) | Then::Failed(_), None) => {
                let mut hint = SizeHint::new();
                hint.set_lower(held);
                hint
            }
        }
    }
}

fn after(held: u64, rest: &SizeHint) -> SizeHint {
    let mut hint = SizeHint::new();
    hint.set_lower(held.saturating_add(rest.lower()));
    if let Some(upper) = rest.upper() {
        hint.set_upper(held.saturating_add(upper));
    }
    hint
}

impl<B: Body> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Layer { body } => write!(f, "ResponseBody({body:?})"),
            Kind::Replay { replay } => write!(f, "ResponseBody({} bytes held)", replay.held.len()),
            Kind::Cut { .. } => f.write_str("ResponseBody(parts)"),
            Kind::None => f.write_str("ResponseBody(none)"),
        }
    }
}
