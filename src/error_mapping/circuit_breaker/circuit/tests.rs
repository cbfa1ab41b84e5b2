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

/// A success that is not whole yet.
#[track_caller]
fn head(circuit: &Arc<Circuit>) -> Word {
    pass(circuit).succeed().expect("it counts")
}

#[test]
fn a_body_that_breaks_off_turns_a_success_into_a_failure() {
    let (circuit, _) = circuit(|_| {});
    let (first, second) = (head(&circuit), head(&circuit));
    run(&circuit, "s");
    first.take_back();
    assert_eq!(circuit.state(), CircuitState::Closed, "one of three");
    second.take_back();
    assert_eq!(circuit.state(), CircuitState::Open, "two of three");
}

#[test]
fn a_body_that_breaks_off_late_is_a_failure_of_now() {
    let (circuit, _) = circuit(|_| {});
    let late = head(&circuit);
    run(&circuit, "ssssf");
    late.take_back();
    assert_eq!(circuit.state(), CircuitState::Open);
}

#[test]
fn a_probe_whose_body_breaks_off_opens_it_again() {
    let (circuit, clock) = circuit(|_| {});
    run(&circuit, "ff");
    clock.advance(Duration::from_secs(5));
    let probe = head(&circuit);
    assert_eq!(circuit.state(), CircuitState::Closed, "nobody waits for a body");
    run(&circuit, "sss");
    clock.advance(Duration::from_secs(1));
    probe.take_back();
    assert_eq!(refused(&circuit), Duration::from_secs(5), "for the whole time");
}

#[test]
fn a_probe_whose_body_breaks_off_when_others_have_told_enough_is_one_failure() {
    let (circuit, clock) = circuit(|_| {});
    run(&circuit, "ff");
    clock.advance(Duration::from_secs(5));
    let probe = head(&circuit);
    run(&circuit, "sssss");
    probe.take_back();
    assert_eq!(circuit.state(), CircuitState::Closed);
    run(&circuit, "f");
    assert_eq!(circuit.state(), CircuitState::Open, "it counts as one");
}

#[test]
fn one_of_two_probes_whose_body_breaks_off_opens_it_before_the_other_has_an_end() {
    let (circuit, clock) = circuit(|settings| settings.probes = 2);
    run(&circuit, "ff");
    clock.advance(Duration::from_secs(5));
    let (probe, mut other) = (head(&circuit), pass(&circuit));
    probe.take_back();
    assert_eq!(circuit.state(), CircuitState::Open);
    other.report(Outcome::Success);
    assert_eq!(circuit.state(), CircuitState::Open);
}

#[test]
fn a_probe_without_an_end_keeps_no_place() {
    let (circuit, clock) = circuit(|_| {});
    run(&circuit, "ff");
    clock.advance(Duration::from_secs(5));
    let endless = head(&circuit);
    run(&circuit, "ssssssss");
    assert_eq!(circuit.state(), CircuitState::Closed);
    drop(endless);
    assert_eq!(circuit.state(), CircuitState::Closed);
}

#[test]
fn a_body_of_an_earlier_phase_has_no_say() {
    let (circuit, clock) = circuit(|_| {});
    let (early, earlier) = (head(&circuit), head(&circuit));
    run(&circuit, "ff");
    early.take_back();
    clock.advance(Duration::from_secs(5));
    run(&circuit, "s");
    earlier.take_back();
    run(&circuit, "f");
    assert_eq!(circuit.state(), CircuitState::Closed);
}

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
