//! What is due when: the one timer of a socket.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::timeouts::{Heartbeat, Timeouts};

/// What has to be done, or found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask the peer whether it lives.
    Ping,
    /// It was asked, and the time for an answer is over.
    Answer,
    /// No message for too long, if none is waiting unread.
    Idle,
    /// What was to be sent has not left for too long.
    Write,
    Lifetime,
    /// The principal expires soon.
    Notice,
    Expiry,
    /// The moment to leave has come.
    Leave,
}

/// What the connection has to say about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vitals {
    /// The last message, in either direction; kept only where idling is limited.
    pub(super) active: Instant,
    /// Since when something waits to be sent, and nothing of it has left.
    pub(super) stuck: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Schedule {
    timeouts: Timeouts,
    ping: Option<Instant>,
    answer: Option<Instant>,
    lifetime: Option<Instant>,
    notice: Option<Instant>,
    expiry: Option<Instant>,
    leave: Option<Instant>,
}

impl Schedule {
    pub(super) fn new(timeouts: Timeouts, now: Instant) -> Self {
        Self {
            timeouts,
            ping: timeouts.heartbeat.and_then(|heartbeat| now.checked_add(heartbeat.every)),
            answer: None,
            lifetime: timeouts.lifetime.and_then(|lifetime| now.checked_add(lifetime)),
            notice: None,
            expiry: None,
            leave: None,
        }
    }

    /// The earliest of all that is due, as far as is known now.
    pub(super) fn next(&self, vitals: Vitals) -> Option<(Instant, Due)> {
        let idle = self.timeouts.idle.and_then(|idle| vitals.active.checked_add(idle));
        let write = self.timeouts.write.and_then(|write| vitals.stuck?.checked_add(write));
        // While an answer is awaited there is no need to ask again.
        let ping = if self.answer.is_none() { self.ping } else { None };
        [
            (self.expiry, Due::Expiry),
            (self.leave, Due::Leave),
            (self.lifetime, Due::Lifetime),
            (self.answer, Due::Answer),
            (write, Due::Write),
            (idle, Due::Idle),
            (self.notice, Due::Notice),
            (ping, Due::Ping),
        ]
        .into_iter()
        .filter_map(|(at, due)| Some((at?, due)))
        .min_by_key(|(at, _)| *at)
    }

    /// A ping goes out.
    pub(super) fn pinged(&mut self, now: Instant) {
        if let Some(Heartbeat { every, timeout }) = self.timeouts.heartbeat {
            self.ping = now.checked_add(every);
            self.answer = now.checked_add(timeout);
        }
    }

    /// There was an answer, or none that could be asked for.
    pub(super) fn answered(&mut self) {
        self.answer = None;
    }

    pub(super) fn noticed(&mut self) {
        self.notice = None;
    }

    /// The principal expires at `end`, or not at all. The distance is counted by the monotonic clock from here on.
    pub(super) fn expires(&mut self, end: Option<SystemTime>, clock: SystemTime, now: Instant) {
        let left = end.map(|end| end.duration_since(clock).unwrap_or_default());
        self.expiry = left.and_then(|left| now.checked_add(left));
        self.notice = left.and_then(|left| now.checked_add(left.saturating_sub(self.timeouts.notice)));
    }

    pub(super) fn leaves(&mut self, delay: Duration, now: Instant) {
        self.leave = self.leave.or_else(|| now.checked_add(delay));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn all(now: Instant) -> Schedule {
        let timeouts = Timeouts::default()
            .heartbeat(10 * SECOND, 5 * SECOND)
            .idle(100 * SECOND)
            .write(20 * SECOND)
            .lifetime(1000 * SECOND)
            .expiry_notice(30 * SECOND);
        Schedule::new(timeouts, now)
    }

    #[tokio::test]
    async fn the_earliest_is_next_whatever_it_is() {
        let now = Instant::now();
        let vitals = Vitals { active: now, stuck: None };
        let mut schedule = all(now);
        assert_eq!(schedule.next(vitals), Some((now + 10 * SECOND, Due::Ping)));
        schedule.pinged(now + 10 * SECOND);
        assert_eq!(schedule.next(vitals), Some((now + 15 * SECOND, Due::Answer)));
        schedule.answered();
        assert_eq!(schedule.next(vitals), Some((now + 20 * SECOND, Due::Ping)));
        let stuck = Vitals { stuck: Some(now - SECOND), ..vitals };
        assert_eq!(schedule.next(stuck), Some((now + 19 * SECOND, Due::Write)));
        schedule.leaves(SECOND, now);
        schedule.leaves(9 * SECOND, now);
        assert_eq!(schedule.next(vitals), Some((now + SECOND, Due::Leave)), "the first farewell counts");
    }

    #[tokio::test]
    async fn an_expiry_is_announced_and_can_be_moved() {
        let (now, clock) = (Instant::now(), SystemTime::UNIX_EPOCH + 1_000_000 * SECOND);
        let vitals = Vitals { active: now, stuck: None };
        let mut schedule = Schedule::new(Timeouts::default().without_heartbeat(), now);
        assert_eq!(schedule.next(vitals), None);
        schedule.expires(Some(clock + 90 * SECOND), clock, now);
        assert_eq!(schedule.next(vitals), Some((now + 30 * SECOND, Due::Notice)));
        schedule.noticed();
        assert_eq!(schedule.next(vitals), Some((now + 90 * SECOND, Due::Expiry)));
        schedule.expires(Some(clock - SECOND), clock, now);
        assert_eq!(schedule.next(vitals), Some((now, Due::Expiry)), "an expiry is not announced when it is there");
        schedule.expires(None, clock, now);
        assert_eq!(schedule.next(vitals), None);
    }

    #[tokio::test]
    async fn the_longest_time_is_no_time_limit() {
        let now = Instant::now();
        let timeouts = Timeouts::default().heartbeat(Duration::MAX, Duration::MAX).idle(Duration::MAX).lifetime(Duration::MAX);
        assert_eq!(Schedule::new(timeouts, now).next(Vitals { active: now, stuck: None }), None);
    }
}
