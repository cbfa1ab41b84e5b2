//! The state of a connection between its upgrade and its end.

use std::task::Waker;

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error as CodecError, Message as CodecMessage};

use super::{
    config::Config,
    ending::Ending,
    error::{WsError, WsErrorKind},
    message::Message,
    schedule::Vitals,
    transport::Stream,
    wakers::{Waiting, Wakers},
};

pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) vitals: Vitals,
    /// Whether anything came since this was last made false.
    pub(super) heard: bool,
    /// A message that the session found while it looked for a sign of life.
    pub(super) ahead: Option<Message>,
    pub(super) receiver: Option<Waker>,
    pub(super) waiting: Waiting,
    pub(super) session: Option<Waker>,
}

pub(super) enum Phase {
    Open(Stream),
    /// The stream waits to be fetched by the session.
    Ending(Stream, Ending, Told),
    /// The session has the stream.
    Leaving(WsErrorKind, Told),
    Gone(WsErrorKind, Told),
}

/// Whether the receiving side knows why it ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Yes,
    NotYet,
}

impl State {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            phase: Phase::Open(stream),
            vitals: Vitals { active: Instant::now(), stuck: None },
            heard: false,
            ahead: None,
            receiver: None,
            waiting: Waiting::default(),
            session: None,
        }
    }

    /// What the receiver is given of what was read, and how the connection ends by it.
    pub(super) fn take(
        &mut self,
        received: Option<Result<CodecMessage, CodecError>>,
        config: &Config,
    ) -> (Option<Result<Message, WsError>>, Option<Ending>) {
        let message = match received {
            None => return (None, Some(Ending::theirs())),
            Some(received) => received.map_err(WsError::from).and_then(|message| self.admit(message, config)),
        };
        match message {
            Ok(message) => {
                let ending = message.is_close().then(Ending::theirs);
                (Message::received(message).map(Ok), ending)
            }
            Err(error) => {
                let ending = Ending::failed(&error);
                (Some(Err(error)), Some(ending))
            }
        }
    }

    fn admit(&mut self, message: CodecMessage, config: &Config) -> Result<CodecMessage, WsError> {
        self.heard = true;
        let control = matches!(message, CodecMessage::Ping(_) | CodecMessage::Pong(_));
        if config.timeouts.idle.is_some() && !control {
            self.vitals.active = Instant::now();
        }
        Ok(message)
    }

    /// Whether anything came since it was last asked to listen.
    pub(super) fn has_heard(&self) -> bool {
        self.heard || matches!(&self.phase, Phase::Open(stream) if stream.get_ref().has_heard())
    }

    pub(super) fn end(&mut self, ending: Ending, told: Told) -> Wakers {
        let cause = ending.cause;
        // Whether the rest leaves in time is the close timeout's to say.
        self.vitals.stuck = None;
        self.phase = match std::mem::replace(&mut self.phase, Phase::Gone(cause, told)) {
            Phase::Open(stream) => Phase::Ending(stream, ending, told),
            ended => ended,
        };
        self.wakers()
    }

    pub(super) fn wakers(&mut self) -> Wakers {
        let [handler, session, reader] = self.waiting.take();
        Wakers([self.receiver.take(), handler, session, reader, self.session.take()])
    }

    /// Whether nothing waits to be sent, nor did when the stream was last polled.
    pub(super) fn is_quiet(&self) -> bool {
        self.vitals.stuck.is_none() && matches!(&self.phase, Phase::Open(stream) if !stream.get_ref().is_blocked())
    }

    /// After the stream was polled: since when something waits to be sent, and who is to be woken.
    pub(super) fn settle(&mut self) -> Wakers {
        let Phase::Open(stream) = &mut self.phase else { return Wakers::default() };
        let traffic = stream.get_mut().traffic();
        if !traffic.blocked {
            if self.vitals.stuck.take().is_none() {
                return Wakers::default();
            }
            // Everything has left, so there is room for all.
            let [handler, session, reader] = self.waiting.take();
            return Wakers([handler, session, reader, None, None]);
        }
        let first = self.vitals.stuck.is_none();
        if std::mem::take(&mut traffic.moved) || first {
            self.vitals.stuck = Some(Instant::now());
        }
        // The session has to watch over it from now on.
        let watcher = if first { self.session.take() } else { None };
        Wakers([watcher, None, None, None, None])
    }

    /// After the codec may have written with a waker of its own, in the place of that of whoever waits: they have to poll again.
    pub(super) fn displaced(&mut self) -> Wakers {
        let Wakers([first, second, third, ..]) = self.settle();
        let [handler, session, reader] = self.waiting.take();
        Wakers([first, second.or(session), third.or(reader), handler, None])
    }

    pub(super) fn cause(&self) -> WsErrorKind {
        match &self.phase {
            Phase::Open(_) => WsErrorKind::Closed,
            Phase::Ending(_, Ending { cause, .. }, _) | Phase::Leaving(cause, _) | Phase::Gone(cause, _) => *cause,
        }
    }

    /// The cause, once, if the receiver did not see it coming.
    pub(super) fn tell(&mut self) -> Option<WsErrorKind> {
        let cause = self.cause();
        let (Phase::Ending(_, _, told) | Phase::Leaving(_, told) | Phase::Gone(_, told)) = &mut self.phase else { return None };
        let first = std::mem::replace(told, Told::Yes) == Told::NotYet;
        (first && cause != WsErrorKind::Closed).then_some(cause)
    }
}
