use std::{
    error::Error,
    fmt,
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    store::StoredBody,
    tee::{ReadError, Reader},
};

pin_project! {
    /// The response body of [`SharedCache`](super::SharedCache): the inner service's own, one that others read too, or one from the store.
    ///
    /// What comes from the store is never copied: each frame is a part of what is stored.
    pub struct SharedCacheBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        Inner { #[pin] body: B },
        Shared { reader: Reader<B> },
        Stored { cursor: Cursor },
    }
}

/// A part of a stored content, and how far it has been sent.
struct Cursor {
    body: StoredBody,
    at: u64,
    end: u64,
    trailers: Trailers,
}

/// Whether the trailers are still to be sent; they belong to the whole content only.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trailers {
    ToSend,
    None,
}

impl<B> SharedCacheBody<B> {
    /// The inner service's own, untouched.
    pub(super) fn inner(body: B) -> Self {
        Self { kind: Kind::Inner { body } }
    }

    /// One that others may read too.
    pub(super) fn shared(reader: Reader<B>) -> Self {
        Self { kind: Kind::Shared { reader } }
    }

    /// A whole stored content, with its trailers.
    pub(super) fn stored(body: StoredBody) -> Self {
        let end = body.stored_length();
        let trailers = if body.trailers().is_some() { Trailers::ToSend } else { Trailers::None };
        Self { kind: Kind::Stored { cursor: Cursor { body, at: 0, end, trailers } } }
    }

    /// A range of a stored content; see [`StoredBody::holds`].
    pub(super) fn range(body: StoredBody, range: Range<u64>) -> Self {
        Self { kind: Kind::Stored { cursor: Cursor { body, at: range.start, end: range.end, trailers: Trailers::None } } }
    }

    /// These bytes, one after the other.
    pub(super) fn bytes(chunks: impl IntoIterator<Item = Bytes>) -> Self {
        Self::stored(StoredBody::whole(chunks))
    }

    /// Nothing.
    pub(super) fn empty() -> Self {
        Self::bytes([])
    }
}

impl Cursor {
    fn next(&mut self) -> Option<Result<Frame<Bytes>, BodyError>> {
        if self.at < self.end {
            let Some(mut bytes) = self.body.find(self.at) else {
                self.end = self.at;
                return Some(Err(BodyError { source: None }));
            };
            bytes.truncate(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
            self.at += bytes.len() as u64;
            return Some(Ok(Frame::data(bytes)));
        }
        match std::mem::replace(&mut self.trailers, Trailers::None) {
            Trailers::ToSend => self.body.trailers().map(|trailers| Ok(Frame::trailers(HeaderMap::clone(trailers)))),
            Trailers::None => None,
        }
    }
}

impl<B> Body for SharedCacheBody<B>
where
    B: Body<Data: From<Bytes>, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    type Data = B::Data;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, BodyError>>> {
        let own = |frame: Frame<Bytes>| frame.map_data(B::Data::from);
        match self.project().kind.project() {
            KindProj::Inner { body } => body.poll_frame(cx).map_err(BodyError::inner),
            KindProj::Shared { reader } => Pin::new(reader).poll_frame(cx).map_ok(own).map_err(|error| match error {
                ReadError::Inner(error) => BodyError::inner(error),
                ReadError::Cut => BodyError { source: None },
            }),
            KindProj::Stored { cursor } => Poll::Ready(cursor.next().map(|frame| frame.map(own))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Shared { reader } => reader.is_end_stream(),
            Kind::Stored { cursor } => cursor.at == cursor.end && cursor.trailers == Trailers::None,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Shared { reader } => reader.size_hint(),
            Kind::Stored { cursor } => SizeHint::with_exact(cursor.end - cursor.at),
        }
    }
}

impl<B> fmt::Debug for SharedCacheBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Inner { .. } => f.write_str("SharedCacheBody::Inner"),
            Kind::Shared { .. } => f.write_str("SharedCacheBody::Shared"),
            Kind::Stored { cursor } => write!(f, "SharedCacheBody::Stored({} bytes)", cursor.end - cursor.at),
        }
    }
}

/// Why a body ended before its end: the inner service's failed, or one that was shared did, and somebody else met the error.
///
/// The error of the inner body, if it was met here, is the [`source`](Error::source).
#[derive(Debug)]
pub struct BodyError {
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl BodyError {
    fn inner(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(error.into()) }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.source.is_some() { "the inner body failed" } else { "the shared body was cut short" })
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as &(dyn Error + 'static))
    }
}
