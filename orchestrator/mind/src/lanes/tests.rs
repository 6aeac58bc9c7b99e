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
        lanes.step(DAWN, &input);
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
fn the_sandbox_decides_otherwise_on_the_same_words_and_is_only_recorded() {
    let mut lanes = lanes();
    lanes.step(DAWN, &starts(1, ALICE));
    lanes.step(DAWN, &ends(1, ALICE));
    let actions = lanes.step(DAWN, &heard(1, ALICE, "nice weather today"));
    assert!(lines(&actions.production).contains(&"established 1: generate by groq, full".to_owned()));
    assert_eq!(lines(&actions.sandbox).last().unwrap(), "adaptive 1: close ignored \"\"");
}

#[test]
fn a_turn_is_finished_by_the_policy_that_began_it_and_the_next_belongs_to_the_new_one() {
    let mut lanes = lanes();
    lanes.step(DAWN, &starts(1, ALICE));
    lanes.step(DAWN, &choose(PolicyName::Adaptive));
    lanes.step(DAWN, &starts(2, BOB));
    assert_eq!(
        (lanes.owner(TurnId(1)), lanes.owner(TurnId(2))),
        (PolicyName::Established, PolicyName::Adaptive)
    );
    let first = lanes.step(DAWN, &ends(1, ALICE));
    assert!(first.production.iter().all(|d| d.policy == PolicyName::Established));
    assert!(first.sandbox.iter().all(|d| d.policy == PolicyName::Adaptive));
    let second = lanes.step(DAWN, &ends(2, BOB));
    assert!(second.production.iter().all(|d| d.policy == PolicyName::Adaptive));
    assert!(!second.production.is_empty() && !second.sandbox.is_empty());
    assert!(lanes.is_busy());
}

#[test]
fn with_the_mirror_off_production_is_the_same_and_the_sandbox_is_not_recorded() {
    let script =
        || [starts(1, ALICE), ends(1, ALICE), heard(1, ALICE, "hello"), sentence(1, 0, "Hi.", "groq")];
    let (mut on, mut off) = (lanes(), lanes());
    off.step(DAWN, &Input::FlagsChanged { flags: Flags { mirror_enabled: false, ..Flags::default() } });
    for input in script() {
        let (on, off) = (on.step(DAWN, &input), off.step(DAWN, &input));
        assert_eq!(on.production, off.production);
        assert!(off.sandbox.is_empty());
    }
}

#[test]
fn each_machines_time_is_measured_by_the_clock_handed_in() {
    let mut lanes = lanes();
    let mut clock = [5, 12, 40].into_iter();
    let actions = lanes.step_timed(DAWN, &starts(1, ALICE), || clock.next().unwrap());
    assert_eq!(actions.times, StepTimes { established_us: 7, adaptive_us: 28 });
}

#[test]
fn a_sandbox_that_would_have_answered_what_production_ignores_still_follows_what_production_answers() {
    let mut lanes = lanes();
    lanes.step(DAWN, &choose(PolicyName::Adaptive));
    // Only the established policy, now the sandbox, wants to answer this.
    for input in [starts(1, ALICE), ends(1, ALICE), heard(1, ALICE, "nice weather today")] {
        lanes.step(DAWN, &input);
    }
    for input in [starts(2, BOB), ends(2, BOB)] {
        lanes.step(DAWN, &input);
    }
    let asked = lanes.step(DAWN, &heard(2, BOB, "Antiphon, what time is it?"));
    assert!(lines(&asked.production).contains(&"adaptive 2: generate by groq, brief".to_owned()));
    assert!(!lines(&asked.sandbox).iter().any(|line| line.contains("generate")), "its floor is taken");
    let answered = lanes.step(DAWN, &sentence(2, 0, "Noon.", "groq"));
    let sandbox = lines(&answered.sandbox);
    assert!(sandbox.contains(&"established 1: close abandoned \"\"".to_owned()), "{sandbox:?}");
    assert!(sandbox.contains(&"established 2: synthesize 0 by piper".to_owned()), "{sandbox:?}");
}
