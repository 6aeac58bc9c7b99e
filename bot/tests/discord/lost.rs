//! Connections that break: the voice connection with its close codes, the gateway, the voice server.
use antiphon_core::capture_note::CaptureNote;
use bundle::{Reader, TimelineLine};
use discord_sim::Event;
use discord_sim::speaker::{Speaker, SpeakerOptions, Voice, espeak};
use serde_json::json;

use crate::stage::{LONG, Stage, With, only_bundle};
use crate::traces::{RATE, Reference};

/// Discord's close codes after which a client gives up.
/// <https://docs.discord.com/developers/topics/opcodes-and-status-codes#voice-voice-close-event-codes>
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_voice_connection_is_reported_and_left() {
    let stage = Stage::set(With::default()).await;
    let alice = stage.seated("Alice");
    for code in [4006, 4014, 4021, 4022] {
        stage.join(alice).await;
        let from = stage.sim.events().cursor();
        stage.sim.close_voice(stage.bot(), code).unwrap();
        stage.posted(from, "I no longer listen").await;
        stage.bot_is(from, None).await;
        stage.nickname(from, false).await;
    }
    stage.join(alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_voice_connection_is_resumed_quietly() {
    let stage = Stage::set(With::default()).await;
    let alice = stage.speaker("Alice").await;
    stage.join(alice.user()).await;
    alice.wait_for_key_with(&[stage.bot()], LONG).await.unwrap();
    let bot = stage.bot();
    let from = stage.sim.events().cursor();
    for code in [4015, 1001] {
        let from = stage.sim.events().cursor();
        stage.sim.close_voice(bot, code).unwrap();
        let resumed = |event: &Event| matches!(event, Event::VoiceResumed { user, .. } if *user == bot);
        stage.event(from, "resuming", resumed).await;
    }
    stage.sim.cut_voice(bot).unwrap();
    let resumed = |event: &Event| matches!(event, Event::VoiceResumed { user, .. } if *user == bot);
    stage.event(from, "resuming", resumed).await;
    // Still the same session, and it still speaks.
    stage.command_with(alice.user(), "/say", json!({ "text": "I am still here." })).await;
    alice.wait_until_hearing(bot, LONG).await.unwrap();
    let posted = |event: &Event| matches!(event, Event::MessagePosted { author, .. } if *author == bot);
    assert!(!stage.sim.events().since(from).iter().any(|entry| posted(&entry.event)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_server_move_keeps_the_session_hearing() {
    let stage = Stage::set(With::env("ANTIPHON_SPOKEN_NOTICE", "false")).await;
    let alice = stage.speaker("Alice").await;
    let (bot, user) = (stage.bot(), alice.user());
    stage.join(user).await;
    stage.command(user, "/consent grant").await;
    alice.wait_for_key_with(&[bot], LONG).await.unwrap();
    let voices = [("en-us+f4", 155, 55), ("en-gb+m7", 150, 40)];
    let [before, after] = voices.map(|(name, speed, pitch)| Voice { name: name.into(), speed, pitch });
    let words = ["This was said before the move.", "And that is what came behind it."];
    let clips =
        [espeak::speak(words[0], &before).await.unwrap(), espeak::speak(words[1], &after).await.unwrap()];
    alice.speak_clip(&clips[0], words[0]).await.unwrap();
    let from = stage.sim.events().cursor();
    stage.sim.move_voice_server(stage.sim.voice_channel_id()).await.unwrap();
    let ready = |event: &Event| matches!(event, Event::VoiceReady { user, .. } if *user == bot);
    stage.event(from, "joining the new server", ready).await;
    // A scripted client's old session has ended; her client reconnects, as people's do.
    let credentials = stage.sim.voice_credentials(user).unwrap();
    let alice = Speaker::join(credentials, SpeakerOptions::new(stage.sim.ca_pem_path())).await.unwrap();
    alice.wait_for_key_with(&[bot], LONG).await.unwrap();
    alice.speak_clip(&clips[1], words[1]).await.unwrap();
    let status = stage.command(user, "/voice status").await;
    assert!(status.content().contains("I am listening"), "{status:?}\n{}", stage.logs());
    stage.command(user, "/voice leave").await;

    let bundle = Reader::open(&only_bundle(&stage.data())).unwrap();
    let notes: Vec<CaptureNote> = bundle
        .timeline()
        .unwrap()
        .filter_map(
            |line| if let TimelineLine::Note { note, .. } = line.unwrap() { Some(note) } else { None },
        )
        .collect();
    let reconnected = notes.iter().filter(|note| matches!(note, CaptureNote::Reconnected { .. }));
    assert_eq!(reconnected.count(), 1, "{notes:?}");
    let track = bundle.manifest().speaker(antiphon_core::ids::UserId(user.0)).unwrap().clone();
    let pcm: Vec<i16> = bundle.pcm(&track, 16_000).unwrap().flat_map(|slot| slot.unwrap()).collect();
    let heard: Vec<f32> = pcm
        .chunks_exact(16_000 / RATE)
        .map(|few| few.iter().map(|sample| f32::from(*sample)).sum::<f32>() / few.len() as f32)
        .collect();
    let likeness = clips.map(|clip| Reference::of(&clip).likeness(&heard));
    assert!(likeness.iter().all(|likeness| *likeness > 0.8), "{likeness:?} {notes:?}\n{}", stage.logs());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_gateway_shows_in_ready_until_it_is_back() {
    let stage = Stage::set(With::default()).await;
    let bot = stage.bot();
    let back = |event: &Event| matches!(event, Event::GatewayIdentified { user } | Event::GatewayResumed { user, .. } if *user == bot);
    let from = stage.sim.events().cursor();
    stage.sim.faults().fail_rest("/gw", 503, u32::MAX);
    stage.sim.cut_gateway(bot).unwrap();
    stage.until_ready(false).await;
    stage.sim.faults().clear();
    stage.event(from, "connecting again", back).await;
    stage.until_ready(true).await;
    // A session that cannot be resumed is replaced.
    let from = stage.sim.events().cursor();
    stage.sim.invalidate_gateway(bot, false).unwrap();
    stage.event(from, "identifying again", back).await;
    stage.until_ready(true).await;
    let alice = stage.seated("Alice");
    stage.join(alice).await;
}
