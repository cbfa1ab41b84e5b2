use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::{
    buffer::{Finish, Next, Place},
    drive::{Fill, Limits},
};

/// How long a body is read on when nobody reads it but the store.
const FINISHING: Duration = Duration::from_secs(30);

/// One who reads a [`Fill`], at its own pace. It is a body of `Bytes`.
pub(in super::super) struct Reader<B> {
    fill: Fill<B>,
    place: Place,
    read: u64,
    over: bool,
    /// Not allowed to the one that finishes a body, or it would never end.
    finish: Finish,
}

/// Why a reader gets no more.
#[derive(Debug)]
pub(in super::super) enum ReadError<E> {
    /// The inner body failed, and it was this reader that met it.
    Inner(E),
    /// The inner body failed, was too short, or is too far ahead.
    Cut,
}

impl<B> Fill<B>
where
    B: Body + Send + 'static,
{
    /// A body that may be shared, and its first reader.
    pub(in super::super) fn start(body: B, limits: Limits) -> (Self, Reader<B>) {
        Self::start_after([], body, limits)
    }

    /// The same, when these bytes are there already and the body is what comes after them. The limits speak of both together.
    pub(in super::super) fn start_after(there: impl IntoIterator<Item = Bytes>, body: B, limits: Limits) -> (Self, Reader<B>) {
        let fill = Self::new(there, body, limits, finish);
        // The first comes in whatever the limits are.
        let place = fill.enter().unwrap_or_default();
        (fill.clone(), Reader { fill, place, read: 0, over: false, finish: Finish::Allowed })
    }
}

impl<B> Fill<B> {
    /// Another reader of all of it; none if its beginning is not there any more.
    pub(in super::super) fn reader(&self) -> Option<Reader<B>> {
        let place = self.enter()?;
        Some(Reader { fill: self.clone(), place, read: 0, over: false, finish: Finish::Allowed })
    }
}

/// Reads the rest for the store.
fn finish<B>(fill: &Fill<B>, place: Place)
where
    B: Body + Send + 'static,
{
    let mut reader = Reader { fill: fill.clone(), place, read: 0, over: false, finish: Finish::Forbidden };
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        let rest = async {
            while !reader.fill.is_complete() {
                let Some(Ok(_)) = std::future::poll_fn(|cx| Pin::new(&mut reader).poll_frame(cx)).await else { break };
            }
        };
        // The reader goes with it, and with the reader the rest.
        let _ = tokio::time::timeout(FINISHING, rest).await;
    });
}

impl<B: Body> Reader<B> {
    fn advance(&mut self, next: Next) -> Option<Result<Frame<Bytes>, ReadError<B::Error>>> {
        match next {
            Next::Chunk(chunk) => {
                self.read += chunk.len() as u64;
                Some(Ok(Frame::data(chunk)))
            }
            Next::Trailers(trailers) => Some(Ok(Frame::trailers(HeaderMap::clone(&trailers)))),
            Next::End => {
                self.over = true;
                None
            }
            Next::Cut => {
                self.over = true;
                Some(Err(ReadError::Cut))
            }
        }
    }
}

impl<B: Body> Body for Reader<B> {
    type Data = Bytes;
    type Error = ReadError<B::Error>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.over {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.fill.poll_next(self.place, cx)) {
            Ok(next) => self.advance(next),
            Err(error) => {
                self.over = true;
                Some(Err(ReadError::Inner(error)))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.fill.is_over(self.place)
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        if let Some(upper) = self.fill.hint().upper() {
            hint.set_upper(upper.saturating_sub(self.read));
        }
        hint.set_lower(self.fill.hint().lower().saturating_sub(self.read));
        hint
    }
}

impl<B> Drop for Reader<B> {
    fn drop(&mut self) {
        self.fill.leave(self.place, self.finish);
    }
}

impl<B> fmt::Debug for Reader<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("read", &self.read).finish_non_exhaustive()
    }
}

impl<E> fmt::Display for ReadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inner(_) => "the body failed",
            Self::Cut => "the body was cut short",
        })
    }
}

impl<E: Error> Error for ReadError<E> {}
