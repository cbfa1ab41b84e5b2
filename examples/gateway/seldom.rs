//! Futures that are nearly never ready, beside one that is polled all the time.
//!
//! To poll a timer or a signal takes a lock and a look at the clock's list, and a connection would do that with every request. Here it
//! is polled only once it has been woken.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// A future that is polled when it was woken, and at first.
#[derive(Debug)]
pub(crate) struct Seldom<F> {
    future: Pin<Box<F>>,
    bell: Arc<Bell>,
    /// Rings the bell.
    waker: Waker,
    /// Whom the bell wakes.
    task: Option<Waker>,
}

#[derive(Debug)]
struct Bell {
    rung: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Bell {
    fn task(&self) -> MutexGuard<'_, Option<Waker>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        if let Some(task) = &*self.task() {
            task.wake_by_ref();
        }
    }
}

impl<F: Future> Seldom<F> {
    pub(crate) fn new(future: F) -> Self {
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), task: Mutex::new(None) });
        Self { future: Box::pin(future), waker: Arc::clone(&bell).into(), bell, task: None }
    }

    /// The future, to be polled at the next opportunity.
    pub(crate) fn future(&mut self) -> Pin<&mut F> {
        self.bell.rung.store(true, Ordering::Release);
        self.future.as_mut()
    }

    pub(crate) fn get(&self) -> &F {
        &self.future
    }
}

impl<F: Future> Future for Seldom<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        // Before the bell is looked at, so that whoever rings it later wakes the right one. A connection stays in its task.
        if !this.task.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            this.task = Some(cx.waker().clone());
            *this.bell.task() = Some(cx.waker().clone());
        }
        if !this.bell.rung.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        this.bell.rung.store(false, Ordering::Release);
        this.future.as_mut().poll(&mut Context::from_waker(&this.waker))
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_polled_when_it_was_woken_and_not_with_its_task() {
        let polls = Cell::new(0);
        let mut sleep = Box::pin(tokio::time::sleep(Duration::from_secs(3)));
        let counted = std::future::poll_fn(|cx| {
            polls.set(polls.get() + 1);
            sleep.as_mut().poll(cx)
        });
        let mut seldom = Seldom::new(counted);
        let start = tokio::time::Instant::now();
        for _ in 0..5 {
            assert!(tokio::time::timeout(Duration::from_millis(100), &mut seldom).await.is_err());
        }
        assert_eq!(polls.get(), 1);
        seldom.await;
        assert_eq!((polls.get(), start.elapsed().as_secs()), (2, 3));
    }

    #[tokio::test]
    async fn it_wakes_the_task_that_it_is_in() {
        let (tell, told) = tokio::sync::oneshot::channel();
        let mut seldom = Seldom::new(told);
        assert!(Pin::new(&mut seldom).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let elsewhere = tokio::spawn(seldom);
        tokio::task::yield_now().await;
        tell.send(7).unwrap();
        assert_eq!(elsewhere.await.unwrap(), Ok(7));
    }
}
