use std::{
    borrow::Cow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use super::record::Record;
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
    /// How many outcomes are remembered.
    pub(super) window: u32,
    pub(super) failures: u32,
    pub(super) open_for: Duration,
    pub(super) probes: u32,
    pub(super) clock: SharedClock,
    /// Of the upstream, for the log.
    pub(super) name: Option<Cow<'static, str>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { window: 20, failures: 10, open_for: Duration::from_secs(5), probes: 1, clock: SharedClock::default(), name: None }
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
    Closed(Record),
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

impl Circuit {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, state: Mutex::new(State { phase: Phase::Closed(Record::EMPTY), number: 0 }) }
    }

    pub(super) fn state(&self) -> CircuitState {
        let state = self.lock();
        match state.phase {
            Phase::Closed(_) => CircuitState::Closed,
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

    /// The place of what was told among the outcomes of its phase; `None` if it says nothing there.
    fn report(&self, number: u64, outcome: Outcome) -> Option<u64> {
        let mut state = self.lock();
        if state.number != number {
            return None;
        }
        let mut place = 0;
        let next = match (&mut state.phase, outcome) {
            (Phase::Closed(_), Outcome::Unknown) | (Phase::Open { .. }, _) => return None,
            (Phase::Closed(record), outcome) => {
                place = record.tell(outcome == Outcome::Failure);
                self.after(record)
            }
            (Phase::HalfOpen { .. }, Outcome::Failure) => Some(self.open()),
            (Phase::HalfOpen { on_the_way, succeeded, .. }, outcome) => {
                *on_the_way = on_the_way.saturating_sub(1);
                *succeeded += u32::from(outcome == Outcome::Success);
                (*succeeded >= self.probes()).then_some(Phase::Closed(Record::EMPTY))
            }
        };
        self.change(state, next);
        Some(place)
    }

    /// What was told as a success, in this place of the phase of this number, was none.
    fn take_back(&self, number: u64, place: u64) {
        let mut state = self.lock();
        let phases_since = state.number.wrapping_sub(number);
        let next = match (&mut state.phase, phases_since) {
            (Phase::HalfOpen { .. }, 0) => Some(self.open()),
            (Phase::Closed(record), 0) => {
                record.take_back(place, self.window());
                self.after(record)
            }
            // It was a probe: nothing but the word of probes closes a circuit.
            (Phase::Closed(record), 1) if !record.is_full(self.window()) => Some(self.open()),
            (Phase::Closed(record), 1) => {
                record.tell(true);
                self.after(record)
            }
            _ => None,
        };
        self.change(state, next);
    }

    fn change(&self, mut state: MutexGuard<'_, State>, next: Option<Phase>) {
        if let Some(phase) = next {
            state.enter(phase);
            drop(state);
            tell(phase, self.settings.name.as_deref());
        }
    }

    /// Whether these were too many failures.
    fn after(&self, record: &Record) -> Option<Phase> {
        let too_many = self.settings.failures.clamp(1, self.window());
        (record.failures(self.window()) >= too_many).then(|| self.open())
    }

    fn open(&self) -> Phase {
        Phase::Open { since: self.settings.clock.now() }
    }

    fn probes(&self) -> u32 {
        self.settings.probes.max(1)
    }

    fn window(&self) -> u32 {
        self.settings.window.clamp(1, Record::MOST)
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

fn tell(phase: Phase, name: Option<&str>) {
    match phase {
        Phase::Open { .. } => event!(WARN, "an upstream fails and is left alone for a while"; upstream = name),
        Phase::Closed(_) => event!(INFO, "an upstream works again"; upstream = name),
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

    /// Tells of a success that is not whole yet: a head, whose body is to come.
    pub(super) fn succeed(&mut self) -> Option<Word> {
        let circuit = self.circuit.take()?;
        let place = circuit.report(self.number, Outcome::Success)?;
        let mut word = Word { number: self.number, place, circuit, left: None, waited: Duration::ZERO };
        word.handed_out();
        Some(word)
    }
}

/// A probe that is given up leaves its place to the next.
impl Drop for Ticket {
    fn drop(&mut self) {
        self.report(Outcome::Unknown);
    }
}

/// A success that was told and may be none in the end.
#[derive(Debug)]
pub(super) struct Word {
    number: u64,
    place: u64,
    circuit: Arc<Circuit>,
    /// Since when nobody asks for more of the body.
    left: Option<SystemTime>,
    /// How long nobody did, in all.
    waited: Duration,
}

/// So long a body may wait to be read, in all, before its end says nothing: an upstream may hang up on who does not read.
const READ_WITHIN: Duration = Duration::from_secs(1);

impl Word {
    /// Its reader has a piece of the body, and is awaited from now on.
    pub(super) fn handed_out(&mut self) {
        self.left = Some(self.circuit.settings.clock.now());
    }

    /// Its reader asks for more. Whether a failure would still be the upstream's.
    pub(super) fn asked_in_time(&mut self) -> bool {
        if let Some(left) = self.left.take() {
            let waited = self.circuit.settings.clock.now().duration_since(left).unwrap_or_default();
            self.waited = self.waited.saturating_add(waited);
        }
        self.waited <= READ_WITHIN
    }

    pub(super) fn take_back(self) {
        self.circuit.take_back(self.number, self.place);
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
