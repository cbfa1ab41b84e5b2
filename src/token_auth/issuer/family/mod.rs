//! One family of refresh tokens: what a store keeps of it, and what a token of it is worth.

mod json;

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    refresh_token::{self, Digest},
    token::Grant,
};

/// The end of the year 9999 in milliseconds since the epoch.
const LAST: u64 = 253_402_300_799_999;

/// How long a family and its tokens live.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetimes {
    pub(super) idle: Duration,
    pub(super) absolute: Duration,
    pub(super) grace: Duration,
}

/// What a [`RefreshStore`](super::RefreshStore) keeps of a family of refresh tokens: hashes, never a token.
///
/// A store moves it as it is; [`to_json`](Self::to_json) and [`from_json`](Self::from_json) are for those that keep bytes. Beside the hashes
/// it holds the [`Grant`] of the login, so guard the store as you guard the users' names.
#[derive(Clone, PartialEq)]
pub struct RefreshFamily {
    version: u64,
    grant: Grant,
    current: Digest,
    previous: Option<Previous>,
    // Milliseconds since the epoch, so that what is read back is what was written.
    idle_until: u64,
    ends_at: u64,
}

/// The token before the current one.
#[derive(Clone, Debug, PartialEq)]
struct Previous {
    digest: Digest,
    /// What the current token was made from it with.
    salt: [u8; 32],
    /// The end of its grace.
    until: u64,
}

/// What a token is worth to its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is the one that may be exchanged.
    Current,
    /// It was exchanged a moment ago, with this salt: the same answer once more.
    JustExchanged { salt: [u8; 32] },
    /// It was exchanged before, or never issued: two have it, and one of them is a thief.
    Reused,
    /// The family's time is over.
    Expired,
}

impl RefreshFamily {
    pub(super) fn new(grant: Grant, first: Digest, now: SystemTime, lifetimes: Lifetimes) -> Self {
        let ends_at = milliseconds(now, lifetimes.absolute);
        let idle_until = milliseconds(now, lifetimes.idle).min(ends_at);
        Self { version: 0, grant, current: first, previous: None, idle_until, ends_at }
    }

    /// Grows by one with every exchange. A store replaces a family only while it has the version that the new one was made from.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whose it is: the subject of the login.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.grant.subject
    }

    /// When it ends unless it is used before. From then on a store may forget it.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        // Never later than `LAST`, so always in range.
        UNIX_EPOCH.checked_add(Duration::from_millis(self.idle_until)).unwrap_or(UNIX_EPOCH)
    }

    pub(super) fn grant(&self) -> &Grant {
        &self.grant
    }

    pub(super) fn standing(&self, token: &Digest, now: SystemTime) -> Standing {
        let now = milliseconds(now, Duration::ZERO);
        if now >= self.idle_until {
            return Standing::Expired;
        }
        if refresh_token::same(token, &self.current) {
            return Standing::Current;
        }
        match &self.previous {
            Some(previous) if now < previous.until && refresh_token::same(token, &previous.digest) => {
                Standing::JustExchanged { salt: previous.salt }
            }
            _ => Standing::Reused,
        }
    }

    /// The family after its current token was exchanged for `next`, which was made with `salt`.
    pub(super) fn exchanged(&self, next: Digest, salt: [u8; 32], now: SystemTime, lifetimes: Lifetimes) -> Self {
        Self {
            version: self.version.wrapping_add(1),
            grant: self.grant.clone(),
            current: next,
            previous: Some(Previous { digest: self.current, salt, until: milliseconds(now, lifetimes.grace) }),
            idle_until: milliseconds(now, lifetimes.idle).min(self.ends_at),
            ends_at: self.ends_at,
        }
    }
}

/// The time `after` a time. Before the epoch nothing was issued, and after the year 9999 nothing is believed.
fn milliseconds(time: SystemTime, after: Duration) -> u64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(after);
    u64::try_from(since_epoch.as_millis()).unwrap_or(LAST).min(LAST)
}

/// Shows whose it is, not its hashes.
impl fmt::Debug for RefreshFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshFamily")
            .field("version", &self.version)
            .field("grant", &self.grant)
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIFETIMES: Lifetimes =
        Lifetimes { idle: Duration::from_secs(100), absolute: Duration::from_secs(250), grace: Duration::from_secs(10) };
    const FIRST: Digest = [1; 32];
    const SECOND: Digest = [2; 32];
    const THIRD: Digest = [3; 32];
    const SALT: [u8; 32] = [9; 32];

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn family() -> RefreshFamily {
        RefreshFamily::new(Grant::new("alice").scopes(["a", "b"]), FIRST, at(0), LIFETIMES)
    }

    #[test]
    fn standings() {
        let fresh = family();
        let once = fresh.exchanged(SECOND, SALT, at(20), LIFETIMES);
        let twice = once.exchanged(THIRD, SALT, at(25), LIFETIMES);
        let again = Standing::JustExchanged { salt: SALT };
        for (name, family, token, now, expected) in [
            ("the first", &fresh, FIRST, 0, Standing::Current),
            ("one that was never issued", &fresh, SECOND, 0, Standing::Reused),
            ("the first, nearly idle", &fresh, FIRST, 99, Standing::Current),
            ("the first, idle", &fresh, FIRST, 100, Standing::Expired),
            ("the second", &once, SECOND, 20, Standing::Current),
            ("the first within its grace", &once, FIRST, 20, again),
            ("the first at the end of its grace", &once, FIRST, 29, again),
            ("the first after its grace", &once, FIRST, 30, Standing::Reused),
            ("the first when the second was used, too", &twice, FIRST, 25, Standing::Reused),
            ("the second within its grace", &twice, SECOND, 34, again),
            ("the third", &twice, THIRD, 124, Standing::Current),
            ("the third, idle", &twice, THIRD, 125, Standing::Expired),
            ("a reused one of an idle family", &twice, FIRST, 125, Standing::Expired),
        ] {
            assert_eq!(family.standing(&token, at(now)), expected, "{name}");
        }
    }

    #[test]
    fn no_use_carries_a_family_beyond_its_end() {
        let mut family = family();
        for used in [90, 180] {
            family = family.exchanged(SECOND, SALT, at(used), LIFETIMES);
        }
        assert_eq!(family.expires_at(), at(250));
        assert_eq!(family.standing(&SECOND, at(249)), Standing::Current);
        assert_eq!(family.standing(&SECOND, at(250)), Standing::Expired);
    }

    #[test]
    fn without_grace_a_token_is_exchanged_once() {
        let lifetimes = Lifetimes { grace: Duration::ZERO, ..LIFETIMES };
        let family = family().exchanged(SECOND, SALT, at(20), lifetimes);
        assert_eq!(family.standing(&FIRST, at(20)), Standing::Reused);
    }

    #[test]
    fn debug_shows_no_hash() {
        let shown = format!("{:?}", family());
        assert!(shown.contains("alice") && !shown.contains("1, 1"), "{shown}");
    }

    proptest! {
        #[test]
        fn at_most_one_token_is_current(digest in any::<Digest>(), now in 0..300_u64) {
            let family = family().exchanged(SECOND, SALT, at(20), LIFETIMES);
            if family.standing(&digest, at(now)) == Standing::Current {
                prop_assert_eq!(digest, SECOND);
            }
        }

        #[test]
        fn any_times_are_added_without_a_panic(idle in any::<u64>(), absolute in any::<u64>(), grace in any::<u64>()) {
            let [idle, absolute, grace] = [idle, absolute, grace].map(Duration::from_secs);
            let lifetimes = Lifetimes { idle, absolute, grace };
            let family = RefreshFamily::new(Grant::new("a"), FIRST, at(0), lifetimes).exchanged(SECOND, SALT, at(1), lifetimes);
            prop_assert!(family.expires_at() >= UNIX_EPOCH);
            prop_assert_eq!(RefreshFamily::from_json(&family.to_json()), Some(family));
        }
    }
}
