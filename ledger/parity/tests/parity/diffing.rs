//! Runs from bundles, replays and the ledger, compared.
use std::collections::BTreeMap;
use std::sync::Arc;

use antiphon_core::event::{Input, Outcome, PolicyName};
use antiphon_core::ids::{GuildId, Lane, TurnId};
use antiphon_core::record::{Body, Record};
use bundle::Reader;
use parity::diff::{
    Class, Provenance, ReplayHead, ReplayReader, ReplayWriter, Run, RunSource, Tolerances, TurnView, compare,
    identity, junit, load,
};
use store::{Recorder, RecorderConfig, SqliteStore};

use crate::session::{self, SESSION, START, Script, script};

fn run(script: &Script, lane: Lane) -> Run {
    let (policy, actions) = match lane {
        Lane::Production => (PolicyName::Established, &script.production),
        Lane::Sandbox => (PolicyName::Adaptive, &script.sandbox),
    };
    let source = RunSource::Bundle { path: "here".into() };
    load::lines(SESSION, lane, policy, source, &script.inputs, actions)
}

#[test]
fn a_turn_is_built_from_its_inputs_and_actions() {
    let run = run(&script(), Lane::Production);
    let [first, _, third, _] = &run.turns[..] else { panic!("{} turns", run.turns.len()) };
    assert_eq!(first.name, "Ada");
    assert_eq!(first.transcript.as_deref(), Some("Antiphon, what time is it?"));
    assert_eq!(
        (first.stt.as_deref(), first.llm.as_deref(), first.tts.as_deref()),
        (Some("script"), Some("offline"), Some("espeak"))
    );
    assert_eq!(
        (first.reply.as_str(), first.said.as_str()),
        ("It is twelve o'clock.", "It is twelve o'clock.")
    );
    assert_eq!(first.latencies["voice_to_voice"], 200);
    assert_eq!(first.heard, Some((2_800, 4_200)));
    assert_eq!(third.outcome, Some(Outcome::Interrupted));
    assert_eq!(third.said, "Time is what keeps everything from");
    assert!(third.reply.starts_with("Time is what keeps everything from happening"));
}

#[test]
fn lanes_differ_where_they_decided_differently_and_say_why() {
    let script = script();
    let parity =
        compare(&run(&script, Lane::Production), &run(&script, Lane::Sandbox), &Tolerances::default());
    assert_eq!((parity.turns, parity.agreed), (4, 2));
    assert!(parity.same_inputs && !parity.same_actions);
    let fields = |turn| parity.of_turn(TurnId(turn)).map(|d| d.field.as_str()).collect::<Vec<_>>();
    assert_eq!(fields(1), ["style"]);
    assert_eq!(fields(2), ["responded", "llm", "style", "tts", "reply", "said", "outcome"]);
    assert_eq!(fields(3), Vec::<&str>::new());
    assert!(parity.differences.iter().all(|d| d.class == Class::Code), "{:?}", parity.differences);
    let ignored = parity.of_turn(TurnId(2)).next().unwrap();
    assert_eq!(ignored.because_b.as_deref(), Some("it was not said to the bot"));
    let xml = junit(&parity, (1..=4).map(TurnId));
    assert!(xml.contains("tests=\"4\" failures=\"2\"") && xml.contains("it") && !xml.contains("<script>"));
}

fn without_provenance(run: &Run) -> Vec<TurnView> {
    run.turns.iter().map(|turn| TurnView { provenance: BTreeMap::new(), ..turn.clone() }).collect()
}

#[test]
fn latencies_that_a_lane_took_over_are_not_compared() {
    let script = script();
    let production = run(&script, Lane::Production);
    let parity = compare(&production, &run(&script, Lane::Sandbox), &Tolerances::default());
    let latency = |field: &&String| field.starts_with("latency.");
    assert_eq!(parity.fields.keys().find(latency), None);
    let left_out = &parity.not_comparable["latency.transcribe"];
    assert!(left_out.turns > 1 && left_out.reason.contains("did not measure it separately"), "{left_out:?}");
    let parity = compare(&production, &production, &Tolerances::default());
    assert!(parity.fields.contains_key("latency.transcribe"));
    assert!(parity.not_comparable.is_empty());
}

#[test]
fn a_stand_ins_reply_is_marked_and_not_compared() {
    let dir = tempfile::tempdir().unwrap();
    let script = script();
    let head = ReplayHead {
        source: "bundle".into(),
        session: SESSION,
        started: START,
        lane: Lane::Sandbox,
        policy: PolicyName::Adaptive,
        version: "0.1.0".into(),
    };
    let mut writer = ReplayWriter::create(dir.path(), head).unwrap();
    let mut written = 0;
    for line in &script.inputs {
        let stands_in = matches!(line.input, Input::SentenceReady { turn: TurnId(1), .. });
        written += u64::from(stands_in);
        let provenance = stands_in.then_some(Provenance::StandIn);
        let step = writer.input(line.at, &line.input, provenance).unwrap();
        // The candidate decides as production did.
        for line in script.production.iter().filter(|line| line.step == step) {
            writer.actions(line.policy, line.at, step, std::slice::from_ref(&line.action)).unwrap();
        }
    }
    writer.seal().unwrap();
    let reader = ReplayReader::open(dir.path()).unwrap();
    assert_eq!(reader.provenance()[&Provenance::StandIn], written);
    let replayed = load::replay(&reader, dir.path()).unwrap();
    assert_eq!(replayed.turns[0].provenance("reply"), Provenance::StandIn);
    assert_eq!(replayed.turns[2].provenance("reply"), Provenance::Estimated);
    let parity = compare(&run(&script, Lane::Production), &replayed, &Tolerances::default());
    assert_eq!(parity.not_comparable["reply"].turns, 1);
    assert!(parity.not_comparable["reply"].reason.contains("b: stand-in"));
    assert!(parity.fields["reply"].compared > 0, "other turns are compared");
}

#[test]
fn latencies_within_5_percent_agree_and_beyond_do_not() {
    let slower = |by: u64| {
        let mut script = script();
        for line in &mut script.inputs {
            if let Input::TranscriptFinal { took_ms, .. } = &mut line.input {
                *took_ms = 1_000 + by as u32;
            }
        }
        run(&script, Lane::Production)
    };
    let tolerances = Tolerances::default();
    assert!(compare(&slower(0), &slower(50), &tolerances).holds());
    let parity = compare(&slower(0), &slower(60), &tolerances);
    assert_eq!(parity.differences[0].field, "latency.transcribe");
    assert_eq!(parity.differences[0].class, Class::Provider);
    let ignore = Tolerances { ignore: ["latency".into()].into(), ..tolerances };
    assert!(compare(&slower(0), &slower(60), &ignore).holds());
}

#[test]
fn differences_are_attributed_to_input_or_configuration() {
    let original = run(&script(), Lane::Production);
    let mut misheard = script();
    for line in &mut misheard.inputs {
        if let Input::TranscriptFinal { text, turn: TurnId(1), .. } = &mut line.input {
            "Antiphon, what dime is it?".clone_into(text);
        }
    }
    misheard.production.retain(|line| line.action.turn() != Some(TurnId(1)));
    let parity = compare(&original, &run(&misheard, Lane::Production), &Tolerances::default());
    assert!(parity.of_turn(TurnId(1)).count() > 3);
    assert!(parity.differences.iter().all(|difference| difference.class == Class::Input));

    let mut configured = script();
    for line in &mut configured.inputs {
        if let Input::SessionStarted { settings, .. } = &mut line.input {
            settings.max_sentences = 1;
        }
    }
    let parity = compare(&original, &run(&configured, Lane::Sandbox), &Tolerances::default());
    assert!(!parity.holds() && parity.differences.iter().all(|difference| difference.class == Class::Config));
}

#[test]
fn a_turn_that_only_one_run_has_is_reported() {
    let mut shorter = script();
    shorter.inputs.retain(|line| line.input.turn() != Some(TurnId(4)));
    let parity =
        compare(&run(&script(), Lane::Production), &run(&shorter, Lane::Production), &Tolerances::default());
    let gone = parity.of_turn(TurnId(4)).next().unwrap();
    assert_eq!((gone.field.as_str(), gone.b.as_ref()), ("turn", None));
}

#[tokio::test]
async fn bundle_replay_and_ledger_give_the_same_run() {
    let dir = tempfile::tempdir().unwrap();
    let script = script();
    let bundle = dir.path().join("bundle");
    session::write(&bundle, &script);
    let reader = Reader::open(&bundle).unwrap();
    assert!(reader.verify(|_, _| {}).unwrap().whole());

    let store = Arc::new(SqliteStore::open(&dir.path().join("ledger.db")).await.unwrap());
    let config = RecorderConfig::new(dir.path().join("spool.jsonl"));
    let (recorder, _task) = Recorder::start(store.clone(), config).await.unwrap();
    for (step, line) in (0..).zip(&script.inputs) {
        let record = |lane, body| recorder.record(Record::new(GuildId(1), SESSION, line.at, lane, body));
        record(None, Body::Input { input: line.input.clone() });
        for (lane, actions) in [(Lane::Production, &script.production), (Lane::Sandbox, &script.sandbox)] {
            for line in actions.iter().filter(|line| line.step == step) {
                let body = Body::Action { action: line.action.clone(), policy: line.policy, step_us: 3 };
                record(Some(lane), body);
            }
        }
    }
    recorder.flush().await.unwrap();

    for (lane, actions) in [(Lane::Production, &script.production), (Lane::Sandbox, &script.sandbox)] {
        let out = dir.path().join(format!("replay-{lane}"));
        let policy = actions[0].policy;
        let head = ReplayHead {
            source: bundle.display().to_string(),
            session: SESSION,
            started: START,
            lane,
            policy,
            version: "0.1.0".into(),
        };
        let mut writer = ReplayWriter::create(&out, head).unwrap();
        for line in &script.inputs {
            let step = writer.input(line.at, &line.input, None).unwrap();
            for line in actions.iter().filter(|line| line.step == step) {
                writer.actions(line.policy, line.at, step, std::slice::from_ref(&line.action)).unwrap();
            }
        }
        assert!(load::folder(&out, lane).is_err(), "a replay that is not sealed is no run");
        writer.seal().unwrap();

        let from_bundle = load::folder(&bundle, lane).unwrap();
        let replayed = load::folder(&out, lane).unwrap();
        let from_ledger = load::ledger(&*store, SESSION, lane).await.unwrap();
        assert_eq!(without_provenance(&from_bundle), without_provenance(&replayed));
        assert_eq!(from_bundle.turns, from_ledger.turns);
        assert_eq!(from_bundle.actions_digest, replayed.actions_digest);
        assert_eq!(from_bundle.actions_digest, from_ledger.actions_digest);
        assert_eq!(from_bundle.inputs_digest, from_ledger.inputs_digest);
        let replay = ReplayReader::open(&out).unwrap();
        let same = identity("replay", reader.actions(lane).unwrap(), replay.actions().unwrap()).unwrap();
        assert!(same.identical() && same.lines == actions.len() as u64, "{same:?}");
    }
    let lanes =
        identity("lanes", reader.actions(Lane::Production).unwrap(), reader.actions(Lane::Sandbox).unwrap())
            .unwrap();
    assert_eq!(lanes.first_difference.unwrap().line, lanes.lines + 1);
    assert!(
        load::ledger(&*store, antiphon_core::ids::SessionId(uuid::Uuid::nil()), Lane::Production)
            .await
            .is_err()
    );
}

mod random {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_run_agrees_with_itself_in_either_order(
            keep_a in prop::collection::vec(any::<bool>(), 60), keep_b in prop::collection::vec(any::<bool>(), 60),
        ) {
            let without = |keep: &[bool]| {
                let mut script = script();
                let mut keep = keep.iter().cycle();
                script.production.retain(|_| *keep.next().unwrap());
                run(&script, Lane::Production)
            };
            let (a, b) = (without(&keep_a), without(&keep_b));
            let tolerances = Tolerances::default();
            let same = compare(&a, &a, &tolerances);
            prop_assert!(same.holds() && same.same_actions && same.agreement == 1.0);
            let (ab, ba) = (compare(&a, &b, &tolerances), compare(&b, &a, &tolerances));
            prop_assert_eq!(ab.agreed, ba.agreed);
            prop_assert_eq!(ab.differences.len(), ba.differences.len());
            prop_assert!(ab.interval.low <= ab.agreement && ab.agreement <= ab.interval.high);
        }
    }
}
