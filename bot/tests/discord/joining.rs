//! Coming into a channel, and what can happen meanwhile.
use discord_sim::Event;
use serde_json::json;

use crate::stage::{LONG, Stage, With};

#[tokio::test(flavor = "multi_thread")]
async fn two_calls_at_once_bring_one_bot() {
    let stage = Stage::set(With::default()).await;
    let (alice, bob) = (stage.seated("Alice"), stage.seated("Bob"));
    let (first, second) =
        tokio::join!(stage.command(alice, "/voice join"), stage.command(bob, "/voice join"));
    let (said, refused): (Vec<_>, Vec<_>) =
        [first, second].into_iter().partition(|answer| answer.content().contains("I am listening"));
    assert_eq!((said.len(), refused.len()), (1, 1), "{said:?} {refused:?}");
    assert!(refused[0].ephemeral());
    assert!(
        ["I am just joining.", "I am already here."].contains(&refused[0].content()),
        "{}",
        refused[0].content()
    );
    let bot = stage.bot();
    let came = |entry: &&discord_sim::trace::Entry| matches!(entry.event, Event::VoiceIdentified { user, .. } if user == bot);
    assert_eq!(stage.sim.events().snapshot().iter().filter(came).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_call_is_answered_with_its_place() {
    let stage = Stage::set(With::default()).await;
    let alice = stage.seated("Alice");
    stage.join(alice).await;
    let again = stage.command(alice, "/voice join").await;
    assert_eq!((again.content(), again.ephemeral()), ("I am already here.", true));

    let other = stage.sim.add_voice_channel("Elsewhere", true);
    let bob = stage.sim.add_user("Bob");
    stage.sim.join_voice(bob, other).unwrap();
    let elsewhere = stage.command(bob, "/voice join").await;
    assert!(elsewhere.ephemeral());
    assert!(elsewhere.content().contains(&format!("<#{}>", stage.sim.voice_channel_id())), "{elsewhere:?}");
    let nowhere = stage.sim.add_user("Carol");
    let nowhere = stage.command(nowhere, "/voice join").await;
    assert!(nowhere.content().contains("Join a voice channel first"), "{nowhere:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_to_connect_is_named() {
    let stage = Stage::set(With::default()).await;
    let alice = stage.seated("Alice");
    // View channel, send messages, use commands; no Connect (bit 20), no Speak (bit 21).
    let from = stage.sim.events().cursor();
    stage.sim.set_everyone((1 << 10) | (1 << 11) | (1 << 31) | (1 << 26));
    let refused = stage.command(alice, "/voice join").await;
    assert!(refused.ephemeral());
    assert!(refused.content().contains("Connect"), "{}", refused.content());
    let asked = |event: &Event| matches!(event, Event::VoiceRefused { .. } | Event::VoiceIdentified { .. });
    assert!(!stage.sim.events().since(from).iter().any(|entry| asked(&entry.event)), "it did not even try");

    stage.sim.set_everyone((1 << 10) | (1 << 11) | (1 << 20) | (1 << 21) | (1 << 26) | (1 << 31));
    let from = stage.sim.events().cursor();
    // The gateway reports to the bot its permissions on its own time.
    loop {
        let answer = stage.command(alice, "/voice join").await;
        if answer.content().contains("I am listening") {
            break;
        }
        assert!(answer.content().contains("Connect"), "{answer:?}");
    }
    stage.bot_is(from, Some(stage.sim.voice_channel_id())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_move_during_the_join_are_known() {
    let stage = Stage::set(With::default()).await;
    let (alice, bob, carol) = (stage.seated("Alice"), stage.seated("Bob"), stage.sim.add_user("Carol"));
    let from = stage.sim.events().cursor();
    let joining = stage.sim.invoke(alice, "/voice join", &json!({})).unwrap();
    stage.bot_is(from, Some(stage.sim.voice_channel_id())).await;
    stage.sim.leave_voice(bob).unwrap();
    stage.sim.join_voice(carol, stage.sim.voice_channel_id()).unwrap();
    let answer = joining.answer(LONG).await.unwrap();
    assert!(answer.content().contains("I am listening"), "{answer:?}");
    // Voice states reach the bot on their own time.
    let known = async {
        loop {
            let status = stage.command(alice, "/voice status").await.content().to_owned();
            if status.contains("Carol") && !status.contains("Bob") {
                return status;
            }
        }
    };
    let status = tokio::time::timeout(LONG, known).await.expect("Carol is never known, or Bob never gone");
    assert!(status.contains("Alice"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quick_leave_and_join_keeps_the_new_session() {
    let stage = Stage::set(With::env("ANTIPHON_EMPTY_CHANNEL_SECONDS", "1")).await;
    let alice = stage.seated("Alice");
    for _ in 0..3 {
        stage.join(alice).await;
        let left = stage.command(alice, "/voice leave").await;
        assert_eq!(left.content(), "I have left and no longer listen.");
    }
    // The wait for an empty channel of one stay must not end the next one.
    stage.join(alice).await;
    stage.sim.leave_voice(alice).unwrap();
    let left = stage.command(alice, "/voice leave").await;
    assert!(
        left.content().contains("I have left") || left.content().contains("no voice channel"),
        "{left:?}"
    );
    stage.sim.join_voice(alice, stage.sim.voice_channel_id()).unwrap();
    stage.join(alice).await;
    let from = stage.sim.events().cursor();
    let bot = stage.bot();
    let gone = |event: &Event| *event == Event::VoiceState { user: bot, channel: None };
    let patience = std::time::Duration::from_millis(1_600);
    assert!(stage.sim.events().wait_from(from, gone, patience).await.is_err(), "{}", stage.logs());
    let status = stage.command(alice, "/voice status").await;
    assert!(status.content().contains("I am listening"), "{status:?}");
}
