use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    rewrite::{PIECE, Rewriter},
    validator::{self, Suffix},
};

/// How much of a page is read in one poll, if nothing comes out meanwhile, before other tasks have their turn.
const TURN: usize = 4 * PIECE;

pin_project! {
    /// The response body of [`LazyImages`](super::LazyImages): the inner body as it is, or a page on its way through the rewriter.
    ///
    /// What passes keeps its frames and its size hint. A page comes out as it comes in, piece by piece; its length is not known before its
    /// end. Trailers come after the end; an error of the inner body comes after all that had come before it.
    pub struct ResponseBody<B>
    where
        B: Body,
    {
        #[pin]
        inner: B,
        page: Option<Box<Page>>,
        error: Option<B::Error>,
    }
}

struct Page {
    rewriter: Rewriter,
    suffix: Suffix,
    /// What came in and was not read yet.
    input: Bytes,
    trailers: Option<HeaderMap>,
    /// The inner body has ended, well or not.
    ended: bool,
    /// How much was read since something came out or the body waited.
    read: usize,
}

impl<B: Body> ResponseBody<B> {
    pub(super) fn pass(inner: B) -> Self {
        Self { inner, page: None, error: None }
    }

    pub(super) fn rewrite(inner: B, rewriter: Rewriter, suffix: Suffix) -> Self {
        let page = Page { rewriter, suffix, input: Bytes::new(), trailers: None, ended: false, read: 0 };
        Self { inner, page: Some(Box::new(page)), error: None }
    }
}

impl Page {
    /// What can come out now.
    fn advance(&mut self) -> Option<Bytes> {
        while !self.input.is_empty() {
            if self.rewriter.is_raw() {
                return Some(std::mem::take(&mut self.input));
            }
            let piece = self.input.split_to(self.rewriter.room().min(self.input.len()));
            self.read += piece.len();
            self.rewriter.write(piece);
            let out = self.rewriter.take();
            if !out.is_empty() {
                self.read = 0;
                return Some(out.into());
            }
            if self.read >= TURN {
                return None;
            }
        }
        None
    }

    /// What was held back comes out, once.
    fn end(&mut self) -> Option<Bytes> {
        self.rewriter.end();
        let out = self.rewriter.take();
        (!out.is_empty()).then(|| out.into())
    }

    fn trailers(&mut self) -> Option<HeaderMap> {
        let mut trailers = self.trailers.take()?;
        validator::describe_anew(&mut trailers, || self.suffix);
        Some(trailers)
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data: From<Bytes>>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(page) = this.page else { return this.inner.poll_frame(cx) };
        loop {
            if let Some(out) = page.advance() {
                return Poll::Ready(Some(Ok(Frame::data(out.into()))));
            }
            if page.read >= TURN {
                page.read = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if page.ended {
                if let Some(out) = page.end() {
                    return Poll::Ready(Some(Ok(Frame::data(out.into()))));
                }
                let last = this.error.take().map(Err);
                return Poll::Ready(last.or_else(|| page.trailers().map(Frame::trailers).map(Ok)));
            }
            match ready!(this.inner.as_mut().poll_frame(cx)) {
                None => page.ended = true,
                Some(Err(error)) => {
                    *this.error = Some(error);
                    page.ended = true;
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(mut data) => page.input = data.copy_to_bytes(data.remaining()),
                    Err(frame) => {
                        page.trailers = frame.into_trailers().ok();
                        page.ended = true;
                    }
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.page {
            None => self.inner.is_end_stream(),
            // Before its end a page may always have something held back.
            Some(page) if !page.ended => self.inner.is_end_stream() && page.rewriter.is_untouched() && page.input.is_empty(),
            Some(page) => page.rewriter.is_raw() && page.input.is_empty() && page.trailers.is_none() && self.error.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.page {
            None => self.inner.size_hint(),
            Some(_) if self.is_end_stream() => SizeHint::with_exact(0),
            Some(_) => SizeHint::default(),
        }
    }
}

impl<B: Body> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.page.is_some() { "ResponseBody::Page" } else { "ResponseBody::Inner" })
    }
}
