use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;

use super::{
    inflow::{Inflow, hand_on},
    inspector::Inspector,
};
use crate::ws_upgrade::{
    budget::Budget,
    deflate::{Deflater, Negotiated},
    error::{Fault, WsErrorKind},
    limits::Limits,
};

/// How much of a large frame is read at once. Larger gains nothing that could be measured.
const AHEAD: usize = 64 * 1024;

pub(in crate::ws_upgrade) type Stream = WebSocketStream<Transport<TokioIo<Upgraded>>>;

/// A connection whose frames are looked at on their way in, and the compressor for those on their way out, which pass.
pub(in crate::ws_upgrade) struct Transport<T> {
    io: T,
    /// Read from the connection and not yet handed on. Empty, and without memory, while nothing comes.
    ahead: BytesMut,
    way: Way,
    budget: Budget,
    fault: Option<WsErrorKind>,
    deflater: Option<Deflater>,
}

enum Way {
    Plain(Inspector),
    Inflating(Box<Inflow>),
}

impl<T> Transport<T> {
    pub(in crate::ws_upgrade) fn new(io: T, limits: &Limits, deflate: Option<&Negotiated>) -> Self {
        let way = match deflate {
            None => Way::Plain(Inspector::default()),
            Some(agreed) => Way::Inflating(Box::new(Inflow::new(agreed.inflater(), limits.max_message()))),
        };
        Self {
            io,
            ahead: BytesMut::new(),
            way,
            budget: Budget::new(limits.rates()),
            fault: None,
            deflater: deflate.map(Negotiated::deflater),
        }
    }

    /// What compresses outgoing messages, if that was agreed on.
    pub(in crate::ws_upgrade) fn deflater(&mut self) -> Option<&mut Deflater> {
        self.deflater.as_mut()
    }

    /// The connection, for who drains it when its bytes no longer make sense.
    pub(in crate::ws_upgrade) fn get_mut(&mut self) -> &mut T {
        &mut self.io
    }
}

impl<T: AsyncRead + Unpin> Transport<T> {
    /// More bytes into `ahead`; `false` at the end of what the peer sends.
    fn poll_ahead(&mut self, room: usize, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.ahead.reserve(room);
        let polled = pin!(self.io.read_buf(&mut self.ahead)).poll(cx);
        if polled.is_pending() {
            // Until something comes, the connection costs no buffer.
            self.ahead = BytesMut::new();
        }
        polled.map_ok(|read| read > 0)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Transport<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(kind) = this.fault {
            return Poll::Ready(Err(Fault::new(kind).into()));
        }
        match &mut this.way {
            Way::Plain(inspector) => {
                let left = usize::try_from(inspector.payload_left()).unwrap_or(usize::MAX);
                if this.ahead.is_empty() && left > buf.remaining() {
                    ready!(this.poll_ahead(left.min(AHEAD), cx))?;
                }
                this.poll_inspected(cx, buf)
            }
            Way::Inflating(_) => this.poll_inflated(cx, buf),
        }
    }
}

impl<T: AsyncRead + Unpin> Transport<T> {
    /// Hands on bytes as they came, up to where they stop making sense.
    fn poll_inspected(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.ahead.is_empty() {
            ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        } else {
            hand_on(&mut self.ahead, buf);
        }
        let Way::Plain(inspector) = &mut self.way else { return Poll::Ready(Ok(())) };
        let Err((sound, kind)) = inspector.inspect(buf.filled().get(before..).unwrap_or_default(), &mut self.budget) else {
            return Poll::Ready(Ok(()));
        };
        self.fault = Some(kind);
        buf.set_filled(before + sound);
        // What came before the fault is read first; an empty read would say that the connection has ended.
        Poll::Ready(if sound == 0 { Err(Fault::new(kind).into()) } else { Ok(()) })
    }

    fn poll_inflated(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        const AT_ONCE: usize = 8 * 1024;
        loop {
            let Way::Inflating(inflow) = &mut self.way else { return Poll::Ready(Ok(())) };
            if inflow.hand_on(buf) {
                return Poll::Ready(Ok(()));
            }
            if let Err(kind) = inflow.advance(&mut self.ahead, &mut self.budget) {
                self.fault = Some(kind);
                return Poll::Ready(Err(Fault::new(kind).into()));
            }
            if inflow.is_empty() {
                if self.ahead.is_empty() {
                    inflow.rest();
                }
                if !ready!(self.poll_ahead(AT_ONCE, cx))? {
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Transport<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
