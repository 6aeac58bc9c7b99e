//! Scripts.
use discord_sim::speaker::{Script, Speaker, SpeakerOptions, TranscriptBook, espeak, run_script, wav};

use crate::support::{Call, HUSH, PATIENCE};

#[tokio::test(flavor = "multi_thread")]
async fn a_script_with_an_interruption_runs_as_written() {
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
async fn a_failing_step_ends_that_speakers_part() {
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

#[tokio::test(flavor = "multi_thread")]
async fn files_are_found_next_to_the_script() {
    let call = Call::begin().await;
    let dir = tempfile::tempdir().unwrap();
    let sound = espeak::synthesize("From a file.", &espeak::Voice::default()).await.unwrap();
    wav::write(&dir.path().join("line.wav"), &sound).unwrap();
    let path = dir.path().join("script.json");
    let text = r#"{ "speakers": [
      { "name": "Anna", "steps": [ "join", { "wait_for_keys": { "with": ["Ben"] } }, { "play": "line.wav" } ] },
      { "name": "Ben", "record": "ben", "steps": [ "join", { "wait_until_speaking": { "who": "Anna" } },
          { "wait_until_silent": { "who": "Anna", "for_ms": 500 } } ] } ] }"#;
    std::fs::write(&path, text).unwrap();
    let script = Script::load(&path).unwrap();
    let report = run_script(&call.sim, &script, call.folder.path(), &TranscriptBook::default()).await;
    assert!(report.ok, "{report:#?}");
    assert!(call.folder.path().join("ben/Anna.wav").is_file());
    assert_eq!(report.said[0].text, "line.wav");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_speaking_bot_is_waited_for_by_name() {
    let call = Call::begin().await;
    let script = r#"{ "speakers": [ { "name": "Anna", "steps": [
        "join", { "wait_until_speaking": { "who": "bot" } },
        { "wait_until_silent": { "who": "bot", "for_ms": 300 } } ] } ] }"#;
    let script = Script::parse(script, call.folder.path()).unwrap();
    let credentials = call.sim.join_voice(call.sim.bot_id(), call.sim.voice_channel_id()).unwrap();
    let bot = Speaker::join(credentials, SpeakerOptions::new(call.sim.ca_pem_path())).await.unwrap();
    let line = espeak::speak("I am the bot.", &espeak::Voice::default()).await.unwrap();
    let answering = async {
        let mut status = bot.client().watch();
        let met = status.wait_for(|status| status.epoch.is_some());
        tokio::time::timeout(PATIENCE, met).await.unwrap().unwrap();
        bot.speak_clip(&line, "I am the bot.").await.unwrap();
        tokio::time::sleep(HUSH).await;
    };
    let book = TranscriptBook::default();
    let (report, ()) = tokio::join!(run_script(&call.sim, &script, call.folder.path(), &book), answering);
    assert!(report.ok, "{report:#?}");
}
