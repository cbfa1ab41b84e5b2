use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::{Buf, Bytes};
use http_body::{Body, SizeHint};

use super::{
    super::store::StoredBody,
    buffer::{Buffer, Finish, Left, Next, Place},
    room::Room,
    wakers::Wakers,
};

/// A body that is being read, for all who read it. Cloning is a reference count.
pub(in super::super) struct Fill<B>(Arc<Inner<B>>);

struct Inner<B> {
    /// What is left of the inner body; locked before the buffer, never while it is.
    source: Mutex<Option<Pin<Box<B>>>>,
    buffer: Mutex<Buffer>,
    wakers: Arc<Wakers>,
    /// What it said of its size at the beginning.
    hint: SizeHint,
    done: Mutex<Option<Done>>,
    /// Reads on when the last reader is gone. A pointer, so that only the beginning needs to know that the body can be sent to another task.
    finish: fn(&Fill<B>, Place),
}

type Done = Box<dyn FnOnce(Filled) + Send>;

/// What is asked of a [`Fill`].
#[derive(Clone, Debug)]
pub(in super::super) struct Limits {
    /// The most bytes that may be stored.
    pub(in super::super) max: u64,
    /// What `Content-Length` says: a content of another length is never stored.
    pub(in super::super) expected: Option<u64>,
    /// What it shares with all others that are on their way.
    pub(in super::super) room: Room,
}

/// What became of a body.
#[derive(Debug)]
pub(in super::super) enum Filled {
    /// All of it, for the store.
    Whole(StoredBody),
    /// It is more than may be stored, or than there was room for.
    TooLarge,
    /// It failed, was too short or too long, or nobody wanted the rest.
    Cut,
}

impl<B: Body> Fill<B> {
    /// A body that nobody reads yet. `finish` reads the rest of it, from a place, when its last reader is gone and its end is near.
    pub(super) fn new(there: impl IntoIterator<Item = Bytes>, body: B, limits: Limits, finish: fn(&Self, Place)) -> Self {
        let there: Vec<Bytes> = there.into_iter().collect();
        let before: u64 = there.iter().map(|chunk| chunk.len() as u64).sum();
        let of_body = body.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper.saturating_add(before));
        }
        hint.set_lower(of_body.lower().saturating_add(before));
        let mut buffer = Buffer::new(limits.max, limits.expected.or(hint.exact()), limits.room);
        there.into_iter().for_each(|chunk| buffer.push(chunk));
        if body.is_end_stream() {
            buffer.end();
        }
        Self(Arc::new(Inner {
            hint,
            source: Mutex::new(Some(Box::pin(body))),
            buffer: Mutex::new(buffer),
            wakers: Arc::new(Wakers::new()),
            done: Mutex::new(None),
            finish,
        }))
    }

    pub(super) fn hint(&self) -> &SizeHint {
        &self.0.hint
    }

    /// What the reader gets next; drives the inner body if it has had all that came. An error of the inner body goes to the reader that met it.
    pub(super) fn poll_next(&self, place: Place, cx: &mut Context<'_>) -> Poll<Result<Next, B::Error>> {
        if let Some(next) = self.buffer().next(place) {
            return Poll::Ready(Ok(next));
        }
        self.0.wakers.register(place, cx.waker());
        if let Some(next) = self.buffer().next(place) {
            return Poll::Ready(Ok(next));
        }
        // Asked already, and not woken since: to be asked once is enough for all.
        if !self.0.wakers.is_ready() {
            return Poll::Pending;
        }
        let mut source = self.0.source.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.buffer().next(place);
        if let Some(next) = next {
            return Poll::Ready(Ok(next));
        }
        let driven = self.drive(&mut source);
        drop(source);
        match driven {
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => {
                self.settle();
                self.0.wakers.remove(place);
                self.0.wakers.wake_all();
                result?;
                let next = self.buffer().next(place);
                Poll::Ready(Ok(next.unwrap_or(Next::Cut)))
            }
        }
    }

    /// Asks the inner body until it has something to read, has ended or lets us wait.
    fn drive(&self, source: &mut Option<Pin<Box<B>>>) -> Poll<Result<(), B::Error>> {
        let waker = Waker::from(Arc::clone(&self.0.wakers));
        let mut cx = Context::from_waker(&waker);
        // Taken out, so that a body that panics is gone; then nobody waits for it.
        let mut guard = CutOnPanic { fill: self, armed: true };
        let Some(mut body) = source.take() else {
            self.buffer().cut();
            guard.armed = false;
            return Poll::Ready(Ok(()));
        };
        let result = loop {
            self.0.wakers.set_ready(false);
            let polled = body.as_mut().poll_frame(&mut cx);
            if polled.is_ready() {
                self.0.wakers.set_ready(true);
            }
            match polled {
                Poll::Pending => break Poll::Pending,
                Poll::Ready(None) => {
                    self.buffer().end();
                    break Poll::Ready(Ok(()));
                }
                Poll::Ready(Some(Err(error))) => {
                    self.buffer().cut();
                    break Poll::Ready(Err(error));
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(mut data) if data.has_remaining() => {
                        let mut buffer = self.buffer();
                        buffer.push(data.copy_to_bytes(data.remaining()));
                        if body.is_end_stream() {
                            buffer.end();
                        }
                        break Poll::Ready(Ok(()));
                    }
                    Ok(_) => {}
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            self.buffer().push_trailers(trailers);
                        }
                    }
                },
            }
        };
        guard.armed = false;
        if !self.buffer().is_ended() {
            *source = Some(body);
        }
        result
    }
}

impl<B> Fill<B> {
    /// Another place from the beginning, if one can be had.
    pub(super) fn enter(&self) -> Option<Place> {
        self.buffer().enter()
    }

    pub(super) fn is_over(&self, place: Place) -> bool {
        self.buffer().is_over(place)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.buffer().is_complete()
    }

    /// Says what became of it, once, as soon as that is known.
    pub(in super::super) fn on_done(&self, done: impl FnOnce(Filled) + Send + 'static) {
        *self.done() = Some(Box::new(done));
        self.settle();
    }

    /// A reader goes away; if it was the last, the body is finished for the store, or ends here.
    pub(super) fn leave(&self, place: Place, may: Finish) {
        self.0.wakers.remove(place);
        let left = self.buffer().leave(place, may);
        match left {
            Left::Unchanged => {}
            Left::ToFinish(place) => (self.0.finish)(self, place),
            Left::Ended => {
                // Dropped last, with no lock held: a body's drop is somebody else's code.
                let body = self.0.source.lock().unwrap_or_else(PoisonError::into_inner).take();
                self.settle();
                drop(body);
            }
        }
    }

    /// Tells who asked what became of it, if that is known and was not told.
    fn settle(&self) {
        let buffer = self.buffer();
        if !buffer.is_ended() && !buffer.is_too_large() {
            return;
        }
        let Some(done) = self.done().take() else { return };
        let filled = match buffer.stored() {
            Some(body) => Filled::Whole(body),
            None if buffer.is_too_large() => Filled::TooLarge,
            None => Filled::Cut,
        };
        drop(buffer);
        done(filled);
    }

    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.0.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn done(&self) -> MutexGuard<'_, Option<Done>> {
        self.0.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body that panics ends for all.
struct CutOnPanic<'a, B> {
    fill: &'a Fill<B>,
    armed: bool,
}

impl<B> Drop for CutOnPanic<'_, B> {
    fn drop(&mut self) {
        if self.armed {
            self.fill.buffer().cut();
            self.fill.settle();
            self.fill.0.wakers.wake_all();
        }
    }
}

impl<B> Clone for Fill<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B> fmt::Debug for Fill<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fill")
    }
}
