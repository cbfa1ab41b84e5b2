use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The response body of a layer: the inner service's body, untouched, or a few bytes of the layer's own.
    ///
    /// Frames, trailers, size hints and errors of the inner body pass through unchanged. No bound stands on `B` itself, so any
    /// body can be wrapped; as a [`Body`] its data only has to be constructible from [`Bytes`], which `Bytes` is.
    ///
    /// ```
    /// use donjon::LayerBody;
    /// use http_body::Body;
    /// use http_body_util::Full;
    ///
    /// let own: LayerBody<Full<bytes::Bytes>> = LayerBody::full("refused");
    /// assert_eq!(own.size_hint().exact(), Some(7));
    /// ```
    pub struct LayerBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        Inner { #[pin] body: B },
        // In a box, so that the many responses without such bytes are not made larger by them; none when nothing is (left) to be sent.
        Own { bytes: Option<Box<Bytes>> },
    }
}

impl<B> LayerBody<B> {
    /// A body that is the inner service's own.
    #[inline]
    pub fn inner(body: B) -> Self {
        Self { kind: Kind::Inner { body } }
    }

    /// A body of the given bytes, complete at once.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { kind: Kind::Own { bytes: (!bytes.is_empty()).then(|| Box::new(bytes)) } }
    }

    /// A body without content.
    #[must_use]
    pub fn empty() -> Self {
        Self { kind: Kind::Own { bytes: None } }
    }
}

impl<B> Body for LayerBody<B>
where
    B: Body<Data: From<Bytes>>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.project().kind.project() {
            KindProj::Inner { body } => body.poll_frame(cx),
            KindProj::Own { bytes } => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data((*bytes).into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Own { bytes } => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Own { bytes } => SizeHint::with_exact(length(bytes) as u64),
        }
    }
}

impl<B> fmt::Debug for LayerBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Inner { .. } => f.write_str("LayerBody::Inner"),
            Kind::Own { bytes } => write!(f, "LayerBody::Own({} bytes)", length(bytes)),
        }
    }
}

fn length(bytes: &Option<Box<Bytes>>) -> usize {
    bytes.as_ref().map_or(0, |bytes| bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt as _, Empty, Full, StreamBody};

    #[tokio::test]
    async fn own_bytes_come_out_once() {
        let body = LayerBody::<Empty<Bytes>>::full("abc");
        assert!(!body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(3));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");
    }

    #[tokio::test]
    async fn an_empty_body_ends_at_once() {
        let body = LayerBody::<Full<Bytes>>::empty();
        assert!(body.is_end_stream());
        assert!(body.collect().await.unwrap().to_bytes().is_empty());
    }

    #[tokio::test]
    async fn trailers_and_hints_of_the_inner_body_pass_through() {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-end", http::HeaderValue::from_static("1"));
        let frames = vec![Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"x"))), Ok(Frame::trailers(trailers.clone()))];
        let body = LayerBody::inner(StreamBody::new(futures_util::stream::iter(frames)));
        assert_eq!(body.size_hint().exact(), None);
        let collected = body.collect().await.unwrap();
        assert_eq!(collected.trailers(), Some(&trailers));
        assert_eq!(collected.to_bytes(), "x");
    }

    #[test]
    fn the_inner_body_needs_no_bound() {
        struct Opaque;
        assert_eq!(format!("{:?}", LayerBody::inner(Opaque)), "LayerBody::Inner");
    }
}
