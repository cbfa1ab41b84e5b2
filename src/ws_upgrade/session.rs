//! The life of one connection after its upgrade.

use std::{
    future::{Future, poll_fn},
    ops::ControlFlow,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream as _;
use http::HeaderValue;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    task::coop,
    time::{Instant, Sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error as CodecError, protocol::Role},
};

use super::{
    accept::Handler,
    admission::Permit,
    close::CloseFrame,
    config::Config,
    deflate::Negotiated,
    drain::Draining,
    ending::{Ending, WaitFor},
    error::WsErrorKind,
    link::{Attended, Link},
    message::Message,
    rejection::WsRejectionKind,
    schedule::{Due, Schedule, Vitals},
    socket::WsSocket,
    transport::{self, Stream, Transport, poll_room, put},
    wakers::Writer,
    wire::{Sign, Wire},
};
use crate::core::{Principal, Revoked, trace::event};

/// What a socket is made of, once the connection is the server's to use.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) on_upgrade: OnUpgrade,
    pub(super) config: Arc<Config>,
    pub(super) subprotocol: Option<HeaderValue>,
    pub(super) deflate: Option<Negotiated>,
    pub(super) principal: Option<Principal>,
    pub(super) draining: Option<Draining>,
    pub(super) permit: Option<Permit>,
}

impl Session {
    /// Follows `principal`, who was not known before.
    pub(super) fn identify(&mut self, principal: &Principal) -> Result<(), WsRejectionKind> {
        self.principal = Some(principal.clone());
        self.permit.as_mut().map_or(Ok(()), |permit| permit.identify(principal))
    }

    /// Waits for the upgrade, starts the handler in a task of its own and stays until the connection is gone and the handler is done.
    pub(super) async fn run(self, handler: Handler) {
        let Self { on_upgrade, config, subprotocol, deflate, principal, mut draining, permit } = self;
        // What happens at the beginning and at the end is on the heap meanwhile, so that it is no part of every idle connection.
        let Some(stream) = Box::pin(open(on_upgrade, &config, deflate)).await else { return };
        let wire = Wire::new(stream, Arc::clone(&config), principal.clone());
        config.counters.socket_opened();
        let mut watch = Watch::new(&wire, principal);
        let handling = handler(WsSocket::new(wire.clone(), subprotocol));
        let (mut stream, ending) = watch.attend(draining.as_mut()).await;
        let cause = ending.cause;
        event!(DEBUG, "websocket ends", cause = cause, code = ending.frame.as_ref().map_or(0, |frame| frame.code().get()));
        if Box::pin(timeout(config.timeouts.close, part(&mut stream, ending, wire.link()))).await.is_err() {
            event!(DEBUG, "websocket peer has not answered the close in time");
        }
        drop(stream);
        wire.link().clear();
        wire.gone();
        config.counters.socket_ended(cause);
        drop((permit, watch));
        if handling.await.is_err_and(|error| error.is_panic()) {
            config.counters.handler_panicked();
            event!(ERROR, "websocket handler panicked");
        }
    }
}

async fn open(on_upgrade: OnUpgrade, config: &Config, deflate: Option<Negotiated>) -> Option<Stream> {
    let upgraded = match timeout(config.timeouts.opening, on_upgrade).await {
        Ok(Ok(upgraded)) => upgraded,
        failed => {
            config.counters.upgrade_failed();
            let error =
                failed.map_or("timed out".to_owned(), |failed| failed.err().map_or_else(String::new, |error| error.to_string()));
            event!(WARN, "websocket upgrade failed after its handshake", error = error);
            return None;
        }
    };
    let transport = Transport::new(TokioIo::new(upgraded), &config.limits, deflate.as_ref());
    Some(Box::new(WebSocketStream::from_raw_socket(transport, Role::Server, Some(config.limits.config())).await))
}

/// What the session looks after while the connection is open.
struct Watch<'a> {
    wire: &'a Wire,
    schedule: Schedule,
    revoked: Option<Revoked>,
    farewell: Option<CloseFrame>,
    /// With what the timer was set, unless the schedule has changed since.
    seen: Option<Vitals>,
    ping: bool,
    unflushed: bool,
}

impl<'a> Watch<'a> {
    fn new(wire: &'a Wire, principal: Option<Principal>) -> Self {
        let schedule = Schedule::new(wire.config().timeouts, Instant::now());
        let mut watch = Self { wire, schedule, revoked: None, farewell: None, seen: None, ping: false, unflushed: false };
        watch.follow(principal);
        watch
    }

    fn follow(&mut self, principal: Option<Principal>) {
        let end = principal.as_ref().and_then(Principal::expires_at);
        self.schedule.expires(end, self.wire.config().clock.now(), Instant::now());
        self.revoked = principal.map(|principal| principal.revoked());
        self.seen = None;
    }

    /// Waits until somebody or something ends the connection.
    async fn attend(&mut self, draining: Option<&mut Draining>) -> (Stream, Ending) {
        let mut sleep = pin!(sleep_until(Instant::now()));
        let mut drained = pin!(async {
            match draining {
                Some(draining) => draining.started().await,
                None => std::future::pending().await,
            }
        });
        poll_fn(|cx| {
            let Attended { waiting, renewed } = self.wire.link().attend(cx);
            if let Some(principal) = renewed {
                self.follow(principal);
            }
            if self.revoked.as_mut().is_some_and(|revoked| Pin::new(revoked).poll(cx).is_ready()) {
                self.revoked = None;
                self.wire.end(Ending::principal(WsErrorKind::Revoked, self.wire.config().principal_code));
            }
            if self.farewell.is_none()
                && let Poll::Ready(farewell) = drained.as_mut().poll(cx)
            {
                self.schedule.leaves(farewell.delay(), Instant::now());
                self.seen = None;
                self.farewell = Some(farewell.frame);
            }
            self.poll_due(sleep.as_mut(), cx);
            if waiting || self.ping || self.unflushed {
                self.unflushed = self.wire.poll_pump(&mut self.ping, cx).is_pending();
            }
            self.wire.poll_ending(cx)
        })
        .await
    }

    /// Does everything that is due, and sets the timer to what is next.
    fn poll_due(&mut self, mut sleep: Pin<&mut Sleep>, cx: &mut Context<'_>) {
        loop {
            let vitals = self.wire.watch(cx);
            // The timer wakes the session by itself; most of what wakes it changes nothing of what is due.
            if self.seen == Some(vitals) && !sleep.is_elapsed() {
                return;
            }
            self.seen = Some(vitals);
            let Some((at, due)) = self.schedule.next(vitals) else { return };
            if sleep.deadline() != at {
                sleep.as_mut().reset(at);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                // A task that has had its share is woken for that alone: the timer may not know of it, and has to be asked again.
                if !coop::has_budget_remaining() {
                    self.seen = None;
                }
                return;
            }
            self.seen = None;
            if self.act(due, cx).is_break() {
                return;
            }
        }
    }

    /// Does what is due; breaks when that was the end.
    fn act(&mut self, due: Due, cx: &mut Context<'_>) -> ControlFlow<()> {
        let ending = match due {
            Due::Ping => {
                self.schedule.pinged(Instant::now());
                self.wire.listen();
                self.ping = true;
                return ControlFlow::Continue(());
            }
            Due::Answer => match self.wire.sign_of_life(cx) {
                Sign::None => Ending::timed_out(WsErrorKind::Unresponsive),
                Sign::Heard | Sign::Hidden => {
                    self.schedule.answered();
                    return ControlFlow::Continue(());
                }
            },
            Due::Idle => {
                let known = self.wire.vitals();
                loop {
                    self.wire.listen();
                    match self.wire.sign_of_life(cx) {
                        Sign::Hidden => {
                            self.wire.touch();
                            return ControlFlow::Continue(());
                        }
                        Sign::Heard if self.wire.vitals().active != known.active => return ControlFlow::Continue(()),
                        // A pong is no message, but may stand before one.
                        Sign::Heard => {}
                        Sign::None => break Ending::timed_out(WsErrorKind::Idle),
                    }
                }
            }
            Due::Write => {
                let known = self.wire.vitals();
                match self.wire.poll_flush(Writer::Session, cx) {
                    Poll::Ready(Ok(())) => return ControlFlow::Continue(()),
                    Poll::Ready(Err(_)) => return ControlFlow::Break(()),
                    // Who was to write has given up, and the peer does read. From here on the session writes.
                    Poll::Pending if self.wire.vitals().stuck != known.stuck => {
                        self.unflushed = true;
                        return ControlFlow::Continue(());
                    }
                    Poll::Pending => Ending::timed_out(WsErrorKind::WriteTimeout),
                }
            }
            Due::Lifetime => Ending::timed_out(WsErrorKind::Lifetime),
            Due::Notice => {
                self.schedule.noticed();
                self.wire.link().announce_expiry();
                return ControlFlow::Continue(());
            }
            Due::Expiry => Ending::principal(WsErrorKind::Expired, self.wire.config().principal_code),
            Due::Leave => match self.farewell.clone() {
                Some(frame) => Ending::drained(frame),
                None => return ControlFlow::Break(()),
            },
        };
        // A task that has had its share finds nothing, whatever there is. The timer does not let it look again before its next turn.
        if matches!(due, Due::Answer | Due::Idle | Due::Write) && !coop::has_budget_remaining() {
            return ControlFlow::Continue(());
        }
        self.wire.end(ending);
        ControlFlow::Break(())
    }
}

/// Says goodbye as `ending` wants it. Errors are of no use to anyone here: the connection is dropped in any case.
async fn part(stream: &mut Stream, ending: Ending, link: &Link) {
    stream.get_mut().close();
    if ending.wait == WaitFor::QueueAndCloseFrame {
        while let Some(parcel) = link.pop() {
            if poll_fn(|cx| poll_room(stream, cx)).await.is_err() || put(stream, parcel).is_err() {
                return;
            }
        }
    }
    // A pong that the codec still holds back would come after the Close frame, the last that is sent (RFC 6455 §5.5.1).
    let _ = flush(stream, ending.wait).await;
    if let Some(frame) = ending.frame {
        let _ = put(stream, Message::Close(Some(frame)).into());
    }
    if flush(stream, ending.wait).await.is_err() || ending.wait == WaitFor::Nothing {
        return;
    }
    if ending.wait != WaitFor::EndOfData {
        while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await {}
    }
    let io = stream.get_mut().get_mut();
    let shut = poll_fn(|cx| Pin::new(&mut *io).poll_shutdown(cx)).await;
    if ending.wait == WaitFor::EndOfData && shut.is_ok() {
        drain(io).await;
    }
}

/// Flushes; where nothing is waited for, as much as the connection takes at once.
async fn flush(stream: &mut Stream, wait: WaitFor) -> Result<(), CodecError> {
    poll_fn(|cx| match transport::poll_flush(stream, cx) {
        Poll::Pending if wait == WaitFor::Nothing => Poll::Ready(Ok(())),
        flushed => flushed,
    })
    .await
}

async fn drain(io: &mut TokioIo<hyper::upgrade::Upgraded>) {
    let mut buffer = vec![0; 4 * 1024];
    loop {
        let mut read = ReadBuf::new(&mut buffer);
        let more = poll_fn(|cx| Pin::new(&mut *io).poll_read(cx, &mut read)).await;
        if more.is_err() || read.filled().is_empty() {
            return;
        }
    }
}
