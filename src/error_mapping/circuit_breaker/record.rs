/// How the last requests went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// The newest is the lowest bit, and a failure is 1.
    outcomes: u64,
    /// How many there were in all.
    told: u64,
}

impl Record {
    pub(super) const EMPTY: Self = Self { outcomes: 0, told: 0 };

    /// More are not remembered: a bit for each.
    pub(super) const MOST: u32 = u64::BITS;

    /// Adds an outcome, and says where it stands among all.
    pub(super) fn tell(&mut self, failed: bool) -> u64 {
        self.outcomes = self.outcomes << 1 | u64::from(failed);
        self.told = self.told.wrapping_add(1);
        self.told
    }

    /// What stands in this place failed after all: instead of its success while that is remembered, else as one more outcome.
    pub(super) fn take_back(&mut self, place: u64, window: u32) {
        match self.told.wrapping_sub(place) {
            age if age < u64::from(window) => self.outcomes |= 1 << age,
            _ => {
                self.tell(true);
            }
        }
    }

    /// How many of the last so many, 1 to [`MOST`](Self::MOST), failed.
    pub(super) fn failures(&self, window: u32) -> u32 {
        (self.outcomes & u64::MAX >> (Self::MOST - window)).count_ones()
    }

    /// Whether there were so many.
    pub(super) fn is_full(&self, window: u32) -> bool {
        self.told >= u64::from(window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of successes and failures, of which those that are named by their place are taken back.
    fn record(outcomes: &str, taken_back: &[u64], window: u32) -> Record {
        let mut record = Record::EMPTY;
        for outcome in outcomes.chars() {
            record.tell(outcome == 'f');
        }
        for place in taken_back {
            record.take_back(*place, window);
        }
        record
    }

    #[test]
    fn failures_among_the_last() {
        for (name, outcomes, taken_back, window, failures) in [
            ("nothing", "", &[][..], 4, 0),
            ("all", "ff", &[], 4, 2),
            ("the last four", "fsssf", &[], 4, 1),
            ("the last one", "sf", &[], 1, 1),
            ("one taken back", "ss", &[1], 4, 1),
            ("twice", "ss", &[1, 1], 4, 1),
            ("the oldest that is remembered", "ssss", &[1], 4, 1),
            ("one that is forgotten counts anew", "sssss", &[1], 4, 1),
            ("among as many as there are bits", &"s".repeat(64), &[1], 64, 1),
            ("of more than there are bits", &"f".repeat(99), &[], 64, 64),
        ] {
            assert_eq!(record(outcomes, taken_back, window).failures(window), failures, "{name}");
        }
        assert!(record("ss", &[], 2).is_full(2) && !record("s", &[], 2).is_full(2));
    }
}
