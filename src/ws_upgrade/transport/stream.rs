use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream as _;
use futures_sink::Sink as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error as CodecError, Message},
};

use super::{
    adapter::{Next, Transport},
    head::{BINARY, FIN, Head, RSV1, TEXT},
};
use crate::ws_upgrade::{
    message::Parcel,
    wakers::{Waiting, Writer},
};

/// Up to this size a frame is put together on the stack; beyond it, its head and payload are written from where they are.
const SMALL: usize = 1024;

/// The next message, be it found on the way or by the codec. What is owed, or stuck because its writer has given up, goes on its way.
pub(in crate::ws_upgrade) fn poll_message<T>(
    stream: &mut WebSocketStream<Transport<T>>,
    waiting: &mut Waiting,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Message, CodecError>>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    if stream.get_ref().is_behind() {
        match waiting.polling(Writer::Reader, cx, |cx| poll_flush(stream, cx)) {
            Poll::Ready(flushed) => flushed?,
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
        if transport.is_inflating() {
            return Poll::Pending;
        }
    }
}

/// Ready when a message can be queued.
pub(in crate::ws_upgrade) fn poll_room<T>(
    stream: &mut WebSocketStream<Transport<T>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), CodecError>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    if stream.get_ref().rest.is_empty() { Pin::new(stream).poll_ready(cx) } else { poll_flush(stream, cx) }
}

/// Writes all that waits.
pub(in crate::ws_upgrade) fn poll_flush<T>(
    stream: &mut WebSocketStream<Transport<T>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), CodecError>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    if stream.get_ref().is_settled() {
        return Pin::new(stream.get_mut()).poll_flush(cx).map_err(CodecError::Io);
    }
    ready!(Pin::new(&mut *stream).poll_flush(cx))?;
    if stream.get_ref().owes {
        // The codec puts an answer back for which its buffer has no room, and flushes without it. The second time there is room.
        ready!(Pin::new(&mut *stream).poll_flush(cx))?;
    }
    stream.get_mut().settled();
    Poll::Ready(Ok(()))
}

/// Queues a message.
pub(in crate::ws_upgrade) fn put<T>(stream: &mut WebSocketStream<Transport<T>>, parcel: Parcel) -> Result<(), CodecError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let message = parcel.into_codec(stream.get_mut().deflater());
    queue(stream, message)
}

fn queue<T>(stream: &mut WebSocketStream<Transport<T>>, message: Message) -> Result<(), CodecError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    stream.get_mut().unflushed = true;
    Pin::new(&mut *stream).start_send(message).inspect_err(|_| {
        // The client will not see what the next message would refer to.
        if let Some(deflater) = stream.get_mut().deflater() {
            deflater.forget();
        }
    })
}

/// Queues a message of which more is not to be expected soon: written at once, if nothing else waits. To be flushed in any case.
pub(in crate::ws_upgrade) fn write<T>(
    stream: &mut WebSocketStream<Transport<T>>,
    parcel: Parcel,
    cx: &mut Context<'_>,
) -> Result<(), CodecError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let transport = stream.get_mut();
    let message = parcel.into_codec(transport.deflater());
    if !transport.is_settled() || message.len() > SMALL && !transport.is_write_vectored() {
        return queue(stream, message);
    }
    match message {
        Message::Text(text) => transport.write_frame(FIN | TEXT, text.into(), cx),
        Message::Binary(bytes) => transport.write_frame(FIN | BINARY, bytes, cx),
        Message::Frame(frame) => {
            let first = FIN | RSV1 | u8::from(frame.header().opcode);
            transport.write_frame(first, frame.into_payload(), cx)
        }
        control => queue(stream, control),
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Transport<T> {
    /// Writes as much of a frame as the connection takes, and keeps the rest.
    fn write_frame(&mut self, first: u8, payload: Bytes, cx: &mut Context<'_>) -> Result<(), CodecError> {
        let mut space = [const { MaybeUninit::uninit() }; Head::MAX + SMALL];
        let mut frame = ReadBuf::uninit(&mut space);
        Head { first, key: None, len: payload.len() as u64 }.put(&mut frame);
        let head = frame.filled().len();
        let small = payload.len() <= SMALL;
        let written = if small {
            frame.put_slice(&payload);
            Pin::new(&mut *self).poll_write(cx, frame.filled())
        } else {
            Pin::new(&mut *self).poll_write_vectored(cx, &[IoSlice::new(frame.filled()), IoSlice::new(&payload)])
        };
        let written = match written {
            Poll::Ready(Ok(0)) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            Poll::Ready(written) => written?,
            Poll::Pending => 0,
        };
        self.rest = match frame.filled().get(written..) {
            Some(&[]) if small => Bytes::new(),
            Some(begun) if small => Bytes::copy_from_slice(begun),
            Some(begun @ [_, ..]) => [begun, &payload].concat().into(),
            _ => payload.slice(written.saturating_sub(head).min(payload.len())..),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;
    use crate::ws_upgrade::{limits::Limits, message};

    /// A connection that takes so many bytes at a time, and every other time none.
    struct Narrow {
        taken: Vec<u8>,
        sizes: Vec<usize>,
        calls: usize,
        vectored: bool,
    }

    impl Narrow {
        fn take(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.calls += 1;
            let size = self.sizes[self.calls % self.sizes.len()].min(bytes.len());
            self.taken.extend(&bytes[..size]);
            if size == 0 { Poll::Pending } else { Poll::Ready(Ok(size)) }
        }
    }

    impl AsyncWrite for Narrow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.take(bytes)
        }

        fn poll_write_vectored(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
            let bytes: Vec<u8> = bytes.iter().flat_map(|slice| slice.iter().copied()).collect();
            self.take(&bytes)
        }

        fn is_write_vectored(&self) -> bool {
            self.vectored
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncRead for Narrow {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    fn open(io: Narrow) -> WebSocketStream<Transport<Narrow>> {
        let transport = Transport::new(io, &Limits::default(), None);
        let opening = WebSocketStream::from_raw_socket(transport, Role::Server, Some(Limits::default().config()));
        let Poll::Ready(stream) = std::pin::pin!(opening).poll(&mut Context::from_waker(Waker::noop())) else { unreachable!() };
        stream
    }

    #[test]
    fn a_large_payload_that_waits_is_not_copied() {
        for taken in [4, 5] {
            let mut stream = open(Narrow { taken: Vec::new(), sizes: vec![taken], calls: 0, vectored: true });
            let payload = Bytes::from(vec![7; 2 * SMALL]);
            let parcel = Parcel::from(message::Message::from(payload.clone()));
            write(&mut stream, parcel, &mut Context::from_waker(Waker::noop())).unwrap();
            let waits = &payload[taken - 4..];
            let rest = &stream.get_ref().rest;
            assert_eq!(
                (rest.as_ptr(), rest.len()),
                (waits.as_ptr(), waits.len()),
                "after {taken} bytes, of which 4 are the head"
            );
        }
    }

    fn wait(mut poll: impl FnMut(&mut Context<'_>) -> Poll<Result<(), CodecError>>) {
        let mut cx = Context::from_waker(Waker::noop());
        (0..1_000_000).find_map(|_| if let Poll::Ready(done) = poll(&mut cx) { Some(done) } else { None }).unwrap().unwrap();
    }

    proptest! {
        #[test]
        fn frames_leave_whole_and_in_order(
            sent in prop::collection::vec((prop_oneof![0..200_usize, 900..1100_usize, 60_000..70_000_usize], any::<[bool; 3]>()), 1..8),
            sizes in prop::collection::vec(prop_oneof![Just(0_usize), 1..20_usize, 500..100_000_usize], 1..8),
            vectored: bool,
        ) {
            prop_assume!(sizes.iter().any(|size| *size > 0));
            let io = Narrow { taken: Vec::new(), sizes, calls: 0, vectored };
            let mut stream = open(io);
            let mut expected = Vec::new();
            for (number, (len, [alone, ping, flushed])) in sent.into_iter().enumerate() {
                wait(|cx| poll_room(&mut stream, cx));
                if ping {
                    put(&mut stream, message::Message::Ping(Bytes::new()).into()).unwrap();
                    expected.extend([0x89, 0]);
                    wait(|cx| poll_room(&mut stream, cx));
                }
                let payload = vec![number as u8; len];
                Head { first: FIN | BINARY, key: None, len: len as u64 }.put(&mut expected);
                expected.extend(&payload);
                let parcel = Parcel::from(message::Message::from(payload));
                if alone {
                    write(&mut stream, parcel, &mut Context::from_waker(Waker::noop())).unwrap();
                } else {
                    put(&mut stream, parcel).unwrap();
                }
                if flushed {
                    wait(|cx| poll_flush(&mut stream, cx));
                    prop_assert!(stream.get_ref().is_settled());
                }
            }
            wait(|cx| poll_flush(&mut stream, cx));
            prop_assert!(stream.get_mut().get_mut().taken == expected);
        }
    }
}
