//! Timers for one connection, of which one is kept.
//!
//! Hyper takes a new timer for every request and drops it as soon as the header is there. To enter each into the runtime's list and to
//! strike it out again costs more than to let one stand: it fires too early at most, and then it is told to wait for the rest.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hyper::rt;
use tokio::time;

use crate::seldom::Seldom;

/// Hands out timers, by tokio's clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeepingTimer {
    kept: Kept,
}

type Alarm = Seldom<time::Sleep>;
type Kept = Arc<Mutex<Option<Box<Alarm>>>>;

fn place(kept: &Kept) -> MutexGuard<'_, Option<Box<Alarm>>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl rt::Timer for KeepingTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        let deadline = deadline.into();
        let mut alarm = place(&self.kept).take().unwrap_or_else(|| Box::new(Seldom::new(time::sleep_until(deadline))));
        if alarm.get().deadline() > deadline || alarm.get().is_elapsed() {
            alarm.future().reset(deadline);
        }
        Box::pin(Sleep { deadline, alarm: Some(alarm), kept: Arc::clone(&self.kept) })
    }

    fn now(&self) -> Instant {
        time::Instant::now().into()
    }
}

/// Is ready at its deadline. Its alarm is kept for the next.
#[derive(Debug)]
struct Sleep {
    deadline: time::Instant,
    /// Set for the deadline or for earlier; there until this is dropped.
    alarm: Option<Box<Alarm>>,
    kept: Kept,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        let Some(alarm) = &mut self.alarm else { return Poll::Ready(()) };
        ready!(Pin::new(&mut **alarm).poll(cx));
        if alarm.get().deadline() >= deadline {
            return Poll::Ready(());
        }
        alarm.future().reset(deadline);
        Pin::new(&mut **alarm).poll(cx)
    }
}

impl rt::Sleep for Sleep {}

impl Drop for Sleep {
    fn drop(&mut self) {
        *place(&self.kept) = self.alarm.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::rt::Timer as _;

    async fn slept(timer: &KeepingTimer, seconds: u64) -> u64 {
        let start = time::Instant::now();
        timer.sleep(Duration::from_secs(seconds)).await;
        start.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn every_timer_keeps_its_own_deadline() {
        let timer = KeepingTimer::default();
        for seconds in [10, 3, 20, 0, 5] {
            assert_eq!(slept(&timer, seconds).await, seconds);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_dropped_early_makes_the_next_neither_early_nor_late() {
        let timer = KeepingTimer::default();
        for (first, waited, second) in [(10, 4, 10), (10, 4, 1), (10, 9, 30), (2, 1, 2)] {
            let wait = time::timeout(Duration::from_secs(waited), timer.sleep(Duration::from_secs(first)));
            assert!(wait.await.is_err());
            assert_eq!(slept(&timer, second).await, second, "{first} {waited} {second}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn two_at_a_time_do_not_hinder_each_other() {
        let timer = KeepingTimer::default();
        for _ in 0..2 {
            assert_eq!(tokio::join!(slept(&timer, 7), slept(&timer, 2)), (7, 2));
        }
    }
}
