//! Every order of events, told by a slow circuit and by the fast one.

use super::{tests::circuit, *};
use proptest::prelude::*;

/// The circuit as its documentation tells it, with a list of all that was told for each closed time, and no cleverness.
struct Model {
    now: u64,
    phases: Vec<Told>,
}

enum Told {
    Closed(Vec<Said>),
    Open(u64),
    HalfOpen { on_the_way: usize, succeeded: usize, since: u64 },
}

/// A request that said this, and by its number that it may be another.
struct Said {
    request: usize,
    failed: bool,
}

const WINDOW: usize = 4;
const FAILURES: usize = 2;
const OPEN_FOR: u64 = 5;

impl Model {
    /// Whether the next request passes, and in which phase.
    fn admit(&mut self, probes: usize) -> Option<usize> {
        if let Some(Told::Open(since)) = self.phases.last() {
            if self.now - since < OPEN_FOR {
                return None;
            }
            self.phases.push(Told::HalfOpen { on_the_way: 0, succeeded: 0, since: *since });
        }
        if let Some(Told::HalfOpen { on_the_way, succeeded, since }) = self.phases.last_mut() {
            if *on_the_way + *succeeded >= probes && self.now - *since < OPEN_FOR {
                return None;
            }
            *on_the_way += 1;
            *since = self.now;
        }
        Some(self.phases.len() - 1)
    }

    /// Whether it has a say.
    fn tell(&mut self, phase: usize, request: usize, outcome: Outcome, probes: usize) -> bool {
        if phase + 1 != self.phases.len() {
            return false;
        }
        match self.phases.last_mut().unwrap() {
            Told::Open(_) => return false,
            Told::Closed(_) if outcome == Outcome::Unknown => return false,
            Told::Closed(said) => said.push(Said { request, failed: outcome == Outcome::Failure }),
            Told::HalfOpen { .. } if outcome == Outcome::Failure => self.phases.push(Told::Open(self.now)),
            Told::HalfOpen { on_the_way, succeeded, .. } => {
                *on_the_way -= 1;
                *succeeded += usize::from(outcome == Outcome::Success);
                if *succeeded >= probes {
                    self.phases.push(Told::Closed(Vec::new()));
                }
            }
        }
        self.judge();
        true
    }

    fn take_back(&mut self, phase: usize, request: usize) {
        let (now, last) = (self.now, self.phases.len() - 1);
        match (self.phases.last_mut().unwrap(), last - phase) {
            (Told::HalfOpen { .. }, 0) => self.phases.push(Told::Open(now)),
            (Told::Closed(said), 1) if said.len() < WINDOW => self.phases.push(Told::Open(now)),
            (Told::Closed(said), 0 | 1) => match said.iter_mut().rev().take(WINDOW).find(|said| said.request == request) {
                Some(said) => said.failed = true,
                None => said.push(Said { request: usize::MAX, failed: true }),
            },
            _ => {}
        }
        self.judge();
    }

    fn judge(&mut self) {
        if let Some(Told::Closed(said)) = self.phases.last()
            && said.iter().rev().take(WINDOW).filter(|said| said.failed).count() >= FAILURES
        {
            self.phases.push(Told::Open(self.now));
        }
    }

    fn state(&self) -> CircuitState {
        match self.phases.last().unwrap() {
            Told::Closed(_) => CircuitState::Closed,
            Told::Open(since) if self.now - since < OPEN_FOR => CircuitState::Open,
            _ => CircuitState::HalfOpen,
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    Asks,
    Succeeds(usize),
    Fails(usize),
    IsGivenUp(usize),
    BodyFails(usize),
    BodyEnds(usize),
    TimePasses(u64),
}

fn event() -> impl Strategy<Value = Event> {
    use Event::{Asks, BodyEnds, BodyFails, Fails, IsGivenUp, Succeeds, TimePasses};
    let which = || 0..6_usize;
    prop_oneof![
        6 => Just(Asks),
        4 => which().prop_map(Succeeds),
        2 => which().prop_map(Fails),
        1 => which().prop_map(IsGivenUp),
        3 => which().prop_map(BodyFails),
        1 => which().prop_map(BodyEnds),
        2 => (0..7_u64).prop_map(TimePasses),
    ]
}

/// The one of these, if there are any.
fn taken<T>(from: &mut Vec<T>, which: usize) -> Option<T> {
    (!from.is_empty()).then(|| from.remove(which % from.len()))
}

proptest! {
    /// In whatever order requests begin, get a head, fail, are given up, and their bodies break off or end.
    #[test]
    fn every_order_of_events_is_told_as_the_model_tells_it(events in prop::collection::vec(event(), 0..120), probes in 1..3_usize) {
        let (circuit, clock) = circuit(|settings| settings.probes = probes as u32);
        let mut model = Model { now: 0, phases: vec![Told::Closed(Vec::new())] };
        let (mut asked, mut bodies, mut requests) = (Vec::new(), Vec::new(), 0);
        for event in events {
            match event {
                Event::Asks => {
                    requests += 1;
                    let passed = match circuit.admit() {
                        Admission::Pass(ticket) => Some(ticket),
                        Admission::Refuse(_) => None,
                    };
                    let phase = model.admit(probes);
                    prop_assert_eq!(passed.is_some(), phase.is_some());
                    asked.extend(passed.zip(phase).map(|(ticket, phase)| (ticket, phase, requests)));
                }
                Event::Succeeds(which) => if let Some((mut ticket, phase, request)) = taken(&mut asked, which) {
                    let word = ticket.succeed();
                    prop_assert_eq!(model.tell(phase, request, Outcome::Success, probes), word.is_some());
                    bodies.extend(word.map(|word| (word, phase, request)));
                }
                Event::Fails(which) => if let Some((mut ticket, phase, request)) = taken(&mut asked, which) {
                    ticket.report(Outcome::Failure);
                    model.tell(phase, request, Outcome::Failure, probes);
                }
                Event::IsGivenUp(which) => if let Some((ticket, phase, request)) = taken(&mut asked, which) {
                    drop(ticket);
                    model.tell(phase, request, Outcome::Unknown, probes);
                }
                Event::BodyFails(which) => if let Some((word, phase, request)) = taken(&mut bodies, which) {
                    word.take_back();
                    model.take_back(phase, request);
                }
                Event::BodyEnds(which) => drop(taken(&mut bodies, which)),
                Event::TimePasses(seconds) => {
                    clock.advance(Duration::from_secs(seconds));
                    model.now += seconds;
                }
            }
            prop_assert_eq!(circuit.state(), model.state());
        }
    }
}
