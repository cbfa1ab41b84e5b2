use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use futures_core::Stream as _;
use futures_sink::Sink as _;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error as CodecError, Message},
};

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
    wakers::{Waiting, Writer},
};

/// The most that is read at once.
const AT_MOST: usize = 64 * 1024;

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
    owes: bool,
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
enum Next {
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

    pub(in crate::ws_upgrade) fn traffic(&mut self) -> &mut Traffic {
        &mut self.traffic
    }

    /// From now on the codec alone is asked: there will be no more messages.
    pub(in crate::ws_upgrade) fn close(&mut self) {
        if let Way::Plain(plain) = &mut self.way {
            plain.close();
        }
    }

    /// The connection, for who drains it when its bytes no longer make sense.
    pub(in crate::ws_upgrade) fn get_mut(&mut self) -> &mut T {
        &mut self.io
    }
}

/// The next message, be it found on the way or by the codec. What is owed, or stuck because its writer has given up, goes on its way.
pub(in crate::ws_upgrade) fn poll_message<T>(
    stream: &mut WebSocketStream<Transport<T>>,
    waiting: &mut Waiting,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Message, CodecError>>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    if stream.get_ref().owes || stream.get_ref().traffic.blocked {
        // The codec puts an answer back for which its buffer has no room, and flushes without it. The second time there is room.
        let flush = |cx: &mut Context<'_>| match Pin::new(&mut *stream).poll_flush(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut *stream).poll_flush(cx),
            flushed => flushed,
        };
        match waiting.polling(Writer::Reader, cx, flush) {
            Poll::Ready(flushed) => {
                flushed?;
                stream.get_mut().owes = false;
            }
            Poll::Pending => waiting.remember(Writer::Reader, cx.waker()),
        }
    }
    loop {
        match ready!(stream.get_mut().poll_next(cx)) {
            Next::Message(message) => return Poll::Ready(Some(Ok(message))),
            Next::Codec => {}
        }
        let polled = Pin::new(&mut *stream).poll_next(cx);
        let transport = stream.get_mut();
        if polled.is_ready() {
            transport.owes = true;
            return polled;
        }
        if matches!(transport.way, Way::Inflating(_)) {
            return Poll::Pending;
        }
    }
}

impl<T: AsyncRead + Unpin> Transport<T> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
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
                Ok(Step::More) => ready!(self.poll_more(cx)),
                Err(kind) => self.over = Some(Over::Fault(kind)),
            }
        }
    }

    /// Reads more, or finds that there is no more.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let room = match &mut self.way {
            Way::Plain(plain) => plain.room(),
            Way::Inflating(_) => None,
        };
        let polled = match room {
            Some(mut room) => pin!(self.io.read_buf(&mut room)).poll(cx),
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
        Poll::Ready(())
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
                Ok(Step::More) => ready!(this.poll_more(cx)),
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
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        match &polled {
            Poll::Ready(_) => self.traffic.moved = true,
            Poll::Pending => self.traffic.blocked = true,
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(cx);
        // The codec flushes when it has written everything.
        self.traffic.blocked = polled.is_pending();
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
