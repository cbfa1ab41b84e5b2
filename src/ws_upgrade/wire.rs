//! One connection after its upgrade, held by two: the handler's [`WsSocket`](super::WsSocket), which talks over it while it is
//! open, and the [`session`](super::session), which watches over it and says goodbye when it ends, whoever ended it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Error as CodecError;

use super::{
    config::Config,
    connection::{Phase, State, Told},
    ending::Ending,
    error::{WsError, WsErrorKind},
    link::{Link, Popped},
    message::{Message, Parcel},
    schedule::Vitals,
    transport::{self, Stream, poll_message},
    wakers::{Writer, remember},
};
use crate::core::Principal;

/// Shared so that the end does not depend on the handler: one that never looks at its socket is cut off in time, and one that
/// panics still says 1011. The lock is held for one poll and never waited for but at the end.
#[derive(Clone)]
pub(super) struct Wire(Arc<Shared>);

struct Shared {
    config: Arc<Config>,
    link: Link,
    state: Mutex<State>,
}

/// What looking for a sign of life has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Something came.
    Heard,
    /// A message waits for the handler, and behind it nothing can be seen.
    Hidden,
    None,
}

impl Wire {
    pub(super) fn new(stream: Stream, config: Arc<Config>, principal: Option<Principal>) -> Self {
        let state = State::new(stream);
        let link = Link::new(config.slow_consumer, &config.limits, principal);
        Self(Arc::new(Shared { config, link, state: Mutex::new(state) }))
    }

    pub(super) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(super) fn link(&self) -> &Link {
        &self.0.link
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held can only come from the codec; then the phase is still what it was.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection unless it has ended, and wakes whoever waits for that.
    pub(super) fn end(&self, ending: Ending) {
        let wakers = self.state().end(ending, Told::NotYet);
        self.0.link.end();
        wakers.wake();
    }

    fn end_locked(&self, mut state: MutexGuard<'_, State>, ending: Ending, told: Told) {
        let wakers = state.end(ending, told);
        drop(state);
        self.0.link.end();
        wakers.wake();
    }

    /// The next message, with its answer, if it demands one, queued.
    pub(super) fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, WsError>>> {
        let mut state = self.state();
        if let Some(message) = state.ahead.take() {
            return Poll::Ready(Some(Ok(message)));
        }
        let State { phase: Phase::Open(stream), waiting, .. } = &mut *state else {
            return Poll::Ready(state.tell().map(|cause| Err(WsError::new(cause))));
        };
        let Poll::Ready(received) = poll_message(stream, waiting, cx) else {
            remember(&mut state.receiver, cx.waker());
            settle(state);
            return Poll::Pending;
        };
        let (received, ending) = state.take(received, &self.0.config);
        match ending {
            Some(ending) => self.end_locked(state, ending, Told::Yes),
            None => settle(state),
        }
        Poll::Ready(received)
    }

    /// Why it ended.
    pub(super) fn cause(&self) -> WsErrorKind {
        self.state().cause()
    }

    /// For the session: forgets what was heard.
    pub(super) fn listen(&self) {
        let mut state = self.state();
        state.heard = false;
        if let Phase::Open(stream) = &mut state.phase {
            stream.get_mut().traffic().came = false;
        }
    }

    /// For the session: whether anything was heard, if necessary by reading on where the handler has stopped, to the next message
    /// and no further.
    pub(super) fn sign_of_life(&self, cx: &mut Context<'_>) -> Sign {
        let mut state = self.state();
        let (sign, receiver) = loop {
            if state.has_heard() {
                break (Sign::Heard, None);
            }
            if state.ahead.is_some() {
                break (Sign::Hidden, None);
            }
            // Who waits to receive must still be woken by what comes next.
            let waker = state.receiver.as_ref().unwrap_or(cx.waker()).clone();
            let State { phase: Phase::Open(stream), waiting, .. } = &mut *state else { return Sign::None };
            let Poll::Ready(received) = poll_message(stream, waiting, &mut Context::from_waker(&waker)) else {
                // A part of a message is a sign as well: its sender cannot put a pong into the middle of a frame.
                break (if state.has_heard() { Sign::Heard } else { Sign::None }, None);
            };
            let (received, ending) = state.take(received, &self.0.config);
            let told = if matches!(received, Some(Err(_))) { Told::NotYet } else { Told::Yes };
            // A ping is answered and a pong is heard: nothing that would be missed.
            if let Some(Ok(message @ (Message::Text(_) | Message::Binary(_) | Message::Close(_)))) = received {
                state.ahead = Some(message);
            }
            if let Some(ending) = ending {
                self.end_locked(state, ending, told);
                return Sign::None;
            }
            if state.ahead.is_some() {
                break (Sign::Heard, state.receiver.take());
            }
        };
        settle(state);
        receiver.into_iter().for_each(Waker::wake);
        sign
    }

    pub(super) fn vitals(&self) -> Vitals {
        self.state().vitals
    }

    /// For the session: the vitals, and to be woken when there is more to watch over.
    pub(super) fn watch(&self, cx: &Context<'_>) -> Vitals {
        let mut state = self.state();
        remember(&mut state.session, cx.waker());
        state.vitals
    }

    /// For the session: a message waits unread, so the connection is not idle.
    pub(super) fn touch(&self) {
        self.state().vitals.active = Instant::now();
    }

    /// Polls the open stream to send, and is told whether a message of data went on its way. An error is the connection's, and ends it.
    fn poll_send(
        &self,
        writer: Writer,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Stream, &mut bool, &mut Context<'_>) -> Poll<Result<(), CodecError>>,
    ) -> Poll<Result<(), WsError>> {
        let mut state = self.state();
        let cause = state.cause();
        let State { phase, waiting, vitals, .. } = &mut *state;
        let Phase::Open(stream) = phase else { return Poll::Ready(Err(WsError::new(cause))) };
        let mut data = false;
        let polled = waiting.polling(writer, cx, |cx| poll(stream, &mut data, cx));
        self.note(data, vitals);
        match polled {
            Poll::Ready(Ok(())) => {
                waiting.forget(writer);
                settle(state);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                let error = WsError::from(error);
                // A full buffer has taken nothing and broken nothing.
                if error.kind() != WsErrorKind::Full {
                    self.end_locked(state, Ending::failed(&error), Told::NotYet);
                }
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                waiting.remember(writer, cx.waker());
                settle(state);
                Poll::Pending
            }
        }
    }

    /// Ready when a message can be queued.
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        self.poll_send(Writer::Handler, cx, |stream, _, cx| transport::poll_room(stream, cx))
    }

    /// Flushes what is queued. After a Close frame of ours that is the session's work, and flushed is not yet wrong.
    pub(super) fn poll_flush(&self, writer: Writer, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        match self.poll_send(writer, cx, |stream, _, cx| transport::poll_flush(stream, cx)) {
            Poll::Ready(Err(error)) if error.kind() == WsErrorKind::Closed => Poll::Ready(Ok(())),
            polled => polled,
        }
    }

    /// Queues and flushes one message of the handler's, which is taken when there is room for it.
    pub(super) fn poll_deliver(&self, parcel: &mut Option<Parcel>, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        let queued = parcel.is_none();
        let polled = self.poll_send(Writer::Handler, cx, |stream, data, cx| {
            if parcel.is_some() {
                ready!(transport::poll_room(stream, cx))?;
            }
            if let Some(parcel) = parcel.take() {
                *data = parcel.message.is_data();
                transport::write(stream, parcel, cx)?;
            }
            transport::poll_flush(stream, cx)
        });
        match polled {
            // As of `poll_flush`.
            Poll::Ready(Err(error)) if queued && error.kind() == WsErrorKind::Closed => Poll::Ready(Ok(())),
            polled => polled,
        }
    }

    /// For the session: sends a ping, if one is due, and what waits in the queue, and flushes it.
    pub(super) fn poll_pump(&self, ping: &mut bool, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        let mut taken = false;
        let polled = self.poll_send(Writer::Session, cx, |stream, data, cx| {
            loop {
                ready!(transport::poll_room(stream, cx))?;
                let next = if std::mem::take(ping) { Popped::ping() } else { self.0.link.take() };
                let Some(parcel) = next.parcel else { break };
                taken = true;
                *data |= parcel.message.is_data();
                // What comes alone is written as it is, and more is gathered.
                let sent = if next.more { transport::put(stream, parcel) } else { transport::write(stream, parcel, cx) };
                match sent {
                    Err(CodecError::WriteBufferFull(_)) => self.0.config.counters.messages_dropped(1),
                    sent => sent?,
                }
                if !next.more {
                    break;
                }
            }
            transport::poll_flush(stream, cx)
        });
        if taken {
            self.0.link.announce_room();
        }
        polled
    }

    /// A message of data goes out, so the connection is not idle.
    fn note(&self, data: bool, vitals: &mut Vitals) {
        if data && self.0.config.timeouts.idle.is_some() {
            vitals.active = Instant::now();
        }
    }

    /// Queues one message.
    pub(super) fn start_send(&self, parcel: Parcel) -> Result<(), WsError> {
        let mut state = self.state();
        let cause = state.cause();
        let State { phase: Phase::Open(stream), vitals, .. } = &mut *state else { return Err(WsError::new(cause)) };
        self.note(parcel.message.is_data(), vitals);
        let sent = transport::put(stream, parcel).map_err(WsError::from);
        match &sent {
            // A full buffer has taken nothing and broken nothing.
            Err(error) if error.kind() != WsErrorKind::Full => self.end_locked(state, Ending::failed(error), Told::NotYet),
            _ if state.is_quiet() => {}
            _ => {
                let wakers = state.displaced();
                drop(state);
                wakers.wake();
            }
        }
        sent
    }

    /// Ready when the connection is gone.
    pub(super) fn poll_gone(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if matches!(state.phase, Phase::Gone(..)) {
            return Poll::Ready(());
        }
        state.waiting.remember(Writer::Handler, cx.waker());
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

/// Releases the lock after the stream was polled.
fn settle(mut state: MutexGuard<'_, State>) {
    if state.is_quiet() {
        return;
    }
    let wakers = state.settle();
    drop(state);
    wakers.wake();
}
