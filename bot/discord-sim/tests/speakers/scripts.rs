//! Scripts.
use discord_sim::speaker::{Script, TranscriptBook, run_script};

use crate::support::Call;

#[tokio::test(flavor = "multi_thread")]
async fn a_script_with_two_speakers_and_an_interruption_runs_as_written() {
    let call = Call::begin().await;
    let script = r#"{ "speakers": [
      { "name": "Anna", "record": "anna", "steps": [
          "join", { "wait_for_keys": { "with": ["Ben"] } },
          { "start_saying": "One two three four five six seven eight nine ten eleven twelve thirteen." },
          { "wait_until_speaking": { "who": "Ben" } }, "stop",
          { "wait_until_silent": { "who": "Ben", "for_ms": 400 } } ] },
      { "name": "Ben", "voice": { "name": "en-us+f3" }, "record": "ben", "steps": [
          { "wait_ms": 100 }, "join", { "wait_for_keys": { "with": ["Anna"] } },
          { "barge_in": { "who": "Anna", "after_ms": 600, "text": "That is enough." } },
          "leave" ] } ] }"#;
    let script = Script::parse(script, call.folder.path()).unwrap();
    let book = TranscriptBook::default();
    let report = run_script(&call.sim, &script, call.folder.path(), &book).await;
    assert!(report.ok, "{report:#?}");
    let [anna, ben] = &report.speakers[..] else { panic!("{report:#?}") };
    assert_eq!((anna.steps.len(), ben.steps.len()), (6, 5));
    assert!(report.said[0].interrupted && !report.said[1].interrupted, "{:?}", report.said);
    assert!(call.folder.path().join("anna/Ben.wav").is_file(), "recordings carry the script's names");
    let heard = &ben.reports[0].heard[0];
    assert!(heard.audible_ms[0].1 - heard.audible_ms[0].0 >= 600, "{:?}", heard.audible_ms);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_ends_that_speakers_part_and_says_why() {
    let call = Call::begin().await;
    let script = r#"{ "speakers": [
      { "name": "Anna", "steps": [
          "join", { "wait_until_speaking": { "who": "bot", "timeout_ms": 100 } }, { "say": "never" } ] },
      { "name": "Ben", "steps": [ "join", { "wait_ms": 50 }, "leave", { "at_ms": 300 }, "join" ] } ] }"#;
    let script = Script::parse(script, call.folder.path()).unwrap();
    let report = run_script(&call.sim, &script, call.folder.path(), &TranscriptBook::default()).await;
    assert!(!report.ok && report.said.is_empty());
    let [anna, ben] = &report.speakers[..] else { panic!("{report:#?}") };
    let json = serde_json::to_value(&anna.steps[1]).unwrap();
    assert!(json["outcome"]["failed"]["why"].as_str().unwrap().contains("not heard within 100 ms"), "{json}");
    assert_eq!((anna.steps.len(), ben.steps.len(), ben.reports.len()), (2, 5, 2));
    assert!(ben.steps[3].ended_ms >= 300);
}
