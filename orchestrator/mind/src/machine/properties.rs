//! Property tests of the machine.
use antiphon_core::event::{Action, Consent, Input, PolicyName, Settings};
use antiphon_core::time::Timestamp;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::Machine;
use super::testing::{ALICE, BOB, CAROL, T0, Watch, World, joined, over, session_started};
use crate::lanes::{LaneActions, Lanes};

fn opening() -> Vec<(Timestamp, Input)> {
    [
        session_started(Settings { context_turns: 3, ..Settings::default() }),
        joined(ALICE, "Alice", Consent::Granted),
        joined(BOB, "Bob", Consent::Granted),
        joined(CAROL, "Carol", Consent::Withheld),
    ]
    .map(|input| (T0, input))
    .into()
}

/// Runs `steps` random inputs and the session's end; gives inputs and actions, watched for what must never be.
fn run(policy: PolicyName, seed: u64, steps: usize) -> (Vec<(Timestamp, Input)>, Vec<Vec<Action>>) {
    run_with(policy, seed, steps, |at| at)
}

/// The same with the times bent.
fn run_with(
    policy: PolicyName,
    seed: u64,
    steps: usize,
    mut bend: impl FnMut(Timestamp) -> Timestamp,
) -> (Vec<(Timestamp, Input)>, Vec<Vec<Action>>) {
    let (mut machine, mut world, mut watch) = (Machine::new(policy), World::new(seed), Watch::default());
    let mut inputs = opening();
    let mut all = Vec::new();
    for (at, input) in &inputs {
        all.push(machine.step(*at, input));
    }
    for step in 0..=steps {
        let (at, input) = world.next_input();
        let at = bend(at);
        let input = if step == steps { over() } else { input };
        let actions = machine.step(at, &input);
        watch.see(&input, &actions);
        world.notice(&actions);
        inputs.push((at, input));
        all.push(actions);
    }
    assert_eq!(machine.open_turns(), 0);
    watch.nothing_is_left();
    let (at, more) = world.next_input();
    assert!(machine.step(at, &more).is_empty(), "an ended session wants nothing");
    (inputs, all)
}

fn policies() -> impl Strategy<Value = PolicyName> {
    prop_oneof![Just(PolicyName::Established), Just(PolicyName::Adaptive)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// No panic; every opened turn is closed, exactly once, with its timers cancelled; nothing is wanted for a turn
    /// after its end; sentences play in order and one reply at a time.
    #[test]
    fn whatever_happens_every_turn_ends_cleanly(policy in policies(), seed: u64, steps in 0usize..600) {
        run(policy, seed, steps);
    }

    /// Time may stand still, leap or run backwards: nothing is overtaken by it.
    #[test]
    fn broken_clocks_do_no_harm(policy in policies(), seed: u64, steps in 0usize..300, bends: [u64; 7]) {
        let mut turn = 0;
        run_with(policy, seed, steps, |at| {
            turn += 1;
            match turn % 5 {
                0 => Timestamp(bends[turn % 7]),
                1 => Timestamp(u64::MAX - bends[turn % 7] % 3),
                2 => Timestamp(0),
                _ => at,
            }
        });
    }

    /// The same inputs give the same actions, bit for bit, also when the inputs have travelled as JSON.
    #[test]
    fn the_same_inputs_give_the_same_actions_bit_for_bit(policy in policies(), seed: u64, steps in 0usize..300) {
        let (inputs, recorded) = run(policy, seed, steps);
        let mut again = Machine::new(policy);
        for ((at, input), recorded) in inputs.iter().zip(&recorded) {
            let travelled: Input = serde_json::from_str(&serde_json::to_string(input).unwrap()).unwrap();
            prop_assert_eq!(&travelled, input);
            let actions = again.step(*at, &travelled);
            prop_assert_eq!(serde_json::to_vec(&actions).unwrap(), serde_json::to_vec(recorded).unwrap());
            let back: Vec<Action> = serde_json::from_slice(&serde_json::to_vec(&actions).unwrap()).unwrap();
            prop_assert_eq!(back, actions);
        }
    }

    /// The lanes' roles change at random; still production is one clean sequence: each turn carried from its first
    /// action to its end by one policy, whose actions are that policy's own machine's, unchanged.
    #[test]
    fn each_turn_is_carried_by_one_policy_despite_role_changes(seed: u64, steps in 0usize..400) {
        let (mut lanes, mut world) = (Lanes::new(), World::new(seed));
        let mut alone = [Machine::new(PolicyName::Established), Machine::new(PolicyName::Adaptive)];
        let mut carried = std::collections::BTreeMap::new();
        let mut inputs = opening();
        for step in 0..inputs.len() + steps {
            let (at, input) = match inputs.get(step) {
                Some(input) => input.clone(),
                None => {
                    let next = world.next_input();
                    inputs.push(next.clone());
                    next
                }
            };
            let LaneActions { production, sandbox, .. } = lanes.step(at, &input);
            let performed: Vec<Action> = production.iter().map(|d| d.action.clone()).collect();
            world.notice(&performed);
            for machine in &mut alone {
                let mut own = machine.step(at, &input);
                let both = production.iter().chain(&sandbox).filter(|d| d.policy == machine.policy());
                let mut split: Vec<Action> = both.map(|d| d.action.clone()).collect();
                // A step's actions may be split over both lanes; within a lane their order is kept.
                let key = |a: &Action| serde_json::to_string(a).unwrap();
                own.sort_by_key(key);
                split.sort_by_key(key);
                prop_assert_eq!(own, split);
            }
            for decided in &production {
                if let Some(turn) = decided.action.turn() {
                    let by = carried.entry(turn).or_insert(decided.policy);
                    prop_assert_eq!(*by, decided.policy, "turn {} changed hands", turn);
                }
            }
        }
    }
}

#[test]
fn after_a_hundred_thousand_inputs_memory_stays_in_bounds() {
    for policy in [PolicyName::Established, PolicyName::Adaptive] {
        let (mut machine, mut world) = (Machine::new(policy), World::new(2024));
        for (at, input) in opening() {
            machine.step(at, &input);
        }
        let mut most = 0;
        for _ in 0..100_000 {
            let (at, input) = world.next_input();
            let actions = machine.step(at, &input);
            world.notice(&actions);
            most = most.max(machine.footprint());
            assert!(machine.open_turns() <= super::limits::MAX_OPEN_TURNS);
        }
        // 32 turns of at most 8 sentences of these short texts, 256 closed turns, 3 exchanges, a handful of people.
        assert!(most < 32 * 8 * 30 + 256 + 3 * 400 + 500, "{most}");
    }
}

#[test]
fn hostile_texts_are_cut_to_size() {
    let mut machine = Machine::new(PolicyName::Established);
    let huge = "word. ".repeat(200_000);
    for (at, input) in opening() {
        machine.step(at, &input);
    }
    for turn in 1..=40 {
        machine.step(T0, &super::testing::asked(turn, ALICE, &huge));
        for index in 0..20 {
            machine.step(T0, &super::testing::sentence(turn, index, &huge, &huge));
        }
    }
    assert!(machine.footprint() < 200_000, "{}", machine.footprint());
}

#[test]
fn the_random_world_leads_turns_to_every_outcome() {
    let mut seen = std::collections::BTreeMap::new();
    for seed in 0..40 {
        for actions in run(PolicyName::Established, seed, 400).1.into_iter().flatten() {
            if let Action::CloseTurn { outcome, .. } = actions {
                *seen.entry(format!("{outcome:?}")).or_insert(0) += 1;
            }
        }
    }
    let names: Vec<&str> = seen.keys().map(String::as_str).collect();
    let all =
        ["Abandoned", "Answered", "AnsweredInText", "Failed", "Ignored", "Interrupted", "Unintelligible"];
    assert_eq!(names, all, "{seen:?}");
    assert!(seen.values().all(|count| *count >= 10), "{seen:?}");
}

/// Hash seeds, addresses and the like differ from process to process: none of it may show.
#[test]
fn two_processes_decide_the_same() {
    const CHILD: &str = "ANTIPHON_TEST_PRINT_DIGEST";
    const MARK: &str = "digest of all actions: ";
    if std::env::var_os(CHILD).is_some() {
        let actions: Vec<_> = (0..5).map(|seed| run(PolicyName::Adaptive, seed, 300).1).collect();
        println!("{MARK}{}", hex::encode(Sha256::digest(serde_json::to_vec(&actions).unwrap())));
        return;
    }
    let in_a_process = || {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "machine::properties::two_processes_decide_the_same", "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split(MARK)
            .nth(1)
            .and_then(|rest| rest.get(..64))
            .map(str::to_owned)
            .unwrap_or_else(|| panic!("{text}"))
    };
    assert_eq!(in_a_process(), in_a_process());
}
