use std::{
    collections::HashMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

/// Tells everything that follows a [`Principal`](crate::Principal) that it is no longer valid.
///
/// Clones are handles to one signal. Revoking is final and may be repeated. Dropping every handle revokes nothing.
///
/// ```
/// use donjon::{Principal, Revoker};
///
/// let revoker = Revoker::new();
/// let principal = Principal::builder().subject("alice").revoker(&revoker).build();
/// assert!(!principal.is_revoked());
/// revoker.revoke();
/// assert!(principal.is_revoked());
/// ```
#[derive(Clone, Default)]
pub struct Revoker(Arc<Signal>);

#[derive(Default)]
struct Signal {
    raised: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next_id: u64,
    wakers: HashMap<u64, Waker>,
}

impl Signal {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // A list of wakers is whole after any panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Revoker {
    /// A signal that has not been given.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the signal: [`is_revoked`](Self::is_revoked) is true from now on and every [`Revoked`] completes.
    pub fn revoke(&self) {
        self.0.raised.store(true, Ordering::Release);
        let wakers = std::mem::take(&mut self.0.waiting().wakers);
        wakers.into_values().for_each(Waker::wake);
    }

    /// Whether the signal was given.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.0.raised.load(Ordering::Acquire)
    }

    /// Whether another handle to the signal is alive: a principal that it would end, or somebody who waits for it.
    #[cfg_attr(not(feature = "token-auth"), allow(dead_code, reason = "only who revokes keeps count of what there is to revoke"))]
    pub(crate) fn is_held_elsewhere(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// A future that completes when the signal is given, at once if it already was.
    pub fn revoked(&self) -> Revoked {
        Revoked { signal: Some(Arc::clone(&self.0)), id: None }
    }
}

impl fmt::Debug for Revoker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revoker").field("revoked", &self.is_revoked()).finish_non_exhaustive()
    }
}

/// Completes when a principal is revoked; needs no runtime. Made by [`Revoker::revoked`] and
/// [`Principal::revoked`](crate::Principal::revoked).
#[must_use = "futures do nothing unless polled"]
pub struct Revoked {
    signal: Option<Arc<Signal>>,
    id: Option<u64>,
}

impl Revoked {
    /// A principal that nobody can revoke.
    pub(crate) fn never() -> Self {
        Self { signal: None, id: None }
    }
}

impl Future for Revoked {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(signal) = &this.signal else { return Poll::Pending };
        // Cloned before the lock is taken: what a waker does when it is cloned is not ours to know.
        let waker = cx.waker().clone();
        let mut waiting = signal.waiting();
        // Read under the lock: `revoke` raises the flag before it takes the wakers, so a waker added here is seen there.
        if signal.raised.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        let id = *this.id.get_or_insert_with(|| {
            waiting.next_id += 1;
            waiting.next_id
        });
        let replaced = waiting.wakers.insert(id, waker);
        drop(waiting);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Revoked {
    fn drop(&mut self) {
        if let (Some(signal), Some(id)) = (&self.signal, self.id) {
            let waker = signal.waiting().wakers.remove(&id);
            drop(waker);
        }
    }
}

impl fmt::Debug for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revoked").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_waiter_on_another_task_is_woken() {
        let revoker = Revoker::new();
        let waiter = tokio::spawn(revoker.revoked());
        tokio::task::yield_now().await;
        revoker.revoke();
        waiter.await.unwrap();
    }

    #[tokio::test]
    async fn a_late_waiter_completes_at_once() {
        let revoker = Revoker::new();
        revoker.revoke();
        revoker.revoke();
        revoker.revoked().await;
    }

    #[tokio::test]
    async fn a_dropped_waiter_leaves_nothing_behind() {
        let revoker = Revoker::new();
        for _ in 0..10 {
            let mut waiting = Box::pin(revoker.revoked());
            assert!(futures_util::poll!(&mut waiting).is_pending());
            assert!(futures_util::poll!(&mut waiting).is_pending());
            assert_eq!(revoker.0.waiting().wakers.len(), 1);
        }
        assert!(revoker.0.waiting().wakers.is_empty());
    }

    #[tokio::test]
    async fn what_nobody_can_revoke_stays_pending() {
        let mut never = Box::pin(Revoked::never());
        assert!(futures_util::poll!(&mut never).is_pending());
    }
}
