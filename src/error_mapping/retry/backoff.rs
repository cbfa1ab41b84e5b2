use std::time::Duration;

use tower::util::rng::{HasherRng, Rng as _};

/// How long to wait before a request is sent again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) most: Duration,
}

impl Backoff {
    /// The wait before the retry of this number, counted from 0. `None` when the upstream asks for more than is waited.
    pub(super) fn wait(self, retry: u32, retry_after: Option<Duration>) -> Option<Duration> {
        // Of its own for each wait: the copies of one generator would all say the same.
        self.jittered(retry, retry_after, HasherRng::new().next_f64())
    }

    /// Any part of an exponentially growing time, so that those who failed together do not come back together; on top of what the upstream
    /// asked for, which is a least. Of the longest wait too: all who are asked for the same would come back at once.
    fn jittered(self, retry: u32, retry_after: Option<Duration>, part: f64) -> Option<Duration> {
        let asked = retry_after.unwrap_or_default();
        let grown = self.first.saturating_mul(1_u32.checked_shl(retry).unwrap_or(u32::MAX)).min(self.most);
        (asked <= self.most).then(|| asked.saturating_add(grown.mul_f64(part)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_millis(50), most: Duration::from_secs(1) };
    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn waits() {
        for (name, retry, asked, part, expected) in [
            ("first, all of it", 0, None, 1.0, Some(MS(50))),
            ("first, half", 0, None, 0.5, Some(MS(25))),
            ("first, none", 0, None, 0.0, Some(MS(0))),
            ("doubled", 2, None, 1.0, Some(MS(200))),
            ("capped", 10, None, 1.0, Some(MS(1_000))),
            ("beyond any shift", 99, None, 0.5, Some(MS(500))),
            ("asked", 0, Some(MS(300)), 0.5, Some(MS(325))),
            ("asked for all", 0, Some(MS(1_000)), 1.0, Some(MS(1_050))),
            ("asked for more", 0, Some(MS(1_001)), 0.0, None),
            ("asked for eternity", 0, Some(Duration::MAX), 0.0, None),
        ] {
            assert_eq!(BACKOFF.jittered(retry, asked, part), expected, "{name}");
        }
    }

    #[test]
    fn no_two_wait_alike() {
        for asked in [None, Some(MS(300)), Some(BACKOFF.most)] {
            let waits: std::collections::BTreeSet<_> = (0..32).map(|_| BACKOFF.wait(0, asked)).collect();
            assert!(waits.len() > 16, "{asked:?} {waits:?}");
        }
    }

    proptest! {
        #[test]
        fn never_shorter_than_asked_and_longer_by_no_more_than_what_has_grown(
            retry in any::<u32>(), asked in proptest::option::of(0..2_000_u64), part in 0.0..1.0_f64, most in 0..5_000_u64,
        ) {
            let backoff = Backoff { first: MS(50), most: MS(most) };
            let (least, grown) = (MS(asked.unwrap_or(0)), MS(most).min(MS(50).saturating_mul(1_u32.checked_shl(retry).unwrap_or(u32::MAX))));
            match backoff.jittered(retry, asked.map(MS), part) {
                Some(wait) => prop_assert!(wait >= least && wait <= least + grown && least <= MS(most)),
                None => prop_assert!(asked.unwrap_or(0) > most),
            }
        }
    }
}
