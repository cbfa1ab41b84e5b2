use std::{
    fmt,
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    runtime::Handle,
    task::{JoinHandle, spawn_blocking},
};

use super::stamp::OpenFile;

/// A file that is streamed from the disk.
///
/// It fails at its end if the file was changed meanwhile, so that no client takes a mixture for the whole.
pub struct FileBody {
    state: State,
    /// What has not been given out.
    left: u64,
}

enum State {
    Waiting(OpenFile),
    Reading(JoinHandle<(OpenFile, io::Result<Bytes>)>),
    Ended,
}

/// Runs `work` on a thread that may block. Without a runtime there is none, which is an error and no panic.
pub(super) fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    Handle::try_current().map_err(io::Error::other)?;
    Ok(spawn_blocking(work))
}

impl FileBody {
    pub(super) fn new(file: OpenFile) -> Self {
        Self { left: file.left(), state: State::Waiting(file) }
    }

    /// The next piece; empty at the end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if let State::Waiting(_) = self.state
            && let State::Waiting(mut file) = std::mem::replace(&mut self.state, State::Ended)
        {
            if self.left == 0 {
                return Poll::Ready(Ok(Bytes::new()));
            }
            self.state = State::Reading(blocking(move || {
                let piece = file.read();
                (file, piece)
            })?);
        }
        let State::Reading(reading) = &mut self.state else { return Poll::Ready(Ok(Bytes::new())) };
        let (file, piece) = match ready!(Pin::new(reading).poll(cx)) {
            Ok((file, Ok(piece))) => (file, piece),
            Ok((_, Err(error))) => return Poll::Ready(self.fail(error)),
            Err(error) => return Poll::Ready(self.fail(error.into())),
        };
        self.left = self.left.saturating_sub(piece.len() as u64);
        self.state = State::Waiting(file);
        Poll::Ready(Ok(piece))
    }

    fn fail(&mut self, error: io::Error) -> io::Result<Bytes> {
        self.state = State::Ended;
        Err(error)
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = ready!(self.poll_piece(cx));
        Poll::Ready(match piece {
            Ok(piece) if piece.is_empty() => None,
            piece => Some(piece.map(Frame::data)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl fmt::Debug for FileBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBody").field("left", &self.left).finish_non_exhaustive()
    }
}
