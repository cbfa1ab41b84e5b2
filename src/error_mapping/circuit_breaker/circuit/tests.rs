use super::*;
use crate::ManualClock;
use proptest::prelude::*;

pub(super) fn circuit(change: impl FnOnce(&mut Settings)) -> (Arc<Circuit>, ManualClock) {
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
