use std::collections::BTreeSet;
use std::convert::Infallible;

use ::bundle::{ActionLine, InputLine};
use antiphon_core::event::{Action, Consent, Input, Outcome, PolicyName, Settings};
use antiphon_core::ids::{Lane, TurnId};
use antiphon_core::time::Timestamp;
use jiff::tz::TimeZone;
use parity::diff::Provenance;
use proptest::prelude::*;

use super::*;
use mind::lanes::Decided;
use mind::machine::testing::*;

/// A recorded session: inputs, production's actions, the sandbox's.
struct Recording {
    inputs: Vec<InputLine>,
    lanes: [Vec<ActionLine>; 2],
}

/// Lives through a random session as a runner would, and records it; every line travels as JSON.
fn record(seed: u64, steps: usize) -> Recording {
    let (mut lanes, mut world) = (mind::lanes::Lanes::new(), World::new(seed));
    let mut recording = Recording { inputs: vec![], lanes: [vec![], vec![]] };
    let opening = [
        session_started(Settings::default()),
        joined(ALICE, "Alice", Consent::Granted),
        joined(BOB, "Bob", Consent::Granted),
    ];
    let mut pending = opening.into_iter();
    for step in 0..steps as u64 {
        let (at, input) = match pending.next() {
            Some(input) => (T0, input),
            None => world.next_input(),
        };
        let actions = lanes.step(at, &input);
        world.notice(&actions.production.iter().map(|d| d.action.clone()).collect::<Vec<_>>());
        for (of, decided) in recording.lanes.iter_mut().zip([actions.production, actions.sandbox]) {
            for Decided { policy, action } in decided {
                of.push(through_json(&ActionLine { at, step, policy, action }));
            }
        }
        recording.inputs.push(through_json(&InputLine { at, input }));
    }
    recording
}

fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

fn lines<T: Clone>(of: &[T]) -> impl Iterator<Item = Result<T, Infallible>> + '_ {
    of.iter().cloned().map(Ok)
}

fn verified(recording: &Recording) -> Replayed {
    let [production, sandbox] = &recording.lanes;
    verify(Replayer::new(), lines(&recording.inputs), lines(production), lines(sandbox)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_recorded_session_replays_bit_for_bit(seed: u64, steps in 0usize..300) {
        let recording = record(seed, steps);
        let replayed = verified(&recording);
        prop_assert!(replayed.identical(), "{:?}", replayed.first_difference());
        prop_assert_eq!(replayed.inputs, recording.inputs.len() as u64);
        prop_assert_eq!(replayed.production.lines, recording.lanes[0].len() as u64);
        prop_assert_eq!(replayed.sandbox.lines, recording.lanes[1].len() as u64);
    }

    #[test]
    fn one_changed_action_is_found_and_named(seed: u64, lane in 0usize..2, place: prop::sample::Index) {
        let mut recording = record(seed, 200);
        let at = place.index(recording.lanes[lane].len());
        let line = &mut recording.lanes[lane][at];
        line.at = Timestamp(line.at.0 + 1);
        let replayed = verified(&recording);
        let (found, difference) = replayed.first_difference().unwrap();
        prop_assert_eq!(found, [Lane::Production, Lane::Sandbox][lane]);
        prop_assert_eq!(difference.line, at as u64 + 1);
        prop_assert!(difference.a != difference.b && difference.a.is_some() && difference.b.is_some());
    }

    #[test]
    fn a_candidates_replay_is_deterministic_and_ends_cleanly(seed: u64, adaptive: bool) {
        let policy = if adaptive { PolicyName::Adaptive } else { PolicyName::Established };
        let mut recording = record(seed, 200);
        let end = recording.inputs.last().map_or(T0, |line| line.at);
        recording.inputs.push(InputLine { at: end, input: over() });
        let run = || {
            let tape = Tape::read(lines(&recording.inputs), lines(&recording.lanes[0])).unwrap();
            let settings = CandidateSettings { policy, zone: TimeZone::UTC };
            let mut candidate = Candidate::new(settings, tape);
            recording.inputs.iter().flat_map(|line| candidate.feed(line)).collect::<Vec<_>>()
        };
        let (first, second) = (run(), run());
        prop_assert_eq!(&first, &second);
        prop_assert!(first.windows(2).all(|w| w[0].at <= w[1].at), "time runs forward");
        let mut watch = Watch::default();
        for step in &first {
            watch.see(&step.input, &step.actions);
        }
        watch.nothing_is_left();
    }
}

#[test]
fn surplus_and_missing_actions_are_differences() {
    let whole = record(3, 120);
    let mut short = record(3, 120);
    let dropped = short.lanes[0].pop().unwrap();
    let replayed = verified(&short);
    let (_, difference) = replayed.first_difference().unwrap();
    assert_eq!((difference.a.as_ref(), difference.line), (None, whole.lanes[0].len() as u64));
    let mut long = record(3, 120);
    long.lanes[0].push(dropped);
    assert_eq!(verified(&long).first_difference().unwrap().1.b, None);
}

fn at(ms: u64) -> Timestamp {
    T0.after(std::time::Duration::from_millis(ms))
}

/// Alice talks to Bob, then asks the bot; Bob interrupts the answer that production gave.
fn conversation() -> Vec<InputLine> {
    let opening = [
        session_started(Settings::default()),
        joined(ALICE, "Alice", Consent::Granted),
        joined(BOB, "Bob", Consent::Granted),
    ];
    let mut inputs: Vec<InputLine> =
        opening.into_iter().map(|input| InputLine { at: at(0), input }).collect();
    for (ms, input) in [
        (1000, starts(1, ALICE)),
        (2000, ends(1, ALICE)),
        (2500, heard(1, ALICE, "I think it will rain")),
        // Production answered that; the candidate does not get that.
        (3000, sentence(1, 0, "So do I.", "groq")),
        (3000, written(1, "groq", 1)),
        (3100, speech(1, 0, "piper", 800)),
        (3100, began(1, 0)),
        (3900, played(1, 0, 800, true)),
        (6000, starts(2, ALICE)),
        (7000, ends(2, ALICE)),
        (7500, heard(2, ALICE, "Antiphon, tell me a story")),
        (20_000, starts(3, BOB)),
        (20_500, ends(3, BOB)),
        (20_800, heard(3, BOB, "stop")),
        (30_000, over()),
    ] {
        inputs.push(InputLine { at: at(ms), input });
    }
    inputs
}

fn try_out(policy: PolicyName, tape: Tape) -> (Vec<Step>, Candidate) {
    let mut candidate = Candidate::new(CandidateSettings { policy, zone: TimeZone::UTC }, tape);
    let steps = conversation().iter().flat_map(|line| candidate.feed(line)).collect();
    (steps, candidate)
}

fn replies_come_from(steps: &[Step]) -> BTreeSet<Provenance> {
    let replies = steps.iter().filter(|step| matches!(step.input, Input::SentenceReady { .. }));
    replies.filter_map(|step| step.provenance).collect()
}

fn closings(steps: &[Step]) -> Vec<(TurnId, Outcome, String)> {
    steps
        .iter()
        .flat_map(|step| &step.actions)
        .filter_map(|action| match action {
            Action::CloseTurn { turn, outcome, said } => Some((*turn, *outcome, said.clone())),
            _ => None,
        })
        .collect()
}

#[test]
fn a_candidate_ignores_foreign_results_and_can_be_interrupted() {
    let (steps, candidate) = try_out(PolicyName::Adaptive, Tape::default());
    let closed = closings(&steps);
    assert_eq!((closed[0].0, closed[0].1), (TurnId(1), Outcome::Ignored));
    let (turn, outcome, said) = &closed[1];
    assert_eq!((*turn, *outcome), (TurnId(2), Outcome::Interrupted));
    assert!(said.split(' ').count() > 15, "said for some twelve seconds: {said:?}");
    assert_eq!(closed[2].1, Outcome::Ignored, "a stop is obeyed, not answered");
    assert!(candidate.stand_ins().is_empty(), "it chose the offline responder itself");
}

#[test]
fn a_taped_reply_answers_only_the_same_request() {
    let (steps, candidate) = try_out(PolicyName::Established, Tape::default());
    assert_eq!(candidate.stand_ins().iter().copied().collect::<Vec<_>>(), [TurnId(1), TurnId(2)]);
    assert_eq!(replies_come_from(&steps), BTreeSet::from([Provenance::StandIn]));
    // Tape what groq wrote for the first turn, with the request that this policy makes.
    let asked = steps.iter().flat_map(|step| step.actions.iter().map(|a| (step.at, a.clone())));
    let recorded: Vec<ActionLine> = asked
        .filter(|(_, action)| matches!(action, Action::Generate { .. }))
        .map(|(at, action)| ActionLine { at, step: 0, policy: PolicyName::Established, action })
        .collect();
    let tape = Tape::read(lines(&conversation()), lines(&recorded)).unwrap();
    let (steps, candidate) = try_out(PolicyName::Established, tape);
    assert_eq!(closings(&steps)[0].2, "So do I.");
    assert_eq!(replies_come_from(&steps), BTreeSet::from([Provenance::Taped, Provenance::StandIn]));
    assert_eq!(candidate.stand_ins().iter().copied().collect::<Vec<_>>(), [TurnId(2)]);
    // The other policy asks somebody else, or otherwise: it gets no reply that was not meant for it.
    let heard_by_sandbox =
        |step: &Step| matches!(&step.input, Input::SentenceReady { text, .. } if text == "So do I.");
    assert!(!try_out(PolicyName::Adaptive, Tape::default()).0.iter().any(heard_by_sandbox));
}

#[test]
fn a_bundle_replays_and_compares_with_a_candidates_run() {
    use ::bundle::{Head, Policies, Reader, Tail, Writer};
    use parity::diff::{ReplayReader, identity};

    let recording = record(11, 250);
    let Input::SessionStarted { session, guild, channel, bot, flags, providers, settings } =
        recording.inputs[0].input.clone()
    else {
        unreachable!()
    };
    let dir = tempfile::tempdir().unwrap();
    let (policies, versions) = (Policies::default(), std::collections::BTreeMap::new());
    let head =
        Head { session, guild, channel, started: T0, bot, flags, settings, providers, policies, versions };
    let mut writer = Writer::create(&dir.path().join("bundle"), head).unwrap();
    for line in &recording.inputs {
        let step = writer.input(line.at, &line.input).unwrap();
        for (lane, actions) in [Lane::Production, Lane::Sandbox].into_iter().zip(&recording.lanes) {
            for line in actions.iter().filter(|line| line.step == step) {
                writer.actions(lane, line.policy, line.at, step, std::slice::from_ref(&line.action)).unwrap();
            }
        }
    }
    let ended = recording.inputs.last().unwrap().at;
    writer.seal(Tail { ended, reason: "a test".into(), ledger: None }).unwrap();

    let bundle = Reader::open(&dir.path().join("bundle")).unwrap();
    assert!(super::bundle::verify_bundle(&bundle).unwrap().identical());
    let run = |name: &str| {
        let settings = CandidateSettings { policy: PolicyName::Adaptive, zone: TimeZone::UTC };
        let out = dir.path().join(name);
        (super::bundle::try_candidate(&bundle, settings, &out).unwrap(), ReplayReader::open(&out).unwrap())
    };
    let ((tried, first), (again, second)) = (run("first"), run("second"));
    assert_eq!(tried, again);
    assert_eq!(first.actions().unwrap().count() as u64, tried.actions);
    assert!(identity("runs", first.actions().unwrap(), second.actions().unwrap()).unwrap().identical());
}
