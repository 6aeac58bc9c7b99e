//! The real songbird in the simulated calls, several of it at once, each with its own token.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod common;

use common::{Bot, LONG, epoch_of, loudness, run, ssrc_of, start_sim, tone, until};
use std::sync::{Arc, Mutex};

use discord_sim::client::{ClientEvent, ClientOptions, Frame, VoiceClient};
use discord_sim::{ChannelId, Event, LinkFaults, Sim, UserId};

/// Two bots in the voice channel; under DAVE, with their epoch in use.
async fn pair(sim: &Sim, channel: ChannelId, dave: bool) -> (Bot, Bot) {
    let first = Bot::start(sim, sim.bot_id(), sim.bot_token()).await;
    let second = Bot::another(sim, "Second").await;
    first.join(sim, channel).await;
    second.join(sim, channel).await;
    if dave {
        epoch_of(sim, discord_sim::Cursor(0), &[first.user, second.user]).await;
    }
    (first, second)
}

/// One bot plays two seconds of tone; the other hears them as they were sent.
async fn assert_heard(sim: &Sim, speaker: &Bot, channel: ChannelId, listener: &Bot, least: usize) {
    let ssrc = ssrc_of(sim, speaker.user);
    listener.heard.lock().unwrap().packets.clear();
    let call = speaker.join(sim, channel).await;
    // Not by asking the track: songbird's `get_info` never returns when it meets the track's end.
    call.lock().await.play_input(tone(2.0));
    until("the tone is heard", || listener.count(ssrc) >= least).await;
    call.lock().await.stop();
    let packets = listener.heard.lock().unwrap().packets[&ssrc].clone();
    let loud = loudness(&packets);
    assert!((0.1..0.4).contains(&loud), "a tone of 0.21 is heard as {loud}, in {} packets", packets.len());
}

#[test]
fn two_bots_hear_each_other_end_to_end_encrypted() {
    run(async {
        let sim = start_sim().await;
        let channel = sim.voice_channel_id();
        let (first, second) = pair(&sim, channel, true).await;
        assert_heard(&sim, &first, channel, &second, 95).await;
        assert_heard(&sim, &second, channel, &first, 95).await;
        let stats = sim.stats();
        assert!(stats.users[&first.user].sent >= 95 && stats.users[&second.user].received >= 95, "{stats:?}");
        assert_eq!(first.heard.lock().unwrap().users.values().copied().collect::<Vec<_>>(), [second.user.0]);
        let unforeseen: Vec<_> = sim
            .events()
            .snapshot()
            .into_iter()
            .filter(|e| matches!(e.event, Event::RouteMissing { .. } | Event::Malformed { .. }))
            .collect();
        assert_eq!(unforeseen, []);
        first.stop().await;
        second.stop().await;
        sim.shutdown().await;
    });
}

#[test]
fn a_channel_without_dave_works_with_transport_encryption_alone() {
    run(async {
        let sim = start_sim().await;
        let channel = sim.add_voice_channel("Plain", false);
        let (first, second) = pair(&sim, channel, false).await;
        assert_heard(&sim, &first, channel, &second, 95).await;
    });
}

#[test]
fn members_come_and_go_and_each_time_an_epoch_begins() {
    run(async {
        let sim = start_sim().await;
        let channel = sim.voice_channel_id();
        let (first, second) = pair(&sim, channel, true).await;

        let cursor = sim.events().cursor();
        let third = Bot::another(&sim, "Third").await;
        third.join(&sim, channel).await;
        assert_eq!(epoch_of(&sim, cursor, &[first.user, second.user, third.user]).await, 2);
        assert_heard(&sim, &third, channel, &first, 95).await;

        let cursor = sim.events().cursor();
        second.leave(&sim).await;
        assert_eq!(epoch_of(&sim, cursor, &[first.user, third.user]).await, 3);
        until("the leaver is known", || first.heard.lock().unwrap().left == [second.user.0]).await;
        assert_heard(&sim, &first, channel, &third, 95).await;

        let cursor = sim.events().cursor();
        third.leave(&sim).await;
        sim.events().wait_from(cursor, |e| matches!(e, Event::DaveReset { .. }), LONG).await.unwrap();
        let cursor = sim.events().cursor();
        second.join(&sim, channel).await;
        assert_eq!(epoch_of(&sim, cursor, &[first.user, second.user]).await, 1, "a new group");
        assert_heard(&sim, &first, channel, &second, 95).await;
    });
}

#[test]
fn a_cut_is_resumed_or_identified_again() {
    run(async {
        let sim = start_sim().await;
        let channel = sim.voice_channel_id();
        let (first, second) = pair(&sim, channel, true).await;

        let cursor = sim.events().cursor();
        sim.cut_voice(second.user).unwrap();
        let resumed = |e: &Event| matches!(e, Event::VoiceResumed { user, .. } if *user == second.user);
        sim.events().wait_from(cursor, resumed, LONG).await.unwrap();
        assert_heard(&sim, &first, channel, &second, 95).await;

        let cursor = sim.events().cursor();
        sim.close_voice(second.user, 4015).unwrap();
        sim.events().wait_from(cursor, resumed, LONG).await.unwrap();

        let cursor = sim.events().cursor();
        sim.faults().refuse_resume(second.user, 1);
        sim.cut_voice(second.user).unwrap();
        let again = |e: &Event| matches!(e, Event::VoiceIdentified { user, .. } if *user == second.user);
        sim.events().wait_from(cursor, again, LONG).await.unwrap();
        epoch_of(&sim, cursor, &[first.user, second.user]).await;
        assert_heard(&sim, &first, channel, &second, 95).await;
    });
}

#[test]
fn a_kick_ends_the_driver_with_4014() {
    run(async {
        let sim = start_sim().await;
        let channel = sim.voice_channel_id();
        let (_first, second) = pair(&sim, channel, true).await;
        sim.close_voice(second.user, 4014).unwrap();
        until("the driver gives up", || !second.heard.lock().unwrap().disconnects.is_empty()).await;
        let reason = second.heard.lock().unwrap().disconnects[0].clone();
        assert!(reason.contains("Disconnected"), "{reason}");
    });
}

#[test]
fn all_members_follow_a_moving_voice_server() {
    run(async {
        let sim = start_sim().await;
        let channel = sim.voice_channel_id();
        let (first, second) = pair(&sim, channel, true).await;
        let cursor = sim.events().cursor();
        sim.move_voice_server(channel).await.unwrap();
        epoch_of(&sim, cursor, &[first.user, second.user]).await;
        assert_heard(&sim, &first, channel, &second, 95).await;
    });
}

#[test]
fn loss_padding_and_extensions_are_as_asked() {
    run(async {
        let sim = start_sim().await;
        let channel = sim.voice_channel_id();
        let (first, second) = pair(&sim, channel, true).await;
        let faults =
            LinkFaults { loss: 0.3, padding: true, extension: true, jitter_ms: 5, ..LinkFaults::NONE };
        sim.faults().set_receiver(second.user, faults);
        assert_heard(&sim, &first, channel, &second, 50).await;
        let stats = sim.stats().users[&second.user];
        assert!((15..50).contains(&stats.lost), "{stats:?}");
        assert_eq!(stats.lost + stats.received, sim.stats().users[&first.user].sent);
    });
}

#[test]
fn a_lost_commit_is_recovered_from_at_the_next_change() {
    run(async {
        let sim = start_sim().await;
        let channel = sim.voice_channel_id();
        let (first, second) = pair(&sim, channel, true).await;
        sim.faults().drop_binary(second.user, 29, 1);
        let third = Bot::another(&sim, "Third").await;
        let cursor = sim.events().cursor();
        third.join(&sim, channel).await;
        epoch_of(&sim, cursor, &[first.user, second.user, third.user]).await;
        third.leave(&sim).await;
        let invalid = |e: &Event| matches!(e, Event::DaveInvalid { user, .. } if *user == second.user);
        let recovery = sim.events().wait_from(cursor, invalid, LONG).await.unwrap();
        let after = discord_sim::Cursor(recovery.index);
        epoch_of(&sim, after, &[first.user, second.user]).await;
        assert_heard(&sim, &first, channel, &second, 95).await;
        assert_heard(&sim, &second, channel, &first, 95).await;
    });
}

#[test]
fn scripted_opus_reaches_songbird_byte_for_byte() {
    run(async {
        let sim = start_sim().await;
        let channel = sim.voice_channel_id();
        let bot = Bot::start(&sim, sim.bot_id(), sim.bot_token()).await;
        let call = bot.join(&sim, channel).await;
        let ada = sim.add_user("Ada");
        let heard: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let ear = heard.clone();
        let on_event = move |event| {
            if let ClientEvent::Heard(frame) = event {
                ear.lock().unwrap().push(frame.opus);
            }
        };
        let credentials = sim.join_voice(ada, channel).unwrap();
        let options = ClientOptions::new(sim.ca_pem_path());
        let client = VoiceClient::connect(credentials, options, Box::new(on_event)).await.unwrap();
        client.wait_for_key_with(&[bot.user], LONG).await.unwrap();
        epoch_of(&sim, discord_sim::Cursor(0), &[bot.user, ada]).await;

        // songbird drops packets of a stream until it knows whose it is, and that races with the first packets.
        let ssrc = ssrc_of(&sim, ada);
        let say = async |frames: &[Vec<u8>]| {
            let frames: Vec<Frame> = frames.iter().map(|o| Frame { opus: o.clone(), voiced: true }).collect();
            client.say(frames.into()).await.unwrap().done().await.unwrap()
        };
        say(&[vec![0xf8, 1, 2, 3]]).await;
        until("the stream is known", || bot.heard.lock().unwrap().users.get(&ssrc) == Some(&ada.0)).await;
        let before = bot.count(ssrc);

        // Not Opus at all but for its first byte: nothing on the way may look into it.
        let opus = |n: u8| (0..60 + n).map(|i| if i == 0 { 0xfc } else { i ^ n }).collect::<Vec<u8>>();
        let sent: Vec<Vec<u8>> = (0..100).map(opus).collect();
        say(&sent).await;
        let arrived = || {
            let heard = bot.heard.lock().unwrap();
            let from_her = heard.packets.get(&ssrc).map(Vec::as_slice).unwrap_or_default();
            from_her.iter().filter(|packet| packet.first() == Some(&0xfc)).cloned().collect::<Vec<_>>()
        };
        until("all is heard", || arrived().len() >= sent.len()).await;
        assert_eq!(arrived(), sent, "after {before} packets of before");

        call.lock().await.play_input(tone(2.0));
        until("the tone is heard", || heard.lock().unwrap().len() >= 95).await;
        let tone = heard.lock().unwrap().clone();
        assert!((0.1..0.4).contains(&loudness(&tone)));
        client.leave().await;
        sim.leave_voice(ada).unwrap();
    });
}

#[test]
fn a_connection_lost_for_good_leaves_the_call() {
    run(async {
        let window = std::time::Duration::from_millis(300);
        let sim = Sim::builder().voice_resume_window(window).start().await.unwrap();
        common::trust(&sim);
        let channel = sim.voice_channel_id();
        let bot = Bot::start(&sim, sim.bot_id(), sim.bot_token()).await;
        bot.join(&sim, channel).await;
        let ada = sim.add_user("Ada");
        let credentials = sim.join_voice(ada, channel).unwrap();
        let options = ClientOptions::new(sim.ca_pem_path());
        let client = VoiceClient::connect(credentials, options, Box::new(|_| ())).await.unwrap();
        sim.faults().refuse_resume(ada, 100);
        sim.faults().refuse_identify(ada, 4014, 100);
        sim.cut_voice(ada).unwrap();
        let left = Event::VoiceState { user: ada, channel: None };
        sim.events().wait_for(|e| *e == left, LONG).await.unwrap();
        assert_eq!(sim.in_voice(channel), [bot.user]);
        until("the bot is notified", || bot.heard.lock().unwrap().left == [ada.0]).await;
        client.leave().await;
    });
}

#[test]
fn a_bot_is_moved_kicked_and_kept_out() {
    run(async {
        let sim = start_sim().await;
        let channel = sim.voice_channel_id();
        let (first, second) = pair(&sim, channel, true).await;
        let other = sim.add_voice_channel("Other", true);

        let ready =
            |who: UserId| move |e: &Event| matches!(e, Event::VoiceReady { user, .. } if *user == who);
        for to in [other, channel] {
            let cursor = sim.events().cursor();
            sim.move_member(second.user, Some(to)).unwrap();
            sim.events().wait_from(cursor, ready(second.user), LONG).await.unwrap();
            assert!(sim.in_voice(to).contains(&second.user));
        }
        epoch_of(&sim, discord_sim::Cursor(0), &[first.user, second.user]).await;

        let cursor = sim.events().cursor();
        sim.move_member(second.user, None).unwrap();
        let ended = |e: &Event| *e == Event::VoiceEnded { user: second.user };
        sim.events().wait_from(cursor, ended, LONG).await.unwrap();

        sim.set_everyone(0);
        let guild = std::num::NonZeroU64::new(sim.guild_id().0).unwrap();
        second.songbird.remove(guild).await.ok();
        let cursor = sim.events().cursor();
        let refused = Event::VoiceRefused { user: second.user, channel };
        let asks = second.songbird.join(guild, std::num::NonZeroU64::new(channel.0).unwrap());
        let (joined, noted) = tokio::join!(asks, sim.events().wait_from(cursor, |e| *e == refused, LONG));
        assert!(noted.is_ok() && joined.is_err(), "no answer comes, and songbird gives up");
    });
}
