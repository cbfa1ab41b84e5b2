use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use crate::core::{SharedClock, trace::event};

/// Whether requests pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CircuitState {
    /// They do.
    Closed,
    /// They do not: too many have failed.
    Open,
    /// A few do, to find out.
    HalfOpen,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// How many outcomes are remembered, 64 at most: a bit for each.
    pub(super) window: u32,
    pub(super) failures: u32,
    pub(super) open_for: Duration,
    pub(super) probes: u32,
    pub(super) clock: SharedClock,
}

impl Default for Settings {
    fn default() -> Self {
        Self { window: 20, failures: 10, open_for: Duration::from_secs(5), probes: 1, clock: SharedClock::default() }
    }
}

/// What a request says of its upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    Failure,
    /// Nothing: it was given up, or failed for another's fault.
    Unknown,
}

/// Whether a request passes.
pub(super) enum Admission {
    Pass(Ticket),
    /// Not for so long.
    Refuse(Duration),
}

#[derive(Debug)]
pub(super) struct Circuit {
    pub(super) settings: Settings,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Counts the phases, so that what began in an earlier one has no say in a later.
    number: u64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The newest outcome is the lowest bit, and a failure is 1.
    Closed {
        outcomes: u64,
    },
    Open {
        since: SystemTime,
    },
    HalfOpen {
        on_the_way: u32,
        succeeded: u32,
        /// When the last probe was let pass.
        since: SystemTime,
    },
}

const CLOSED: Phase = Phase::Closed { outcomes: 0 };

impl Circuit {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, state: Mutex::new(State { phase: CLOSED, number: 0 }) }
    }

    pub(super) fn state(&self) -> CircuitState {
        let state = self.lock();
        match state.phase {
            Phase::Closed { .. } => CircuitState::Closed,
            // It is half open from when a request would pass.
            Phase::Open { since } if self.left(since).is_none() => CircuitState::HalfOpen,
            Phase::Open { .. } => CircuitState::Open,
            Phase::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    pub(super) fn admit(self: &Arc<Self>) -> Admission {
        let mut state = self.lock();
        if let Phase::Open { since } = state.phase {
            match self.left(since) {
                Some(left) => return Admission::Refuse(left),
                None => state.enter(Phase::HalfOpen { on_the_way: 0, succeeded: 0, since }),
            }
        }
        if let Phase::HalfOpen { on_the_way, succeeded, since } = &mut state.phase {
            // A probe that hangs says nothing for ever: after as long as the circuit stays open another one may try.
            if *on_the_way + *succeeded >= self.probes() && self.left(*since).is_some() {
                return Admission::Refuse(Duration::from_secs(1));
            }
            *on_the_way += 1;
            *since = self.settings.clock.now();
        }
        Admission::Pass(Ticket { number: state.number, circuit: Some(Arc::clone(self)) })
    }

    /// How long it stays open. A clock that was put back before it opened says nothing of how long it has been.
    fn left(&self, since: SystemTime) -> Option<Duration> {
        let been = self.settings.clock.now().duration_since(since).ok()?;
        self.settings.open_for.checked_sub(been).filter(|left| !left.is_zero())
    }

    fn report(&self, number: u64, outcome: Outcome) {
        let mut state = self.lock();
        if state.number != number {
            return;
        }
        let next = match (&mut state.phase, outcome) {
            (Phase::Closed { .. }, Outcome::Unknown) | (Phase::Open { .. }, _) => None,
            (Phase::Closed { outcomes }, outcome) => {
                *outcomes = (*outcomes << 1 | u64::from(outcome == Outcome::Failure)) & self.mask();
                (outcomes.count_ones() >= self.settings.failures.clamp(1, self.window())).then(|| self.open())
            }
            (Phase::HalfOpen { .. }, Outcome::Failure) => Some(self.open()),
            (Phase::HalfOpen { on_the_way, succeeded, .. }, outcome) => {
                *on_the_way = on_the_way.saturating_sub(1);
                *succeeded += u32::from(outcome == Outcome::Success);
                (*succeeded >= self.probes()).then_some(CLOSED)
            }
        };
        if let Some(phase) = next {
            state.enter(phase);
            drop(state);
            tell(phase);
        }
    }

    fn open(&self) -> Phase {
        Phase::Open { since: self.settings.clock.now() }
    }

    fn probes(&self) -> u32 {
        self.settings.probes.max(1)
    }

    fn window(&self) -> u32 {
        self.settings.window.clamp(1, u64::BITS)
    }

    fn mask(&self) -> u64 {
        u64::MAX >> (u64::BITS - self.window())
    }

    /// Every change is made whole under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        *self = Self { phase, number: self.number.wrapping_add(1) };
    }
}

fn tell(phase: Phase) {
    match phase {
        Phase::Open { .. } => event!(WARN, "an upstream fails and is left alone for a while"),
        Phase::Closed { .. } => event!(INFO, "an upstream works again"),
        Phase::HalfOpen { .. } => {}
    }
}

/// The right to one request, and the duty to tell how it went.
#[derive(Debug)]
pub(super) struct Ticket {
    number: u64,
    /// `None` once it was told.
    circuit: Option<Arc<Circuit>>,
}

impl Ticket {
    pub(super) fn report(&mut self, outcome: Outcome) {
        if let Some(circuit) = self.circuit.take() {
            circuit.report(self.number, outcome);
        }
    }
}

/// A probe that is given up leaves its place to the next.
impl Drop for Ticket {
    fn drop(&mut self) {
        self.report(Outcome::Unknown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ManualClock;
    use proptest::prelude::*;

    fn circuit(change: impl FnOnce(&mut Settings)) -> (Arc<Circuit>, ManualClock) {
        let clock = ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000));
        let mut settings = Settings { window: 4, failures: 2, clock: SharedClock::new(clock.clone()), ..Settings::default() };
        change(&mut settings);
        (Arc::new(Circuit::new(settings)), clock)
    }

    #[track_caller]
    fn pass(circuit: &Arc<Circuit>) -> Ticket {
        match circuit.admit() {
            Admission::Pass(ticket) => ticket,
            Admission::Refuse(left) => panic!("refused for {left:?}"),
        }
    }

    #[track_caller]
    fn refused(circuit: &Arc<Circuit>) -> Duration {
        match circuit.admit() {
            Admission::Pass(_) => panic!("passed"),
            Admission::Refuse(left) => left,
        }
    }

    fn run(circuit: &Arc<Circuit>, outcomes: &str) {
        for outcome in outcomes.chars() {
            pass(circuit).report(match outcome {
                'f' => Outcome::Failure,
                's' => Outcome::Success,
                _ => Outcome::Unknown,
            });
        }
    }

    #[test]
    fn what_opens_it() {
        for (name, outcomes, open) in [
            ("nothing", "", false),
            ("one", "f", false),
            ("two", "ff", true),
            ("two among four", "fssf", true),
            ("two among five", "fsssf", false),
            ("two, and what says nothing", "fuuuuuf", true),
            ("successes", "ssssssss", false),
        ] {
            let (circuit, _) = circuit(|_| {});
            run(&circuit, outcomes);
            assert_eq!(circuit.state() == CircuitState::Open, open, "{name}");
        }
    }

    #[test]
    fn it_stays_open_for_its_time_and_then_lets_one_try() {
        let (circuit, clock) = circuit(|_| {});
        run(&circuit, "ff");
        clock.advance(Duration::from_secs(3));
        assert_eq!(refused(&circuit), Duration::from_secs(2));
        clock.advance(Duration::from_secs(2));
        assert_eq!(circuit.state(), CircuitState::HalfOpen);
        let mut probe = pass(&circuit);
        assert_eq!(refused(&circuit), Duration::from_secs(1), "one at a time");
        probe.report(Outcome::Failure);
        assert_eq!(refused(&circuit), Duration::from_secs(5), "for the whole time again");
        clock.advance(Duration::from_secs(5));
        run(&circuit, "s");
        assert_eq!(circuit.state(), CircuitState::Closed);
        run(&circuit, "f");
        assert_eq!(circuit.state(), CircuitState::Closed, "what was before is forgotten");
    }

    #[test]
    fn a_probe_that_is_given_up_leaves_its_place() {
        let (circuit, clock) = circuit(|_| {});
        run(&circuit, "ff");
        clock.advance(Duration::from_secs(5));
        drop(pass(&circuit));
        run(&circuit, "us");
        assert_eq!(circuit.state(), CircuitState::Closed);
    }

    #[test]
    fn a_probe_that_hangs_does_not_lock_it() {
        let (circuit, clock) = circuit(|_| {});
        run(&circuit, "ff");
        clock.advance(Duration::from_secs(5));
        let mut hanging = pass(&circuit);
        clock.advance(Duration::from_secs(4));
        refused(&circuit);
        clock.advance(Duration::from_secs(1));
        let mut second = pass(&circuit);
        refused(&circuit);
        second.report(Outcome::Success);
        assert_eq!(circuit.state(), CircuitState::Closed);
        hanging.report(Outcome::Failure);
        run(&circuit, "f");
        assert_eq!(circuit.state(), CircuitState::Closed, "what hung is forgotten");
    }

    #[test]
    fn as_many_probes_as_are_wanted() {
        let (circuit, clock) = circuit(|settings| settings.probes = 2);
        run(&circuit, "ff");
        clock.advance(Duration::from_secs(5));
        let (mut first, mut second) = (pass(&circuit), pass(&circuit));
        refused(&circuit);
        first.report(Outcome::Success);
        refused(&circuit);
        assert_eq!(circuit.state(), CircuitState::HalfOpen);
        second.report(Outcome::Success);
        assert_eq!(circuit.state(), CircuitState::Closed);
    }

    #[test]
    fn what_began_before_has_no_say_after() {
        let (circuit, clock) = circuit(|_| {});
        let (mut early_success, mut early_failure) = (pass(&circuit), pass(&circuit));
        run(&circuit, "ff");
        early_success.report(Outcome::Success);
        assert_eq!(circuit.state(), CircuitState::Open);
        clock.advance(Duration::from_secs(5));
        let mut probe = pass(&circuit);
        early_failure.report(Outcome::Failure);
        assert_eq!(circuit.state(), CircuitState::HalfOpen);
        probe.report(Outcome::Success);
        assert_eq!(circuit.state(), CircuitState::Closed);
    }

    #[test]
    fn a_clock_that_is_put_back_does_not_lock_it() {
        let (circuit, clock) = circuit(|_| {});
        run(&circuit, "ff");
        clock.set(SystemTime::UNIX_EPOCH);
        run(&circuit, "s");
        assert_eq!(circuit.state(), CircuitState::Closed);
    }

    #[test]
    fn odd_settings_are_taken_as_the_nearest_that_work() {
        for (name, window, failures, outcomes) in [
            ("nothing", 0, 0, "f"),
            ("more failures than outcomes", 3, 9, "fff"),
            ("more than there are bits", 999, 64, &"f".repeat(64)),
        ] {
            let (circuit, _) = circuit(|settings| (settings.window, settings.failures) = (window, failures));
            run(&circuit, outcomes);
            assert_eq!(circuit.state(), CircuitState::Open, "{name}");
        }
    }

    proptest! {
        /// Whatever happens, time heals: after a rest somebody may try, and successes close it.
        #[test]
        fn it_never_stays_open(steps in proptest::collection::vec((0..4_u8, 0..8_u64), 0..200)) {
            let (circuit, clock) = circuit(|_| {});
            let mut held = Vec::new();
            for (step, seconds) in steps {
                clock.advance(Duration::from_secs(seconds));
                let Admission::Pass(mut ticket) = circuit.admit() else { continue };
                match step {
                    0 => ticket.report(Outcome::Success),
                    1 => ticket.report(Outcome::Failure),
                    2 => drop(ticket),
                    _ => held.push(ticket),
                }
            }
            drop(held);
            clock.advance(Duration::from_secs(5));
            run(&circuit, "ssss");
            prop_assert_eq!(circuit.state(), CircuitState::Closed);
        }
    }
}
