//! Ten faults of encrypted calls that were reported in public, on songbird and on the scripted client in one call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]
mod common;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Bot, LONG, epoch_of, run, ssrc_of, start_sim, until};
use discord_sim::client::{ClientEvent, ClientOptions, Frame, VoiceClient};
use discord_sim::{Cursor, DaveFault, Event, LinkFaults, Sim, UserId};

/// Frames that were heard: the sender, the Opus, and whether it was encrypted.
type HeardFrames = Arc<Mutex<Vec<(UserId, Vec<u8>, bool)>>>;

/// A scripted member, and the frames that it heard.
struct Member {
    user: UserId,
    client: VoiceClient,
    heard: HeardFrames,
}

impl Member {
    async fn join(sim: &Sim, name: &str) -> Self {
        let user = sim.add_user(name);
        Self::connect(sim, user).await.unwrap()
    }

    async fn connect(sim: &Sim, user: UserId) -> Result<Self, discord_sim::client::ClientError> {
        let heard = HeardFrames::default();
        let ear = heard.clone();
        let on_event = move |event| {
            if let ClientEvent::Heard(frame) = event {
                ear.lock().unwrap().push((frame.user, frame.opus, frame.encrypted));
            }
        };
        let credentials = sim.join_voice(user, sim.voice_channel_id()).unwrap();
        let client =
            VoiceClient::connect(credentials, ClientOptions::new(sim.ca_pem_path()), Box::new(on_event))
                .await?;
        Ok(Self { user, client, heard })
    }

    /// Sends numbered frames, 20 ms each.
    async fn say(&self, from: u16, count: u16) {
        let frames: Vec<Frame> =
            (from..from + count).map(|n| Frame { opus: numbered(n), voiced: true }).collect();
        self.client.say(frames.into()).await.unwrap().done().await.unwrap();
    }

    /// Which numbered frames of `user` came encrypted.
    fn numbers(&self, user: UserId) -> HashSet<u16> {
        let heard = self.heard.lock().unwrap();
        heard
            .iter()
            .filter(|(who, _, sealed)| *who == user && *sealed)
            .filter_map(|(_, f, _)| number(f))
            .collect()
    }
}

/// Sixty bytes that are Opus by their first one only, and name themselves.
fn numbered(n: u16) -> Vec<u8> {
    let mut frame = vec![0xfc; 60];
    frame[1..3].copy_from_slice(&n.to_be_bytes());
    frame[3..5].copy_from_slice(&(!n).to_be_bytes());
    frame
}

fn number(frame: &[u8]) -> Option<u16> {
    let n = u16::from_be_bytes([*frame.get(1)?, *frame.get(2)?]);
    (frame == numbered(n)).then_some(n)
}

fn songbird_numbers(bot: &Bot, sim: &Sim, user: UserId) -> HashSet<u16> {
    let heard = bot.heard.lock().unwrap();
    let packets = heard.packets.get(&ssrc_of(sim, user));
    packets.into_iter().flatten().filter_map(|frame| number(frame)).collect()
}

/// songbird and two scripted members in one encrypted call; all know whose stream is whose.
async fn call(sim: &Sim) -> (Bot, Member, Member) {
    let bot = Bot::start(sim, sim.bot_id(), sim.bot_token()).await;
    bot.join(sim, sim.voice_channel_id()).await;
    let anna = Member::join(sim, "Anna").await;
    let ben = Member::join(sim, "Ben").await;
    all_share_keys(sim, Cursor(0), &bot, &[&anna, &ben]).await;
    introduce(sim, &bot, &anna, &ben, 60_000).await;
    (bot, anna, ben)
}

async fn all_share_keys(sim: &Sim, from: Cursor, bot: &Bot, members: &[&Member]) {
    let mut users: Vec<UserId> = members.iter().map(|member| member.user).collect();
    users.push(bot.user);
    epoch_of(sim, from, &users).await;
    for member in members {
        member.client.wait_for_key_with(&users, LONG).await.unwrap();
    }
}

/// Speaks until both receivers have heard the speaker.
async fn introduce(sim: &Sim, bot: &Bot, speaker: &Member, listener: &Member, from: u16) {
    for round in 0..30 {
        speaker.say(from + round * 10, 10).await;
        let known = |numbers: HashSet<u16>| numbers.iter().any(|n| (from..from + 300).contains(n));
        if known(songbird_numbers(bot, sim, speaker.user)) && known(listener.numbers(speaker.user)) {
            return;
        }
    }
    panic!("the receivers never heard the speaker");
}

/// The share of the frames `from..from + count` that songbird and the scripted member heard.
async fn shares(
    sim: &Sim,
    bot: &Bot,
    speaker: &Member,
    listener: &Member,
    from: u16,
    count: u16,
) -> [f64; 2] {
    let last = from + count - 1;
    // The last frames may be lost: what comes after them says that they would have been there.
    speaker.say(last + 1, 25).await;
    until("the end is heard", || {
        let after = |numbers: HashSet<u16>| numbers.iter().any(|n| (last + 1..last + 26).contains(n));
        after(songbird_numbers(bot, sim, speaker.user)) && after(listener.numbers(speaker.user))
    })
    .await;
    let share = |numbers: HashSet<u16>| {
        numbers.iter().filter(|n| (from..from + count).contains(n)).count() as f64 / f64::from(count)
    };
    [share(songbird_numbers(bot, sim, speaker.user)), share(listener.numbers(speaker.user))]
}

fn print(fault: DaveFault, [songbird, scripted]: [f64; 2]) {
    println!("{}: songbird heard {songbird:.3}, the scripted client {scripted:.3}", fault.name());
}

#[test]
fn clear_frames_are_never_taken_for_encrypted_ones() {
    run(async {
        let sim = start_sim().await;
        let (bot, anna, ben) = call(&sim).await;
        sim.provoke(DaveFault::ClearFrames, anna.user).unwrap();
        anna.say(0, 300).await;
        sim.faults().clear();
        let heard = shares(&sim, &bot, &anna, &ben, 0, 300).await;
        print(DaveFault::ClearFrames, heard);
        for share in heard {
            assert!((0.88..0.99).contains(&share), "about 5 % of the frames were replaced: {heard:?}");
        }
        let passed_on = ben
            .heard
            .lock()
            .unwrap()
            .iter()
            .any(|(_, frame, sealed)| *sealed && number(frame).is_none() && frame.len() > 3);
        assert!(!passed_on, "no frame in the clear may count as encrypted");
    });
}

#[test]
fn packets_before_their_keys_cost_little() {
    run(async {
        let sim = start_sim().await;
        let (bot, anna, ben) = call(&sim).await;
        for user in [bot.user, ben.user] {
            sim.provoke(DaveFault::EarlyPackets, user).unwrap();
        }
        let cursor = sim.events().cursor();
        let (speaking, cleo) = tokio::join!(anna.say(0, 200), Member::join(&sim, "Cleo"));
        let () = speaking;
        all_share_keys(&sim, cursor, &bot, &[&anna, &ben, &cleo]).await;
        let heard = shares(&sim, &bot, &anna, &ben, 0, 200).await;
        print(DaveFault::EarlyPackets, heard);
        assert!(heard[1] > 0.97, "frames wait for their key: {heard:?}");
        assert!(heard[0] > 0.8, "songbird drops them until the key is there: {heard:?}");
    });
}

#[test]
fn a_client_refused_with_4017_and_4006_gets_in_later() {
    run(async {
        let sim = start_sim().await;
        let (bot, anna, ben) = call(&sim).await;
        let dora = sim.add_user("Dora");
        sim.provoke(DaveFault::RefusedTwice, dora).unwrap();
        let mut codes = Vec::new();
        let dora = loop {
            match Member::connect(&sim, dora).await {
                Ok(member) => break member,
                Err(discord_sim::client::ClientError::Closed { code, .. }) => codes.push(code),
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!(codes, [4017, 4006]);
        all_share_keys(&sim, Cursor(0), &bot, &[&anna, &ben, &dora]).await;
    });
}

#[test]
fn a_reconnect_loop_ends_and_the_call_goes_on() {
    run(async {
        let sim = start_sim().await;
        let (bot, anna, ben) = call(&sim).await;
        for user in [bot.user, ben.user] {
            sim.provoke(DaveFault::ReconnectLoop, user).unwrap();
            let cursor = sim.events().cursor();
            sim.close_voice(user, 4015).unwrap();
            let mut after = cursor;
            for _ in 0..6 {
                let resumed = |e: &Event| matches!(e, Event::VoiceResumed { user: who, .. } if *who == user);
                after = Cursor(sim.events().wait_from(after, resumed, LONG).await.unwrap().index + 1);
            }
        }
        anna.say(0, 100).await;
        let heard = shares(&sim, &bot, &anna, &ben, 0, 100).await;
        print(DaveFault::ReconnectLoop, heard);
        assert!(heard.iter().all(|share| *share > 0.9), "{heard:?}");
    });
}

#[test]
fn loss_through_key_transitions_is_measured_for_each_client() {
    run(async {
        let sim = start_sim().await;
        let (bot, anna, ben) = call(&sim).await;
        for user in [bot.user, ben.user] {
            sim.provoke(DaveFault::LateCommits, user).unwrap();
        }
        let speaking = anna.say(0, 400);
        let churn = async {
            for name in ["Cleo", "Dora"] {
                let cursor = sim.events().cursor();
                let member = Member::join(&sim, name).await;
                epoch_of(&sim, cursor, &[bot.user, anna.user, ben.user, member.user]).await;
                let cursor = sim.events().cursor();
                member.client.leave().await;
                sim.leave_voice(member.user).unwrap();
                epoch_of(&sim, cursor, &[bot.user, anna.user, ben.user]).await;
            }
        };
        tokio::join!(speaking, churn);
        let heard = shares(&sim, &bot, &anna, &ben, 0, 400).await;
        print(DaveFault::LateCommits, heard);
        assert!(heard[1] > 0.97, "the scripted client keeps frames until their key comes: {heard:?}");
        assert!(heard[0] > 0.3 && heard[0] < 0.97, "songbird loses what comes before its key: {heard:?}");
    });
}

#[test]
fn sound_is_decrypted_after_a_group_restarts_with_new_keys() {
    run(async {
        let sim = start_sim().await;
        let (bot, anna, ben) = call(&sim).await;
        let cursor = sim.events().cursor();
        sim.provoke(DaveFault::RestartedGroup, anna.user).unwrap();
        sim.events().wait_from(cursor, |e| matches!(e, Event::DaveReset { .. }), LONG).await.unwrap();
        // Old keys are kept for ten seconds: only what is heard after that is heard with the new ones.
        anna.say(0, 600).await;
        all_share_keys(&sim, cursor, &bot, &[&anna, &ben]).await;
        let heard = shares(&sim, &bot, &anna, &ben, 550, 50).await;
        print(DaveFault::RestartedGroup, heard);
        assert!(heard.iter().all(|share| *share > 0.9), "{heard:?}");
    });
}

#[test]
fn streams_whose_owner_comes_late_are_heard_from_then_on() {
    run(async {
        let sim = start_sim().await;
        let (bot, anna, ben) = call(&sim).await;
        for user in [bot.user, ben.user] {
            sim.provoke(DaveFault::UnmappedStreams, user).unwrap();
        }
        let cursor = sim.events().cursor();
        let cleo = Member::join(&sim, "Cleo").await;
        all_share_keys(&sim, cursor, &bot, &[&anna, &ben, &cleo]).await;
        cleo.say(0, 100).await;
        let heard = shares(&sim, &bot, &cleo, &ben, 0, 100).await;
        print(DaveFault::UnmappedStreams, heard);
        assert!(heard[1] > 0.97, "frames wait for their owner: {heard:?}");
        assert!(heard[0] > 0.4 && heard[0] < 0.95, "songbird drops the first half second: {heard:?}");
    });
}

#[test]
fn members_who_join_together_are_added_by_one_commit() {
    run(async {
        let sim = start_sim().await;
        let (bot, anna, ben) = call(&sim).await;
        sim.provoke(DaveFault::JoinedTogether, anna.user).unwrap();
        let cursor = sim.events().cursor();
        let (cleo, dora) = tokio::join!(Member::join(&sim, "Cleo"), Member::join(&sim, "Dora"));
        all_share_keys(&sim, cursor, &bot, &[&anna, &ben, &cleo, &dora]).await;
        let proposed: Vec<Vec<UserId>> = sim
            .events()
            .since(cursor)
            .into_iter()
            .filter_map(|entry| match entry.event {
                Event::DaveProposed { adds, .. } => Some(adds),
                _ => None,
            })
            .collect();
        let mut both = vec![cleo.user, dora.user];
        both.sort();
        assert_eq!(proposed, [both]);
        introduce(&sim, &bot, &dora, &ben, 0).await;
    });
}

#[test]
fn a_camera_costs_no_sound_and_takes_no_owner_away() {
    run(async {
        let sim = start_sim().await;
        let (bot, anna, ben) = call(&sim).await;
        sim.provoke(DaveFault::Camera, anna.user).unwrap();
        anna.say(0, 100).await;
        let heard = shares(&sim, &bot, &anna, &ben, 0, 100).await;
        print(DaveFault::Camera, heard);
        assert!(heard.iter().all(|share| *share > 0.95), "{heard:?}");
        let owner = bot.heard.lock().unwrap().users.get(&ssrc_of(&sim, anna.user)).copied();
        assert_eq!(owner, Some(anna.user.0));
        assert!(ben.client.stats().ignored_datagrams >= 100, "video came: {:?}", ben.client.stats());
    });
}

#[test]
fn epochs_of_transition_zero_are_in_force_at_once() {
    run(async {
        let sim = start_sim().await;
        let (bot, anna, ben) = call(&sim).await;
        sim.provoke(DaveFault::TransitionZero, anna.user).unwrap();
        let cursor = sim.events().cursor();
        let cleo = Member::join(&sim, "Cleo").await;
        all_share_keys(&sim, cursor, &bot, &[&anna, &ben, &cleo]).await;
        let is_zero =
            |e: &Event| matches!(e, Event::DaveEpoch { transition: 0, missing, .. } if missing.is_empty());
        assert!(sim.events().since(cursor).iter().any(|entry| is_zero(&entry.event)));
        introduce(&sim, &bot, &cleo, &ben, 1000).await;
        anna.say(0, 100).await;
        let heard = shares(&sim, &bot, &anna, &ben, 0, 100).await;
        print(DaveFault::TransitionZero, heard);
        assert!(heard.iter().all(|share| *share > 0.95), "{heard:?}");
    });
}

#[test]
fn the_seed_alone_decides_which_frames_are_replaced() {
    run(async {
        let mut replaced = Vec::new();
        for _ in 0..2 {
            let sim = Sim::builder().seed(7).start().await.unwrap();
            common::trust(&sim);
            let (anna, ben) = (Member::join(&sim, "Anna").await, Member::join(&sim, "Ben").await);
            for member in [&anna, &ben] {
                member.client.wait_for_key_with(&[anna.user, ben.user], LONG).await.unwrap();
            }
            sim.faults().set_sender(anna.user, LinkFaults { clear_frames: 0.2, ..LinkFaults::NONE });
            anna.say(0, 100).await;
            until("all is heard", || {
                let stats = sim.stats().users[&ben.user];
                stats.received >= 100
            })
            .await;
            // Frames in the clear are given up after two seconds.
            until("what does not open is given up", || {
                let stats = ben.client.stats();
                stats.received + stats.dropped_undecryptable >= 100
            })
            .await;
            let mut missing: Vec<u16> = (0..100).filter(|n| !ben.numbers(anna.user).contains(n)).collect();
            missing.sort_unstable();
            replaced.push(missing);
            tokio::time::timeout(Duration::from_secs(5), sim.shutdown()).await.ok();
        }
        assert_eq!(replaced[0], replaced[1]);
        assert!((8..35).contains(&replaced[0].len()), "{replaced:?}");
    });
}

#[test]
fn a_damaged_commit_is_answered_by_op_31() {
    run(async {
        let sim = start_sim().await;
        let (bot, anna, ben) = call(&sim).await;
        for user in [bot.user, ben.user] {
            sim.faults().spoil_binary(user, 29, 1);
        }
        let cursor = sim.events().cursor();
        let cleo = Member::join(&sim, "Cleo").await;
        for user in [bot.user, ben.user] {
            let invalid = |e: &Event| matches!(e, Event::DaveInvalid { user: who, .. } if *who == user);
            sim.events().wait_from(cursor, invalid, LONG).await.unwrap();
        }
        all_share_keys(&sim, cursor, &bot, &[&anna, &ben, &cleo]).await;
        anna.say(0, 100).await;
        let heard = shares(&sim, &bot, &anna, &ben, 0, 100).await;
        assert!(heard.iter().all(|share| *share > 0.9), "{heard:?}");
    });
}
