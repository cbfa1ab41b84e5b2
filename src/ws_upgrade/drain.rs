//! Going down without a crash for those who are connected.

use std::{fmt, hash::BuildHasher as _, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::close::CloseFrame;

/// Ends all sockets of the layers that it was given to, in order: none is opened any more, each is told why, and the last handler
/// can be waited for.
///
/// It starts with the graceful shutdown of hyper or axum, never after it: over HTTP/2 they wait for the streams that only this ends. For a
/// connection of HTTP/1.1 that has become a WebSocket neither waits, so [`finished`](Self::finished) is awaited after them.
///
/// Clones are handles to one.
///
/// ```
/// # async fn serve_until(stopped: impl Future<Output = ()>) { stopped.await }
/// # async fn ctrl_c() {}
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), donjon::ws_upgrade::ConfigError> {
/// use std::time::Duration;
/// use donjon::ws_upgrade::{CloseCode, Drain, WsUpgradeLayer};
///
/// let drain = Drain::new();
/// let layer = WsUpgradeLayer::builder().drain(&drain).build()?;
/// let stopped = {
///     let drain = drain.clone();
///     async move {
///         ctrl_c().await;
///         // Within ten seconds, so that those who come back do not come all at once.
///         drain.start(CloseCode::RESTART, Duration::from_secs(10));
///     }
/// };
/// // axum::serve(listener, app).with_graceful_shutdown(stopped)
/// serve_until(stopped).await;
/// # assert!(drain.has_started());
/// if tokio::time::timeout(Duration::from_secs(30), drain.finished()).await.is_err() {
///     eprintln!("{} sockets are left", drain.sockets());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Drain(Arc<watch::Sender<Option<Farewell>>>);

/// What everybody is told, and within which time.
#[derive(Clone, Debug)]
pub(super) struct Farewell {
    pub(super) frame: CloseFrame,
    spread: Duration,
}

impl Drain {
    /// One that has not started.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Starts: new handshakes are answered 503, and every open socket is closed with `frame` at a random moment within `spread`.
    ///
    /// [`GOING_AWAY`](super::CloseCode::GOING_AWAY) (1001) says that the server leaves,
    /// [`RESTART`](super::CloseCode::RESTART) (1012) that it will be back. A second start changes nothing for sockets that are on their way.
    pub fn start(&self, frame: impl Into<CloseFrame>, spread: Duration) {
        self.0.send_replace(Some(Farewell { frame: frame.into(), spread }));
    }

    /// Whether it has started.
    #[must_use]
    pub fn has_started(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Waits until there is no socket and no handler left, which before the start may be at any time. Put a deadline on it with
    /// [`tokio::time::timeout`](https://docs.rs/tokio/1/tokio/time/fn.timeout.html).
    pub async fn finished(&self) {
        self.0.closed().await;
    }

    /// How many sockets there are: handshakes under way, connections, and handlers that have not ended.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.0.receiver_count()
    }

    /// A part in it, until dropped; none once it has started.
    pub(super) fn join(&self) -> Option<Draining> {
        // Subscribed first: a start in between is then seen by this one or told to it.
        let receiver = self.0.subscribe();
        (!self.has_started()).then_some(Draining(receiver))
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain").field("started", &self.has_started()).field("sockets", &self.sockets()).finish()
    }
}

/// One socket's part in a [`Drain`].
#[derive(Clone, Debug)]
pub(super) struct Draining(watch::Receiver<Option<Farewell>>);

impl Draining {
    /// Completes when the drain starts.
    pub(super) async fn started(&mut self) -> Farewell {
        // An error would say that every handle is gone; the layer that this socket came through holds one.
        let farewell = self.0.wait_for(Option::is_some).await.ok().and_then(|farewell| farewell.clone());
        match farewell {
            Some(farewell) => farewell,
            None => std::future::pending().await,
        }
    }
}

impl Farewell {
    /// This socket's share of the spread.
    pub(super) fn delay(&self) -> Duration {
        // Every `RandomState` hashes differently, and that is all the randomness that an even spread needs.
        let random = std::hash::RandomState::new().hash_one(());
        self.spread.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws_upgrade::CloseCode;

    #[test]
    fn delays_fill_the_spread() {
        let farewell = Farewell { frame: CloseCode::RESTART.into(), spread: Duration::from_secs(8) };
        let delays: Vec<_> = (0..1000).map(|_| farewell.delay()).collect();
        assert!(delays.iter().all(|delay| *delay < Duration::from_secs(8)));
        for eighth in 0..8 {
            let within = delays.iter().filter(|delay| delay.as_secs() == eighth).count();
            assert!((60..190).contains(&within), "{within} of 1000 in second {eighth}");
        }
    }

    #[tokio::test]
    async fn it_is_finished_when_the_last_part_is_dropped() {
        let drain = Drain::new();
        let (one, mut other) = (drain.join().unwrap(), drain.join().unwrap());
        drain.start(CloseCode::GOING_AWAY, Duration::ZERO);
        assert!(drain.join().is_none());
        assert_eq!((other.started().await.frame.code(), drain.sockets()), (CloseCode::GOING_AWAY, 2));
        let mut finished = tokio_test_poll(drain.clone());
        assert!(futures_util::poll!(&mut finished).is_pending());
        drop((one, other));
        finished.await;
    }

    fn tokio_test_poll(drain: Drain) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move { drain.finished().await })
    }
}
