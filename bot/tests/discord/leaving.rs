//! Leaving, by whatever way: people in the channel read why, and the bot can be called again.
use std::time::Duration;

use discord_sim::Event;
use serde_json::json;

use crate::stage::{LONG, Stage, With};

#[tokio::test(flavor = "multi_thread")]
async fn a_kick_is_reported_and_the_bot_can_return() {
    let stage = Stage::set(With::default()).await;
    let alice = stage.seated("Alice");
    stage.join(alice).await;
    let from = stage.sim.events().cursor();
    stage.sim.move_member(stage.bot(), None).unwrap();
    stage.posted(from, "I was disconnected from the voice channel").await;
    stage.nickname(from, false).await;
    let status = stage.command(alice, "/voice status").await;
    assert!(status.content().contains("in no voice channel"), "{status:?}");
    stage.join(alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moved_to_another_channel_it_stops_listening() {
    let stage = Stage::set(With::default()).await;
    let alice = stage.seated("Alice");
    stage.join(alice).await;
    let other = stage.sim.add_voice_channel("Elsewhere", true);
    let from = stage.sim.events().cursor();
    stage.sim.move_member(stage.bot(), Some(other)).unwrap();
    stage.posted(from, "I was moved to another channel").await;
    stage.bot_is(from, None).await;
    stage.nickname(from, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_deleted_ends_the_session() {
    let stage = Stage::set(With::default()).await;
    let alice = stage.seated("Alice");
    stage.join(alice).await;
    let from = stage.sim.events().cursor();
    stage.sim.delete_channel(stage.sim.voice_channel_id()).unwrap();
    stage.posted(from, "I was disconnected from the voice channel").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_channel_is_left_unless_a_person_returns() {
    let stage = Stage::set(With::env("ANTIPHON_EMPTY_CHANNEL_SECONDS", "1")).await;
    let alice = stage.seated("Alice");
    stage.join(alice).await;
    let from = stage.sim.events().cursor();
    stage.sim.leave_voice(alice).unwrap();
    stage.sim.join_voice(alice, stage.sim.voice_channel_id()).unwrap();
    let bot = stage.bot();
    let gone = |event: &Event| *event == Event::VoiceState { user: bot, channel: None };
    let waited = stage.sim.events().wait_from(from, gone, Duration::from_millis(1_600)).await;
    assert!(waited.is_err(), "she came back: {}", stage.logs());

    let from = stage.sim.events().cursor();
    stage.sim.leave_voice(alice).unwrap();
    let left = stage.event(from, "leaving", gone).await;
    let emptied = stage.sim.events().since(from)[0].at_ms;
    assert!(left.at_ms - emptied >= 950, "it waits its second, not {} ms", left.at_ms - emptied);
    stage.posted(from, "Everybody left").await;
    stage.nickname(from, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_finishes_the_sentence_and_ends_cleanly() {
    let mut stage = Stage::set(With::default()).await;
    let alice = stage.speaker("Alice").await;
    stage.join(alice.user()).await;
    alice.wait_for_key_with(&[stage.bot()], LONG).await.unwrap();
    let long =
        "This is a sentence that takes a while to say, and then it goes on, and on, and on, for some time.";
    stage.command_with(alice.user(), "/say", json!({ "text": long })).await;
    alice.wait_until_hearing(stage.bot(), LONG).await.unwrap();

    let from = stage.sim.events().cursor();
    stage.terminate();
    stage.until_ready(false).await;
    let refused = stage.command_with(alice.user(), "/say", json!({ "text": "One more." })).await;
    assert!(refused.ephemeral() && refused.content().contains("about to go offline"), "{refused:?}");
    let refused = stage.command_with(alice.user(), "/ask", json!({ "question": "Really?" })).await;
    assert!(refused.ephemeral() && refused.content().contains("about to go offline"), "{refused:?}");
    stage.posted(from, "I am going offline").await;
    stage.nickname(from, false).await;
    let status = stage.exited().await;
    assert!(status.success(), "{status}: {}", stage.logs());
    let bundle = crate::stage::only_bundle(&stage.data());
    let reader = bundle::Reader::open(&bundle).unwrap();
    assert!(reader.verify(|_, _| {}).unwrap().whole());
    let said = std::fs::read_to_string(bundle.join("transcripts.jsonl")).unwrap();
    assert!(said.contains("for some time"), "the sentence was said to its end: {said}");
    assert!(!said.contains("One more"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mark_goes_and_the_nickname_returns() {
    let stage = Stage::set(With::default()).await;
    let (alice, bot) = (stage.seated("Alice"), stage.bot());
    stage.sim.set_nick(bot, Some("Scribe"));
    let from = stage.sim.events().cursor();
    loop {
        // The nickname reaches the bot on its own time.
        stage.join(alice).await;
        stage.command(alice, "/voice leave").await;
        let nicks = stage.sim.events().since(from).into_iter().filter_map(|entry| match entry.event {
            Event::Nickname { nick, .. } => Some(nick),
            _ => None,
        });
        let nicks: Vec<_> = nicks.collect();
        let last = nicks.len() - 2;
        if nicks[last].as_deref() == Some("🔴 Scribe") {
            assert_eq!(nicks[last + 1].as_deref(), Some("Scribe"));
            break;
        }
    }
}
