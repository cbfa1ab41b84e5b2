use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Where a layer reads the time from.
///
/// Every layer that compares times takes one (`.clock(...)` on its builder) and reads [`SystemClock`] when none is given, so that
/// expiry, freshness and dates can be tested without waiting.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use donjon::{Clock, ManualClock};
///
/// let clock = ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000));
/// let in_the_layer = clock.clone();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(in_the_layer.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_060));
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The current wall-clock time.
    fn now(&self) -> SystemTime;
}

/// The operating system's clock, the default of every layer.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A clock that stands still until it is told to move, for tests.
///
/// Clones share one time. It counts whole nanoseconds since the Unix epoch; earlier times are taken as the epoch.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that shows `time`.
    #[must_use]
    pub fn at(time: SystemTime) -> Self {
        let clock = Self::default();
        clock.set(time);
        clock
    }

    /// Moves the clock, and all its clones, to `time`; backwards is allowed.
    pub fn set(&self, time: SystemTime) {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.0.store(nanoseconds(since_epoch), Ordering::SeqCst);
    }

    /// Moves the clock, and all its clones, forward by `duration`.
    pub fn advance(&self, duration: Duration) {
        self.0.fetch_add(nanoseconds(duration), Ordering::SeqCst);
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.0.load(Ordering::SeqCst))
    }
}

/// The clock as a layer holds it: cheap to clone with the layer, quiet in Debug.
#[derive(Clone)]
pub(crate) struct SharedClock(Arc<dyn Clock>);

#[cfg_attr(not(feature = "full"), allow(dead_code, reason = "only layers that read the time hold a clock"))]
impl SharedClock {
    pub(crate) fn new(clock: impl Clock) -> Self {
        Self(Arc::new(clock))
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.0.now()
    }
}

impl Default for SharedClock {
    fn default() -> Self {
        Self(Arc::new(SystemClock))
    }
}

impl fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_time() {
        let clock = ManualClock::default();
        let shared = SharedClock::new(clock.clone());
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(shared.now(), UNIX_EPOCH + Duration::from_millis(1_500));
        clock.set(UNIX_EPOCH);
        assert_eq!(shared.now(), UNIX_EPOCH);
    }

    #[test]
    fn the_system_clock_moves_with_the_system() {
        assert!(SystemClock.now() > UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    }
}
