//! What a stored response may be used for, and until when, [RFC 9111 §4.2](https://www.rfc-editor.org/rfc/rfc9111#section-4.2).

use std::time::{Duration, SystemTime};

/// The terms of one stored response, worked out when it was stored or freshened, so that a look-up only has to read the clock.
///
/// They follow from the head and the times of the exchange; a store that keeps heads alone can have them worked out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::conditional_cache) struct Terms {
    /// When the response was received: ages are counted from here.
    pub(super) received: SystemTime,
    /// `corrected_initial_age` in seconds (§4.2.3).
    pub(super) initial_age: u32,
    /// `freshness_lifetime` in seconds (§4.2.1).
    pub(super) lifetime: u32,
    /// For how many seconds beyond that it may be used while it is fetched anew (RFC 5861 §3).
    pub(super) stale_while_revalidate: u32,
    /// For how many seconds beyond that it may be used when fetching it anew fails (RFC 5861 §4).
    pub(super) stale_if_error: u32,
    pub(super) staleness: Staleness,
}

/// Whether a response may ever be used without asking, once it is stale or before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::conditional_cache) enum Staleness {
    /// Nothing forbids it (§4.2.4): who may, and for how long, is said elsewhere.
    Negotiable,
    /// `must-revalidate`, `proxy-revalidate` or `s-maxage`: never once it is stale.
    Forbidden,
    /// `no-cache`: never without asking, fresh or not.
    AlwaysValidate,
}

/// Where a stored response stands on the way from fresh to useless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// May be used as it is.
    Fresh,
    /// May be used while it is fetched anew.
    WhileRevalidating,
    /// May be used only after the origin was asked.
    Stale,
}

impl Terms {
    /// `current_age` in whole seconds (§4.2.3). A clock that was put back counts as one that stands still.
    pub(super) fn age(&self, now: SystemTime) -> u32 {
        let resident = now.duration_since(self.received).unwrap_or_default();
        self.initial_age.saturating_add(u32::try_from(resident.as_secs()).unwrap_or(u32::MAX))
    }

    /// How many seconds it stays fresh; negative, for how many it has been stale.
    pub(super) fn ttl(&self, now: SystemTime) -> i64 {
        self.ttl_at(self.age(now))
    }

    /// The same of a response whose age is known.
    pub(super) fn ttl_at(&self, age: u32) -> i64 {
        i64::from(self.lifetime) - i64::from(age)
    }

    pub(super) fn standing(&self, now: SystemTime) -> Standing {
        let ttl = self.ttl(now);
        match self.staleness {
            Staleness::AlwaysValidate => Standing::Stale,
            _ if ttl > 0 => Standing::Fresh,
            Staleness::Negotiable if ttl > -i64::from(self.stale_while_revalidate) => Standing::WhileRevalidating,
            _ => Standing::Stale,
        }
    }

    /// Whether it may be used when the origin has failed. `disconnected`: also without a word of the origin's, as §4.2.4 lets a cache
    /// that cannot reach it.
    pub(super) fn may_stand_in(&self, now: SystemTime, disconnected: Disconnected) -> bool {
        self.staleness == Staleness::Negotiable
            && (disconnected == Disconnected::MayBeStale || self.ttl(now) > -i64::from(self.stale_if_error))
    }

    /// Whether a client that accepts this much staleness may have it (§5.2.1.2).
    pub(super) fn within(&self, max_stale: Duration, now: SystemTime) -> bool {
        let accepted = i64::try_from(max_stale.as_secs()).unwrap_or(i64::MAX);
        self.staleness == Staleness::Negotiable && self.ttl(now) > accepted.saturating_neg()
    }

    /// The same response, stale from now on: it may still stand in for one that cannot be had.
    #[must_use]
    pub(super) fn expired(self, now: SystemTime) -> Self {
        Self { lifetime: self.lifetime.min(self.age(now)), ..self }
    }
}

/// What a cache may do that cannot reach the origin ([RFC 9111 §4.2.4](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.4)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disconnected {
    /// Only what `stale-if-error` permits.
    Asks,
    /// Whatever no directive forbids.
    MayBeStale,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    const TERMS: Terms = Terms {
        received: UNIX_EPOCH,
        initial_age: 10,
        lifetime: 60,
        stale_while_revalidate: 30,
        stale_if_error: 100,
        staleness: Staleness::Negotiable,
    };

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_way_from_fresh_to_stale() {
        for (name, seconds, expected) in [
            ("at once", 0, Standing::Fresh),
            ("the last fresh second", 49, Standing::Fresh),
            ("the lifetime is over when the age reaches it", 50, Standing::WhileRevalidating),
            ("the last second of grace", 79, Standing::WhileRevalidating),
            ("after the grace", 80, Standing::Stale),
        ] {
            assert_eq!(TERMS.standing(at(seconds)), expected, "{name}");
        }
        let strict = Terms { staleness: Staleness::Forbidden, ..TERMS };
        assert_eq!(strict.standing(at(49)), Standing::Fresh);
        assert_eq!(strict.standing(at(50)), Standing::Stale);
        let asked = Terms { staleness: Staleness::AlwaysValidate, ..TERMS };
        assert_eq!(asked.standing(at(0)), Standing::Stale);
    }

    #[test]
    fn standing_in_for_an_origin_that_failed() {
        assert!(TERMS.may_stand_in(at(149), Disconnected::Asks));
        assert!(!TERMS.may_stand_in(at(150), Disconnected::Asks));
        assert!(TERMS.may_stand_in(at(1_000_000), Disconnected::MayBeStale));
        let strict = Terms { staleness: Staleness::Forbidden, ..TERMS };
        assert!(!strict.may_stand_in(at(60), Disconnected::MayBeStale));
    }

    #[test]
    fn a_client_may_accept_staleness() {
        assert!(TERMS.within(Duration::from_secs(6), at(55)));
        assert!(!TERMS.within(Duration::from_secs(5), at(55)));
        assert!(TERMS.within(Duration::MAX, at(u64::from(u32::MAX))));
    }

    #[test]
    fn a_clock_that_is_put_back_stands_still() {
        let terms = Terms { received: at(1_000), ..TERMS };
        assert_eq!(terms.age(at(5)), 10);
        assert_eq!(Terms { initial_age: u32::MAX, ..terms }.age(at(5_000)), u32::MAX);
    }

    #[test]
    fn what_is_expired_by_hand_keeps_its_graces() {
        let expired = TERMS.expired(at(20));
        assert_eq!(expired.standing(at(20)), Standing::WhileRevalidating);
        assert_eq!(TERMS.expired(at(500)), TERMS);
    }
}
