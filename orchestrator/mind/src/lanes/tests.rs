use antiphon_core::event::{Consent, Flags, Input, PolicyName, Settings};
use antiphon_core::ids::TurnId;

use super::*;
use crate::machine::testing::*;

fn lanes() -> Lanes {
    let mut lanes = Lanes::new();
    for input in [
        session_started(Settings::default()),
        joined(ALICE, "Alice", Consent::Granted),
        joined(BOB, "Bob", Consent::Granted),
    ] {
        lanes.step(T0, &input);
    }
    lanes
}

fn choose(policy: PolicyName) -> Input {
    Input::PolicyChosen { policy, reason: "a test".into() }
}

fn lines(decided: &[Decided]) -> Vec<String> {
    decided.iter().map(|d| format!("{} {}", d.policy.as_str(), show(&d.action))).collect()
}

#[test]
fn the_sandbox_decides_otherwise_and_is_only_recorded() {
    let mut lanes = lanes();
    lanes.step(T0, &starts(1, ALICE));
    lanes.step(T0, &ends(1, ALICE));
    let actions = lanes.step(T0, &heard(1, ALICE, "nice weather today"));
    assert!(lines(&actions.production).contains(&"established 1: generate by groq, full".to_owned()));
    assert_eq!(lines(&actions.sandbox).last().unwrap(), "adaptive 1: close ignored \"\"");
}

#[test]
fn a_turn_is_finished_by_the_policy_that_began_it() {
    let mut lanes = lanes();
    lanes.step(T0, &starts(1, ALICE));
    lanes.step(T0, &choose(PolicyName::Adaptive));
    lanes.step(T0, &starts(2, BOB));
    assert_eq!(
        (lanes.owner(TurnId(1)), lanes.owner(TurnId(2))),
        (PolicyName::Established, PolicyName::Adaptive)
    );
    let first = lanes.step(T0, &ends(1, ALICE));
    assert!(first.production.iter().all(|d| d.policy == PolicyName::Established));
    assert!(first.sandbox.iter().all(|d| d.policy == PolicyName::Adaptive));
    let second = lanes.step(T0, &ends(2, BOB));
    assert!(second.production.iter().all(|d| d.policy == PolicyName::Adaptive));
    assert!(!second.production.is_empty() && !second.sandbox.is_empty());
    assert!(lanes.is_busy());
}

#[test]
fn with_the_mirror_off_nothing_of_the_candidate_runs() {
    let script =
        || [starts(1, ALICE), ends(1, ALICE), heard(1, ALICE, "hello"), sentence(1, 0, "Hi.", "groq")];
    let (mut on, mut off) = (lanes(), lanes());
    off.step(T0, &Input::FlagsChanged { flags: Flags { mirror_enabled: false, ..Flags::default() } });
    for input in script() {
        let (on, off) = (on.step(T0, &input), off.step(T0, &input));
        assert_eq!(on.production, off.production);
        assert!(off.sandbox.is_empty());
    }
    assert_eq!(off.machine(PolicyName::Adaptive), None);
}

fn mirror(mirror_enabled: bool) -> Input {
    Input::FlagsChanged { flags: Flags { mirror_enabled, ..Flags::default() } }
}

#[test]
fn a_candidate_that_comes_in_late_knows_the_people() {
    let mut lanes = lanes();
    lanes.step(T0, &mirror(false));
    for input in [starts(1, ALICE), ends(1, ALICE), heard(1, ALICE, "Antiphon, hello")] {
        lanes.step(T0, &input);
    }
    lanes.step(T0, &mirror(true));
    // The turn that was open then is not its; the next one is.
    let late = lanes.step(T0, &sentence(1, 0, "Hello.", "groq"));
    assert!(late.sandbox.is_empty(), "{:?}", late.sandbox);
    lanes.step(T0, &starts(2, BOB));
    let sandbox = lines(&lanes.step(T0, &ends(2, BOB)).sandbox);
    assert!(sandbox.iter().any(|line| line.contains("transcribe")), "{sandbox:?}");
}

#[test]
fn a_policy_that_acts_runs_though_the_mirror_is_off() {
    let mut lanes = lanes();
    lanes.step(T0, &mirror(false));
    lanes.step(T0, &choose(PolicyName::Adaptive));
    lanes.step(T0, &starts(1, ALICE));
    lanes.step(T0, &choose(PolicyName::Established));
    let ended = lanes.step(T0, &ends(1, ALICE));
    assert!(
        ended.production.iter().all(|d| d.policy == PolicyName::Adaptive) && !ended.production.is_empty()
    );
    assert!(lanes.machine(PolicyName::Adaptive).is_some(), "its turn is open");
    lanes.step(T0, &Input::MemberLeft { user: ALICE });
    assert_eq!(lanes.machine(PolicyName::Adaptive), None);
}

#[test]
fn format_1_lanes_feed_the_candidate_without_the_mirror() {
    let mut lanes = Lanes::of_format_1();
    for input in
        [session_started(Settings::default()), mirror(false), joined(ALICE, "Alice", Consent::Granted)]
    {
        lanes.step(T0, &input);
    }
    assert!(lanes.machine(PolicyName::Adaptive).is_some());
}

#[test]
fn the_established_policy_continues_a_stopped_candidates_turns() {
    let mut lanes = lanes();
    lanes.step(T0, &choose(PolicyName::Adaptive));
    lanes.step(T0, &starts(1, ALICE));
    let stopped =
        Input::CandidateStopped { policy: PolicyName::Adaptive, steps: 5, reason: "it panicked".into() };
    lanes.step(T0, &stopped);
    assert_eq!((lanes.acting(), lanes.owner(TurnId(1))), (PolicyName::Established, PolicyName::Established));
    let ended = lanes.step(T0, &ends(1, ALICE));
    assert!(lines(&ended.production)[0].starts_with("established"), "{ended:?}");
    // Whatever is chosen after that, it does not come back.
    lanes.step(T0, &choose(PolicyName::Adaptive));
    assert_eq!((lanes.acting(), lanes.machine(PolicyName::Adaptive)), (PolicyName::Established, None));
}

#[test]
fn a_lent_candidate_fed_elsewhere_comes_back_the_same() {
    let (mut whole, mut split) = (lanes(), lanes());
    let mut lent = split.lend_candidate().unwrap();
    assert!(split.is_candidate_lent() && split.lend_candidate().is_none());
    for input in [starts(1, ALICE), ends(1, ALICE), heard(1, ALICE, "nice weather today")] {
        let (a, b) = (whole.step(T0, &input), split.step(T0, &input));
        assert_eq!(a.production, b.production);
        let rehearsed: Vec<_> = a.sandbox.into_iter().map(|decided| decided.action).collect();
        assert_eq!(lent.step(T0, &input), rehearsed);
    }
    split.return_candidate(lent);
    assert_eq!(whole, split);
}

#[test]
fn each_machines_time_is_measured_by_the_given_clock() {
    let mut lanes = lanes();
    let mut clock = [5, 12, 12, 40].into_iter();
    let actions = lanes.step_timed(T0, &starts(1, ALICE), || clock.next().unwrap());
    assert_eq!(actions.times, StepTimes { established_us: 7, adaptive_us: 28 });
}

#[test]
fn a_sandbox_follows_what_production_answers() {
    let mut lanes = lanes();
    lanes.step(T0, &choose(PolicyName::Adaptive));
    // Only the established policy, now the sandbox, wants to answer this.
    for input in [starts(1, ALICE), ends(1, ALICE), heard(1, ALICE, "nice weather today")] {
        lanes.step(T0, &input);
    }
    for input in [starts(2, BOB), ends(2, BOB)] {
        lanes.step(T0, &input);
    }
    let asked = lanes.step(T0, &heard(2, BOB, "Antiphon, what time is it?"));
    assert!(lines(&asked.production).contains(&"adaptive 2: generate by groq, brief".to_owned()));
    assert!(!lines(&asked.sandbox).iter().any(|line| line.contains("generate")), "its floor is taken");
    let answered = lanes.step(T0, &sentence(2, 0, "Noon.", "groq"));
    let sandbox = lines(&answered.sandbox);
    assert!(sandbox.contains(&"established 1: close abandoned \"\"".to_owned()), "{sandbox:?}");
    assert!(sandbox.contains(&"established 2: synthesize 0 by piper".to_owned()), "{sandbox:?}");
}
