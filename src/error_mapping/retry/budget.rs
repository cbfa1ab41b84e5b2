use std::sync::atomic::{AtomicU32, Ordering};

/// How many retries the requests have paid for: each puts in its percentage of one, each retry takes one out.
///
/// So of all that was ever sent on, no more than that share was sent again, which a budget with a reserve or a window in time does not promise; and
/// an upstream that is seldom asked saves up for its retries too.
#[derive(Debug)]
pub(super) struct Budget {
    percent: u32,
    hundredths: AtomicU32,
}

/// No more than this many retries can be saved up, a bound on how many come in a row.
const SAVED: u32 = 100;

impl Budget {
    pub(super) fn new(percent: u8) -> Self {
        Self { percent: percent.into(), hundredths: AtomicU32::new(0) }
    }

    pub(super) fn deposit(&self) {
        let saved = |before: u32| Some(before.saturating_add(self.percent).min(SAVED * 100));
        let _ = self.hundredths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, saved);
    }

    /// Whether there was one left.
    pub(super) fn withdraw(&self) -> bool {
        self.hundredths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| before.checked_sub(100)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_more_than_its_share(percent in 0..=100_u8, is_request in proptest::collection::vec(any::<bool>(), 0..2_000)) {
            let budget = Budget::new(percent);
            let (mut requests, mut retries) = (0_u32, 0_u32);
            for is_request in is_request {
                if is_request {
                    requests += 1;
                    budget.deposit();
                } else {
                    retries += u32::from(budget.withdraw());
                }
                prop_assert!(retries * 100 <= requests * u32::from(percent));
            }
        }
    }

    #[test]
    fn what_is_saved_is_bounded() {
        let budget = Budget::new(100);
        (0..10 * SAVED).for_each(|_| budget.deposit());
        assert_eq!((0..10 * SAVED).filter(|_| budget.withdraw()).count(), SAVED as usize);
    }
}
