use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use super::{
    head::Head,
    inflow::{Inflow, hand_on},
    plain::{Plain, Step},
};
use crate::ws_upgrade::{
    budget::Budget,
    deflate::{Deflater, Negotiated},
    error::{Fault, WsErrorKind},
    limits::Limits,
};

/// The most that is read at once.
const AT_MOST: usize = 64 * 1024;
/// Up to this size it is read onto the stack, and only what has come is kept.
const SMALL: usize = 4 * 1024;

/// In a box, since it is handed from one to the other when the connection ends.
pub(in crate::ws_upgrade) type Stream = Box<WebSocketStream<Transport<TokioIo<Upgraded>>>>;

/// A connection whose frames are looked at on their way in, and the compressor for those on their way out, which pass.
pub(in crate::ws_upgrade) struct Transport<T> {
    io: T,
    /// Read from the connection and not yet handed on. Empty, and without memory, while nothing comes.
    ahead: BytesMut,
    /// How much is read at once: more where messages are large.
    at_once: usize,
    at_least: usize,
    way: Way,
    budget: Budget,
    /// After what was read nothing more can be.
    over: Option<Over>,
    /// Whether the codec may have an answer to send.
    pub(super) owes: bool,
    /// Whether it may have anything else that it was given.
    pub(super) unflushed: bool,
    /// The end of a frame that was written beside the codec. Goes before all else.
    pub(super) rest: Bytes,
    traffic: Traffic,
    deflater: Option<Deflater>,
}

/// What was seen of the bytes themselves.
#[derive(Debug, Default)]
pub(in crate::ws_upgrade) struct Traffic {
    /// Something waits for the peer to take it.
    pub(in crate::ws_upgrade) blocked: bool,
    /// The peer has taken something.
    pub(in crate::ws_upgrade) moved: bool,
    /// The peer has sent something.
    pub(in crate::ws_upgrade) came: bool,
}

impl Traffic {
    fn note(&mut self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(_) => self.moved = true,
            Poll::Pending => self.blocked = true,
        }
    }
}

enum Way {
    Plain(Plain),
    Inflating(Box<Inflow>),
}

enum Over {
    End,
    Fault(WsErrorKind),
    Failed(io::Error),
}

/// What comes next.
pub(super) enum Next {
    Message(Message),
    /// Something for the codec.
    Codec,
}

impl<T> Transport<T> {
    pub(in crate::ws_upgrade) fn new(io: T, limits: &Limits, deflate: Option<&Negotiated>) -> Self {
        let way = match deflate {
            None => Way::Plain(Plain::new(limits.max_frame())),
            Some(agreed) => Way::Inflating(Box::new(Inflow::new(agreed.inflater(), limits.max_message()))),
        };
        Self {
            io,
            ahead: BytesMut::new(),
            at_once: limits.read_buffer(),
            at_least: limits.read_buffer(),
            way,
            budget: Budget::new(limits.rates()),
            over: None,
            owes: false,
            unflushed: false,
            rest: Bytes::new(),
            traffic: Traffic::default(),
            deflater: deflate.map(Negotiated::deflater),
        }
    }

    /// What compresses outgoing messages, if that was agreed on.
    pub(in crate::ws_upgrade) fn deflater(&mut self) -> Option<&mut Deflater> {
        self.deflater.as_mut()
    }

    pub(in crate::ws_upgrade) fn has_heard(&self) -> bool {
        self.traffic.came
    }

    pub(in crate::ws_upgrade) fn is_blocked(&self) -> bool {
        self.traffic.blocked
    }

    pub(in crate::ws_upgrade) fn traffic(&mut self) -> &mut Traffic {
        &mut self.traffic
    }

    /// From now on the codec alone is asked: there will be no more messages.
    pub(in crate::ws_upgrade) fn close(&mut self) {
        if let Way::Plain(plain) = &mut self.way {
            plain.close();
        }
    }

    /// Whether nothing waits to be written, here or in the codec.
    pub(super) fn is_settled(&self) -> bool {
        !self.owes && !self.unflushed && self.rest.is_empty()
    }

    /// The codec has flushed, with what it owes.
    pub(super) fn settled(&mut self) {
        (self.owes, self.unflushed) = (false, false);
    }

    /// Whether something waits that the reader has to send on its way.
    pub(super) fn is_behind(&self) -> bool {
        self.owes || self.traffic.blocked
    }

    pub(super) fn is_inflating(&self) -> bool {
        matches!(self.way, Way::Inflating(_))
    }

    /// The connection, for who drains it when its bytes no longer make sense.
    pub(in crate::ws_upgrade) fn get_mut(&mut self) -> &mut T {
        &mut self.io
    }
}

impl<T: AsyncRead + Unpin> Transport<T> {
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            let Way::Plain(plain) = &mut self.way else { return Poll::Ready(Next::Codec) };
            if self.over.is_some() {
                return Poll::Ready(Next::Codec);
            }
            match plain.advance(&mut self.ahead, &mut self.budget) {
                Ok(Step::Message(message)) => {
                    // The next one is expected to be like it.
                    self.at_once = (message.len() + Head::MAX).min(AT_MOST).max(self.at_least);
                    return Poll::Ready(Next::Message(message));
                }
                Ok(Step::Codec) => return Poll::Ready(Next::Codec),
                Ok(Step::More) => {
                    if let Some(message) = ready!(self.poll_more(cx)) {
                        return Poll::Ready(Next::Message(message));
                    }
                }
                Err(kind) => self.over = Some(Over::Fault(kind)),
            }
        }
    }

    /// Reads more, or finds that there is no more. A small message that comes as a whole is made at once.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let room = match &mut self.way {
            Way::Plain(plain) => plain.room(),
            Way::Inflating(_) => None,
        };
        let mut message = None;
        let polled = match room {
            Some(mut room) => pin!(self.io.read_buf(&mut room)).poll(cx),
            None if self.ahead.is_empty() && self.at_once <= SMALL => {
                let mut space = [const { MaybeUninit::uninit() }; SMALL];
                let mut read = ReadBuf::uninit(space.get_mut(..self.at_once).unwrap_or_default());
                Pin::new(&mut self.io).poll_read(cx, &mut read).map_ok(|()| {
                    let mut rest = read.filled();
                    if let Way::Plain(plain) = &mut self.way {
                        match plain.take(&mut rest, &mut self.budget) {
                            Ok(taken) => message = taken,
                            Err(kind) => self.over = Some(Over::Fault(kind)),
                        }
                    }
                    self.ahead.extend_from_slice(rest);
                    read.filled().len()
                })
            }
            None => {
                self.ahead.reserve(self.at_once);
                pin!(self.io.read_buf(&mut self.ahead)).poll(cx)
            }
        };
        match polled {
            Poll::Ready(Ok(0)) => self.over = Some(Over::End),
            Poll::Ready(Ok(_)) => self.traffic.came = true,
            Poll::Ready(Err(error)) => self.over = Some(Over::Failed(error)),
            Poll::Pending => {
                // Until something comes, the connection costs no buffer.
                if self.ahead.is_empty() {
                    self.ahead = BytesMut::new();
                }
                return Poll::Pending;
            }
        }
        Poll::Ready(message)
    }

    /// What the codec is told when there is no more.
    fn told(over: &mut Over) -> io::Result<()> {
        match std::mem::replace(over, Over::End) {
            Over::End => Ok(()),
            Over::Failed(error) => Err(error),
            Over::Fault(kind) => {
                *over = Over::Fault(kind);
                Err(Fault::new(kind).into())
            }
        }
    }
}

/// For the codec. Where nothing is compressed, it is given what is waiting for it, and told of more by [`poll_message`] alone, until the
/// transport is closing.
impl<T: AsyncRead + Unpin> AsyncRead for Transport<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.hand_to_codec(buf) {
                return Poll::Ready(Ok(()));
            }
            if let Some(over) = &mut this.over {
                return Poll::Ready(Self::told(over));
            }
            let stepped = match &mut this.way {
                Way::Plain(plain) if !plain.is_closing() => return Poll::Pending,
                Way::Plain(plain) => plain.advance(&mut this.ahead, &mut this.budget),
                Way::Inflating(inflow) => inflow.advance(&mut this.ahead, &mut this.budget),
            };
            match stepped {
                Ok(Step::More) => {
                    // Where the codec reads, there is no message to be made.
                    ready!(this.poll_more(cx));
                }
                Ok(Step::Message(_) | Step::Codec) => {}
                Err(kind) => this.over = Some(Over::Fault(kind)),
            }
        }
    }
}

impl<T> Transport<T> {
    /// Whether there was anything.
    fn hand_to_codec(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let plain = match &mut self.way {
            Way::Inflating(inflow) => return inflow.hand_on(buf),
            Way::Plain(plain) => plain,
        };
        let before = buf.filled().len();
        let mut passing = self.ahead.get(..plain.passing(self.ahead.len())).unwrap_or_default();
        hand_on(&mut passing, buf);
        let handed = buf.filled().get(before..).unwrap_or_default();
        if handed.is_empty() {
            return false;
        }
        let size = handed.len();
        let judged = plain.passed(handed);
        self.ahead.advance(size);
        let Err((sound, kind)) = judged else { return true };
        self.over = Some(Over::Fault(kind));
        buf.set_filled(before + sound);
        // What came before the fault is read first; an empty read would say that the connection has ended.
        sound > 0
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Transport<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_rest(cx))?;
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        self.traffic.note(&polled);
        polled
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        ready!(self.poll_rest(cx))?;
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.traffic.note(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_rest(cx))?;
        let polled = Pin::new(&mut self.io).poll_flush(cx);
        // The codec flushes when it has written everything.
        self.traffic.blocked = polled.is_pending();
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl<T: AsyncWrite + Unpin> Transport<T> {
    /// Writes what is left of a frame that was begun.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            let polled = Pin::new(&mut self.io).poll_write(cx, &self.rest);
            self.traffic.note(&polled);
            match ready!(polled)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.rest.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }
}
