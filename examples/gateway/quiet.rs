//! A client that has said nothing has said nothing a moment later.
//!
//! Hyper looks for more from the client three times while it answers one request. Once the socket has had nothing and has noted whom to
//! wake, each further look within the same poll of the task only costs the socket's lock: what comes meanwhile wakes the task.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

/// Whether the stream has had nothing in this poll of its task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Silence(Arc<AtomicBool>);

impl Silence {
    /// The task is polled anew.
    pub(crate) fn over(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A stream is not read again by the task that has just found it empty, until that is polled anew.
#[derive(Debug)]
pub(crate) struct Quiet {
    silence: Silence,
    reader: Reader,
}

/// Which task reads a stream.
#[derive(Debug)]
enum Reader {
    Nobody,
    /// The first, and no other yet.
    One(Waker),
    /// Another too, such as a tunnel's, which does not say when it is polled anew. The first has ended then, and is not to be held in memory.
    Another,
}

impl Reader {
    /// Whether it is the first, and alone.
    fn is_alone(&mut self, task: &Waker) -> bool {
        match self {
            Self::One(first) if first.will_wake(task) => true,
            Self::Nobody => {
                *self = Self::One(task.clone());
                true
            }
            Self::One(_) | Self::Another => {
                *self = Self::Another;
                false
            }
        }
    }
}

impl Quiet {
    pub(crate) fn new(silence: Silence) -> Self {
        Self { silence, reader: Reader::Nobody }
    }

    /// Reads, unless it is known that there is nothing.
    pub(crate) fn poll<R>(&mut self, cx: &mut Context<'_>, read: impl FnOnce(&mut Context<'_>) -> Poll<R>) -> Poll<R> {
        let alone = self.reader.is_alone(cx.waker());
        if alone && self.silence.0.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let read = read(cx);
        if alone && read.is_pending() {
            self.silence.0.store(true, Ordering::Relaxed);
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    struct Task;

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn it_is_looked_at_once_a_poll_by_its_task_and_always_once_another_has() {
        let task = Arc::new(Task);
        let (one, other): (Waker, Waker) = (Arc::clone(&task).into(), Arc::new(Task).into());
        let silence = Silence::default();
        let (mut quiet, mut looks) = (Quiet::new(silence.clone()), 0);
        let mut looked = |waker: &Waker| {
            let nothing = |_: &mut Context<'_>| {
                looks += 1;
                Poll::<()>::Pending
            };
            assert!(quiet.poll(&mut Context::from_waker(waker), nothing).is_pending());
            looks
        };
        assert_eq!([looked(&one), looked(&one), looked(&one)], [1, 1, 1]);
        silence.over();
        assert_eq!([looked(&one), looked(&one)], [2, 2]);
        assert_eq!(Arc::strong_count(&task), 3, "the test's, the waker's and the stream's");
        assert_eq!([looked(&other), looked(&other), looked(&one)], [3, 4, 5]);
        silence.over();
        assert_eq!([looked(&other), looked(&one), looked(&one)], [6, 7, 8]);
        assert_eq!(Arc::strong_count(&task), 2, "the test's and the waker's");
    }
}
