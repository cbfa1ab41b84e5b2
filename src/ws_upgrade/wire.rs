//! One connection after its upgrade, held by two: the handler's [`WsSocket`](super::WsSocket), which talks over it while it is
//! open, and the [`session`](super::session), which says goodbye when it ends, whoever ended it.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_core::Stream as _;
use futures_sink::Sink as _;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{WebSocketStream, tungstenite::Error as CodecError};

use super::{
    close::{CloseCode, CloseFrame},
    deflate::Deflater,
    error::{WsError, WsErrorKind},
    intake::Intake,
    message::Message,
};

pub(super) type Stream = WebSocketStream<Intake<TokioIo<Upgraded>>>;

/// Shared so that the end does not depend on the handler: one that never looks at its socket is cut off in time, and one that
/// panics still says 1011. The lock is held for one poll and never waited for but at the end.
#[derive(Clone)]
pub(super) struct Wire(Arc<Mutex<State>>);

struct State {
    phase: Phase,
    deflater: Option<Deflater>,
    receiver: Option<Waker>,
    sender: Option<Waker>,
    session: Option<Waker>,
}

enum Phase {
    Open(Stream),
    /// The stream waits to be fetched by the session.
    Ending(Stream, Ending, Told),
    /// The session has the stream.
    Leaving(WsErrorKind, Told),
    Gone(WsErrorKind, Told),
}

/// Whether the receiving side knows why it ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Yes,
    NotYet,
}

/// How to end.
#[derive(Debug)]
pub(super) struct Ending {
    /// What the peer is told; nothing if it said goodbye itself or cannot hear.
    pub(super) frame: Option<CloseFrame>,
    pub(super) wait: WaitFor,
    cause: WsErrorKind,
}

/// What to wait for after the last frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitFor {
    /// The peer's Close frame ([RFC 6455 §7.1.2](https://www.rfc-editor.org/rfc/rfc6455#section-7.1.2)).
    CloseFrame,
    /// The end of what the peer sends, which no longer makes sense. To drop the connection with bytes unread would reset it and
    /// may take the Close frame along.
    EndOfData,
    /// Nothing: the connection is broken.
    Nothing,
}

impl Ending {
    pub(super) fn ours(frame: CloseFrame) -> Self {
        Self { frame: Some(frame), wait: WaitFor::CloseFrame, cause: WsErrorKind::Closed }
    }

    pub(super) fn principal(cause: WsErrorKind, reason: &'static str) -> Self {
        Self { frame: Some(CloseFrame::of(CloseCode::UNAUTHORIZED, reason)), wait: WaitFor::CloseFrame, cause }
    }

    /// The peer's Close frame was read; the codec has the answer ready.
    fn theirs() -> Self {
        Self { frame: None, wait: WaitFor::CloseFrame, cause: WsErrorKind::Closed }
    }

    fn failed(error: &WsError) -> Self {
        let frame = error.kind().close_code().map(CloseFrame::from);
        let wait = if frame.is_some() { WaitFor::EndOfData } else { WaitFor::Nothing };
        Self { frame, wait, cause: error.kind() }
    }
}

impl Wire {
    pub(super) fn new(stream: Stream, deflater: Option<Deflater>) -> Self {
        Self(Arc::new(Mutex::new(State { phase: Phase::Open(stream), deflater, receiver: None, sender: None, session: None })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held can only come from the codec; then the phase is still what it was.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection unless it has ended, and wakes whoever waits for that.
    pub(super) fn end(&self, ending: Ending) {
        self.state().end(ending, Told::NotYet).wake();
    }

    /// The next message, with its answer, if it demands one, queued.
    pub(super) fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, WsError>>> {
        let mut state = self.state();
        let Phase::Open(stream) = &mut state.phase else {
            return Poll::Ready(state.tell().map(|cause| Err(WsError::new(cause))));
        };
        let received = match Pin::new(stream).poll_next(cx) {
            Poll::Ready(received) => received,
            Poll::Pending => {
                remember(&mut state.receiver, cx.waker());
                return Poll::Pending;
            }
        };
        let (received, ending) = match received {
            None => (None, Some(Ending::theirs())),
            Some(Err(error)) => {
                let error = WsError::from(error);
                let ending = Ending::failed(&error);
                (Some(Err(error)), Some(ending))
            }
            Some(Ok(message)) => {
                let ending = message.is_close().then(Ending::theirs);
                (Message::received(message).map(Ok), ending)
            }
        };
        if let Some(ending) = ending {
            let wakers = state.end(ending, Told::Yes);
            drop(state);
            wakers.wake();
        }
        Poll::Ready(received)
    }

    /// Polls the open stream to send. An error is the connection's, and ends it.
    pub(super) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut Stream>, &mut Context<'_>) -> Poll<Result<(), CodecError>>,
    ) -> Poll<Result<(), WsError>> {
        let mut state = self.state();
        let Phase::Open(stream) = &mut state.phase else { return Poll::Ready(Err(WsError::new(state.cause()))) };
        match poll(Pin::new(stream), cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fail(state, error.into()))),
            Poll::Pending => {
                remember(&mut state.sender, cx.waker());
                Poll::Pending
            }
        }
    }

    /// Flushes what is queued. After a Close frame of ours that is the session's work, and flushed is not yet wrong.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        match self.poll_send(cx, |stream, cx| stream.poll_flush(cx)) {
            Poll::Ready(Err(error)) if error.kind() == WsErrorKind::Closed => Poll::Ready(Ok(())),
            polled => polled,
        }
    }

    /// Queues one message.
    pub(super) fn start_send(&self, message: Message) -> Result<(), WsError> {
        let mut state = self.state();
        let State { phase, deflater, .. } = &mut *state;
        let Phase::Open(stream) = phase else { return Err(WsError::new(state.cause())) };
        Pin::new(stream).start_send(message.into_codec(deflater.as_mut())).map_err(|error| {
            let error = WsError::from(error);
            // A full buffer has taken nothing and broken nothing.
            if error.kind() == WsErrorKind::Full { error } else { self.fail(state, error) }
        })
    }

    fn fail(&self, mut state: MutexGuard<'_, State>, error: WsError) -> WsError {
        let wakers = state.end(Ending::failed(&error), Told::NotYet);
        drop(state);
        wakers.wake();
        error
    }

    /// Ready when the connection is gone.
    pub(super) fn poll_gone(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if matches!(state.phase, Phase::Gone(..)) {
            return Poll::Ready(());
        }
        remember(&mut state.sender, cx.waker());
        Poll::Pending
    }

    /// For the session: ready with the stream when somebody has ended it.
    pub(super) fn poll_ending(&self, cx: &Context<'_>) -> Poll<(Stream, Ending)> {
        let mut state = self.state();
        match std::mem::replace(&mut state.phase, Phase::Gone(WsErrorKind::Closed, Told::Yes)) {
            Phase::Ending(stream, ending, told) => {
                state.phase = Phase::Leaving(ending.cause, told);
                Poll::Ready((stream, ending))
            }
            other => {
                state.phase = other;
                remember(&mut state.session, cx.waker());
                Poll::Pending
            }
        }
    }

    /// For the session: the stream is dropped.
    pub(super) fn gone(&self) {
        let mut state = self.state();
        if let Phase::Leaving(cause, told) = state.phase {
            state.phase = Phase::Gone(cause, told);
        }
        let wakers = state.wakers();
        drop(state);
        wakers.wake();
    }
}

impl State {
    fn end(&mut self, ending: Ending, told: Told) -> Wakers {
        let cause = ending.cause;
        self.phase = match std::mem::replace(&mut self.phase, Phase::Gone(cause, told)) {
            Phase::Open(stream) => Phase::Ending(stream, ending, told),
            ended => ended,
        };
        self.wakers()
    }

    fn wakers(&mut self) -> Wakers {
        Wakers([self.receiver.take(), self.sender.take(), self.session.take()])
    }

    fn cause(&self) -> WsErrorKind {
        match &self.phase {
            Phase::Open(_) => WsErrorKind::Closed,
            Phase::Ending(_, Ending { cause, .. }, _) | Phase::Leaving(cause, _) | Phase::Gone(cause, _) => *cause,
        }
    }

    /// The cause, once, if the receiver did not see it coming.
    fn tell(&mut self) -> Option<WsErrorKind> {
        let cause = self.cause();
        let (Phase::Ending(_, _, told) | Phase::Leaving(_, told) | Phase::Gone(_, told)) = &mut self.phase else { return None };
        let first = std::mem::replace(told, Told::Yes) == Told::NotYet;
        (first && cause != WsErrorKind::Closed).then_some(cause)
    }
}

fn remember(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(known) => known.clone_from(waker),
        None => *slot = Some(waker.clone()),
    }
}

/// Woken when the lock is released, since a waker may do as it likes.
#[must_use]
struct Wakers([Option<Waker>; 3]);

impl Wakers {
    fn wake(self) {
        self.0.into_iter().flatten().for_each(Waker::wake);
    }
}
