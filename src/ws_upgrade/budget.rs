//! How often a peer may do what costs the server more than the peer.

use std::time::Duration;

use tokio::time::Instant;

use super::error::WsErrorKind;

/// So many a second, and so many at once after a time of rest.
///
/// ```
/// use donjon::ws_upgrade::Rate;
///
/// let messages = Rate::per_second(20).burst(100);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Rate {
    per_second: u32,
    burst: u32,
}

impl Rate {
    /// This many a second, and as many at once.
    pub const fn per_second(count: u32) -> Self {
        Self { per_second: count, burst: count }
    }

    /// This many at once.
    pub const fn burst(mut self, count: u32) -> Self {
        self.burst = count;
        self
    }

    pub(super) fn is_zero(self) -> bool {
        self.per_second == 0 || self.burst == 0
    }
}

/// A rate and how much of it is used: the time at which all of it would be free again.
#[derive(Clone, Copy, Debug)]
struct Meter {
    rate: Rate,
    free_at: Option<Instant>,
}

impl Meter {
    fn new(rate: Rate) -> Self {
        Self { rate, free_at: None }
    }

    /// Uses `count` of it, or says that there is not so much.
    fn take(&mut self, count: u64, now: Instant) -> Result<(), WsErrorKind> {
        let full = self.cost(u64::from(self.rate.burst));
        let free_at =
            self.free_at.map_or(now, |free_at| free_at.max(now)) + self.cost(count).min(full + full + Duration::from_secs(1));
        if free_at.duration_since(now) > full {
            return Err(WsErrorKind::Flood);
        }
        self.free_at = Some(free_at);
        Ok(())
    }

    /// The time in which so much becomes free.
    fn cost(&self, count: u64) -> Duration {
        let nanoseconds = u128::from(count) * 1_000_000_000 / u128::from(self.rate.per_second.max(1));
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

/// What a peer may do, as its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) control_frames: Rate,
    pub(super) messages: Option<Rate>,
    pub(super) bytes: Option<Rate>,
}

impl Default for Rates {
    fn default() -> Self {
        Self { control_frames: Rate::per_second(16).burst(128), messages: None, bytes: None }
    }
}

/// The head of a frame, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) control: bool,
    /// The last of its message.
    pub(super) fin: bool,
    /// The declared length in bytes.
    pub(super) length: u64,
}

/// What one peer has used of what it may do.
#[derive(Debug)]
pub(super) struct Budget {
    control_frames: Meter,
    messages: Option<Meter>,
    bytes: Option<Meter>,
    /// Of the message that is under way.
    fragments: u64,
    fragment_bytes: u64,
}

impl Budget {
    /// The fragments that any message may have, however small they are.
    const FREE_FRAGMENTS: u64 = 1024;
    /// Beyond those, a fragment must be worth its head, on the average.
    const BYTES_PER_FRAGMENT: u64 = 16;

    pub(super) fn new(rates: &Rates) -> Self {
        Self {
            control_frames: Meter::new(rates.control_frames),
            messages: rates.messages.map(Meter::new),
            bytes: rates.bytes.map(Meter::new),
            fragments: 0,
            fragment_bytes: 0,
        }
    }

    /// Whether one more frame may come. `now` is read only if something is counted by time.
    pub(super) fn frame(&mut self, frame: Counted, now: impl FnOnce() -> Instant) -> Result<(), WsErrorKind> {
        if frame.control {
            return self.control_frames.take(1, now());
        }
        self.fragments += 1;
        self.fragment_bytes = self.fragment_bytes.saturating_add(frame.length);
        if self.fragments > Self::FREE_FRAGMENTS + self.fragment_bytes / Self::BYTES_PER_FRAGMENT {
            return Err(WsErrorKind::Flood);
        }
        if self.messages.is_some() || self.bytes.is_some() {
            let now = now();
            if let Some(bytes) = &mut self.bytes {
                bytes.take(frame.length, now)?;
            }
            if let (Some(messages), true) = (&mut self.messages, frame.fin) {
                messages.take(1, now)?;
            }
        }
        if frame.fin {
            (self.fragments, self.fragment_bytes) = (0, 0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn budget(rates: Rates) -> (Budget, Instant) {
        (Budget::new(&rates), tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async { Instant::now() }))
    }

    const PING: Counted = Counted { control: true, fin: true, length: 0 };

    fn data(length: u64) -> Counted {
        Counted { control: false, fin: true, length }
    }

    #[test]
    fn control_frames_come_in_a_burst_and_then_at_their_rate() {
        let (mut budget, start) = budget(Rates::default());
        assert_eq!((0..200).filter(|_| budget.frame(PING, || start).is_ok()).count(), 128);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..200).filter(|_| budget.frame(PING, || later).is_ok()).count(), 16);
        let rested = start + Duration::from_secs(3600);
        assert_eq!((0..200).filter(|_| budget.frame(PING, || rested).is_ok()).count(), 128, "rest is not saved beyond the burst");
    }

    #[test]
    fn messages_and_bytes_have_rates_of_their_own() {
        let messages = Rates { messages: Some(Rate::per_second(10)), ..Rates::default() };
        let (mut by_message, start) = budget(messages);
        assert_eq!((0..50).filter(|_| by_message.frame(data(1_000_000), || start).is_ok()).count(), 10);
        let bytes = Rates { bytes: Some(Rate::per_second(1000).burst(5000)), ..Rates::default() };
        let (mut by_byte, start) = budget(bytes);
        assert_eq!((0..50).filter(|_| by_byte.frame(data(1000), || start).is_ok()).count(), 5);
        assert_eq!(by_byte.frame(data(u64::MAX), || start + Duration::from_secs(60)), Err(WsErrorKind::Flood));
    }

    #[test]
    fn fragments_must_be_worth_their_heads() {
        for (row, length, allowed) in
            [("empty", 0, 1024), ("one byte", 1, 1092), ("sixteen bytes", 16, 100_000), ("large", 4096, 100_000)]
        {
            let (mut budget, start) = budget(Rates::default());
            let fragment = Counted { control: false, fin: false, length };
            assert_eq!((0..100_000).take_while(|_| budget.frame(fragment, || start).is_ok()).count(), allowed, "{row}");
        }
    }

    #[test]
    fn the_fragments_of_one_message_are_not_those_of_the_next() {
        let (mut budget, start) = budget(Rates::default());
        for _ in 0..10 {
            for _ in 0..1000 {
                assert_eq!(budget.frame(Counted { control: false, fin: false, length: 0 }, || start), Ok(()));
            }
            assert_eq!(budget.frame(data(0), || start), Ok(()));
        }
    }

    proptest! {
        #[test]
        fn no_more_passes_than_rate_and_burst_allow(
            per_second in 1_u32..100, burst in 1_u32..100, gaps in prop::collection::vec(0_u64..500, 1..200),
        ) {
            let rate = Rate::per_second(per_second).burst(burst);
            let (mut budget, start) = budget(Rates { control_frames: rate, ..Rates::default() });
            let mut elapsed = 0;
            let mut passed = 0_u64;
            for gap in gaps {
                elapsed += gap;
                passed += u64::from(budget.frame(PING, || start + Duration::from_millis(elapsed)).is_ok());
                prop_assert!(passed <= u64::from(burst) + elapsed * u64::from(per_second) / 1000 + 1);
            }
        }
    }
}
