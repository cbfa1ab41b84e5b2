//! When keys are fetched, how long they serve, and who waits: decided without a clock, a task or a network of its own.

use std::time::{Duration, SystemTime};

/// The first wait after a failure; it doubles with every further one, up to the cooldown.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// What can be set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// How long keys serve without being fetched anew. They are fetched when three quarters of it are over.
    pub(super) lifetime: Duration,
    /// How much longer they serve while the provider does not answer.
    pub(super) stale: Duration,
    /// The least time between two fetches for the sake of unknown keys.
    pub(super) cooldown: Duration,
}

/// How long fetched keys serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Term {
    fetched_at: SystemTime,
    /// From then on newer ones are wanted.
    pub(super) refresh_at: SystemTime,
    /// From then on they are not used any more.
    ends_at: SystemTime,
}

impl Term {
    pub(super) fn is_over(&self, now: SystemTime) -> bool {
        now >= self.ends_at
    }

    /// Newer keys are wanted also after the clock was set back, by more than a request may take.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        now >= self.refresh_at || now + Duration::from_secs(60) < self.fetched_at
    }
}

/// Why somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// The keys are due for a refresh.
    Refresh,
    /// A token names a key that is not there.
    UnknownKey,
    /// There are no keys to use.
    NoKeys,
    /// The application says so.
    Told,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Fetch. It counts as begun.
    Fetch,
    /// A fetch is under way.
    Join,
    /// Nothing newer is to be had now, and the last fetch was good.
    Settled,
    /// The last fetch failed, and it is too early for another.
    Failing { retry_after: Duration },
}

/// What has happened so far.
#[derive(Debug)]
pub(super) struct Schedule {
    timing: Timing,
    under_way: bool,
    /// When the last fetch for an unknown key began.
    asked_for_unknown: Option<SystemTime>,
    failure: Option<Failure>,
}

#[derive(Clone, Copy, Debug)]
struct Failure {
    at: SystemTime,
    /// How long to wait before the next fetch.
    pause: Duration,
}

impl Schedule {
    pub(super) fn new(timing: Timing) -> Self {
        Self { timing, under_way: false, asked_for_unknown: None, failure: None }
    }

    pub(super) fn ask(&mut self, wish: Wish, now: SystemTime) -> Answer {
        if self.under_way {
            return Answer::Join;
        }
        let pause = match wish {
            Wish::Refresh | Wish::NoKeys => self.failure.and_then(|failure| left(failure.at, failure.pause, now)),
            Wish::Told => None,
            Wish::UnknownKey => self.asked_for_unknown.and_then(|at| left(at, self.timing.cooldown, now)),
        };
        match (pause, self.failure) {
            (None, _) => {
                if wish == Wish::UnknownKey {
                    self.asked_for_unknown = Some(now);
                }
                self.under_way = true;
                Answer::Fetch
            }
            (Some(retry_after), Some(_)) => Answer::Failing { retry_after },
            (Some(_), None) => Answer::Settled,
        }
    }

    /// The fetch brought keys. `max_age` is what the provider said of them: they are refreshed earlier for it, never later, and no earlier
    /// than the cooldown.
    pub(super) fn succeeded(&mut self, now: SystemTime, max_age: Option<Duration>) -> Term {
        self.under_way = false;
        self.failure = None;
        let Timing { lifetime, stale, cooldown } = self.timing;
        let lifetime = max_age.map_or(lifetime, |max_age| max_age.max(cooldown).min(lifetime));
        let end = |after: Duration| now.checked_add(after).unwrap_or(now);
        Term { fetched_at: now, refresh_at: end(lifetime / 4 * 3), ends_at: end(lifetime.saturating_add(stale)) }
    }

    /// The fetch brought nothing. Returns the wait before the next.
    pub(super) fn failed(&mut self, now: SystemTime) -> Duration {
        self.under_way = false;
        let longest = self.timing.cooldown.max(FIRST_RETRY);
        let pause = self.failure.map_or(FIRST_RETRY, |failure| failure.pause.saturating_mul(2)).min(longest);
        self.failure = Some(Failure { at: now, pause });
        pause
    }

    /// How long it is until the next fetch is due by itself.
    pub(super) fn quiet_for(&self, term: Option<Term>, now: SystemTime) -> Duration {
        match (self.failure, term) {
            (Some(failure), _) => left(failure.at, failure.pause, now).unwrap_or_default(),
            (None, Some(term)) if !term.is_due(now) => term.refresh_at.duration_since(now).unwrap_or_default(),
            (None, _) => Duration::ZERO,
        }
    }
}

/// What is left of a pause that began `since`; nothing if the clock was set back before that.
fn left(since: SystemTime, pause: Duration, now: SystemTime) -> Option<Duration> {
    let passed = now.duration_since(since).ok()?;
    pause.checked_sub(passed).filter(|left| !left.is_zero())
}

/// The `max-age` of a `Cache-Control` field ([RFC 9111 §5.2.2.1](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.1)).
pub(super) fn max_age(headers: &http::HeaderMap) -> Option<Duration> {
    use crate::core::header::{Parameter, elements, parameter};
    elements(headers, &http::header::CACHE_CONTROL).find_map(|directive| match parameter(directive) {
        Parameter::Named { name, value: Some(seconds) } if name.eq_ignore_ascii_case(b"max-age") => {
            std::str::from_utf8(&seconds).ok()?.parse().ok().map(Duration::from_secs)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn timing() -> Timing {
        Timing { lifetime: 600 * SECOND, stale: 3600 * SECOND, cooldown: 30 * SECOND }
    }

    #[test]
    fn one_fetch_at_a_time() {
        let mut schedule = Schedule::new(timing());
        assert_eq!(schedule.ask(Wish::NoKeys, at(0)), Answer::Fetch);
        for wish in [Wish::Refresh, Wish::UnknownKey, Wish::NoKeys, Wish::Told] {
            assert_eq!(schedule.ask(wish, at(1)), Answer::Join, "{wish:?}");
        }
    }

    #[test]
    fn keys_are_refreshed_ahead_and_end_after_the_cap() {
        let term = Schedule::new(timing()).succeeded(at(0), None);
        for (name, now, due, over) in [
            ("new", 0, false, false),
            ("just before three quarters", 449, false, false),
            ("three quarters", 450, true, false),
            ("stale", 601, true, false),
            ("just before the cap", 4199, true, false),
            ("the cap", 4200, true, true),
        ] {
            assert_eq!((term.is_due(at(now)), term.is_over(at(now))), (due, over), "{name}");
        }
        assert!(term.is_due(at(0) - 3600 * SECOND), "the clock was set back");
        assert!(!term.is_due(at(0) - SECOND), "a request that read the time before the fetch ended");
    }

    #[test]
    fn the_provider_may_shorten_the_life_of_its_keys() {
        for (name, max_age, refresh_at) in
            [("nothing said", None, 450), ("shorter", Some(100), 75), ("none", Some(0), 22), ("longer", Some(86_400), 450)]
        {
            let term = Schedule::new(timing()).succeeded(at(0), max_age.map(Duration::from_secs));
            assert_eq!(term.refresh_at.duration_since(at(0)).unwrap().as_secs(), refresh_at, "{name}");
        }
    }

    #[test]
    fn unknown_keys_cause_one_fetch_per_cooldown() {
        let mut schedule = Schedule::new(timing());
        assert_eq!(schedule.ask(Wish::NoKeys, at(0)), Answer::Fetch);
        schedule.succeeded(at(0), None);
        assert_eq!(schedule.ask(Wish::UnknownKey, at(1)), Answer::Fetch, "a fetch for another reason does not count");
        schedule.succeeded(at(2), None);
        for second in 2..31 {
            assert_eq!(schedule.ask(Wish::UnknownKey, at(second)), Answer::Settled, "{second}");
        }
        assert_eq!(schedule.ask(Wish::UnknownKey, at(31)), Answer::Fetch);
    }

    #[test]
    fn failures_are_retried_slower_and_slower() {
        let mut schedule = Schedule::new(timing());
        let mut now = 0;
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(schedule.ask(Wish::NoKeys, at(now)), Answer::Fetch);
            assert_eq!(schedule.failed(at(now)), pause * SECOND);
            for wish in [Wish::NoKeys, Wish::Refresh] {
                assert_eq!(schedule.ask(wish, at(now)), Answer::Failing { retry_after: pause * SECOND });
            }
            now += u64::from(pause);
        }
        assert_eq!(schedule.ask(Wish::NoKeys, at(now)), Answer::Fetch);
        schedule.succeeded(at(now), None);
        assert_eq!(schedule.ask(Wish::Refresh, at(now)), Answer::Fetch);
        assert_eq!(schedule.failed(at(now)), SECOND, "a success forgets them");
    }

    #[test]
    fn an_unknown_key_is_not_called_unknown_while_nobody_can_tell() {
        let mut schedule = Schedule::new(timing());
        assert_eq!(schedule.ask(Wish::UnknownKey, at(0)), Answer::Fetch);
        schedule.failed(at(5));
        assert_eq!(schedule.ask(Wish::UnknownKey, at(5)), Answer::Failing { retry_after: 25 * SECOND });
    }

    #[test]
    fn max_ages() {
        for (name, value, expected) in [
            ("alone", "max-age=60", Some(60)),
            ("among others", "public, Max-Age=\"60\", must-revalidate", Some(60)),
            ("none", "no-store", None),
            ("not a number", "max-age=-1", None),
            ("no value", "max-age", None),
        ] {
            let headers = http::HeaderMap::from_iter([(http::header::CACHE_CONTROL, value.parse().unwrap())]);
            assert_eq!(max_age(&headers), expected.map(Duration::from_secs), "{name}");
        }
    }

    #[derive(Clone, Debug)]
    enum Event {
        Wait(u64),
        Ask(Wish),
        Success(Option<u64>),
        Failure,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0..60_u64).prop_map(Event::Wait),
            Just(Event::Ask(Wish::UnknownKey)),
            Just(Event::Ask(Wish::Refresh)),
            Just(Event::Ask(Wish::NoKeys)),
            prop::option::of(0..2000_u64).prop_map(Event::Success),
            Just(Event::Failure),
        ]
    }

    proptest! {
        #[test]
        fn fetches_never_overlap_and_unknown_keys_never_hasten_them(events in prop::collection::vec(event(), 0..200)) {
            let mut schedule = Schedule::new(timing());
            let (mut now, mut under_way, mut last_unknown) = (0, false, None::<u64>);
            for event in events {
                match event {
                    Event::Wait(seconds) => now += seconds,
                    Event::Ask(wish) => match schedule.ask(wish, at(now)) {
                        Answer::Fetch => {
                            prop_assert!(!under_way);
                            under_way = true;
                            if wish == Wish::UnknownKey {
                                prop_assert!(last_unknown.is_none_or(|last| now >= last + 30));
                                last_unknown = Some(now);
                            }
                        }
                        Answer::Join => prop_assert!(under_way),
                        Answer::Settled => prop_assert_eq!(wish, Wish::UnknownKey),
                        Answer::Failing { retry_after } => prop_assert!(!retry_after.is_zero() && retry_after <= 30 * SECOND),
                    },
                    Event::Success(max_age) if under_way => {
                        under_way = false;
                        let term = schedule.succeeded(at(now), max_age.map(Duration::from_secs));
                        prop_assert!(!term.is_due(at(now)) && !term.is_over(at(now) + 3600 * SECOND) && term.is_over(at(now) + 4200 * SECOND));
                    }
                    Event::Failure if under_way => {
                        under_way = false;
                        schedule.failed(at(now));
                    }
                    Event::Success(_) | Event::Failure => {}
                }
            }
        }
    }
}
