//! Who may be heard: notices, buttons, commands, the guild's policy, and what is written when a person changes their mind.
use antiphon_core::audio::SlotMark;
use antiphon_core::capture_note::CaptureNote;
use antiphon_core::event::Consent;
use bundle::{Reader, TimelineLine};
use discord_sim::client::BeforeKeys;
use discord_sim::speaker::{Speaker, SpeakerOptions, Voice, espeak};
use discord_sim::{Answer, Event, LinkFaults};
use serde_json::json;

use crate::stage::{LONG, Stage, With, only_bundle};

const GRANT: &str = "consent:grant";
const DECLINE: &str = "consent:decline";

async fn hearing_status(stage: &Stage, user: discord_sim::UserId) -> String {
    stage.command(user, "/voice status").await.content().to_owned()
}

fn notice(answer: &Answer) -> discord_sim::MessageId {
    answer.message.as_ref().unwrap().id
}

#[tokio::test(flavor = "multi_thread")]
async fn the_notice_is_written_spoken_and_in_the_nickname() {
    let stage = Stage::set(With::default()).await;
    let alice = stage.speaker("Alice").await;
    let from = stage.sim.events().cursor();
    let answer = stage.command(alice.user(), "/voice join").await;
    assert!(answer.content().contains("I only hear people who agree"), "{answer:?}");
    assert!(!answer.ephemeral(), "everybody is to read it");
    stage.nickname(from, true).await;
    alice.wait_until_hearing(stage.bot(), LONG).await.unwrap();

    let status = hearing_status(&stage, alice.user()).await;
    assert!(status.contains("I do not hear (no consent): Alice"), "{status}");
    let pressed = stage.press(alice.user(), notice(&answer), GRANT).await;
    assert!(pressed.ephemeral() && pressed.content().contains("I hear you from now on"), "{pressed:?}");
    let status = hearing_status(&stage, alice.user()).await;
    assert!(status.contains("I hear: Alice"), "{status}");
    let consent = stage.command(alice.user(), "/consent status").await;
    assert!(consent.ephemeral() && consent.content().contains("You have agreed"), "{consent:?}");
    let pressed = stage.press(alice.user(), notice(&answer), DECLINE).await;
    assert!(pressed.ephemeral() && pressed.content().contains("I do not hear you"), "{pressed:?}");
    assert!(hearing_status(&stage, alice.user()).await.contains("(no consent): Alice"));
}

#[tokio::test(flavor = "multi_thread")]
async fn late_joiners_are_notified_once_and_a_crowd_together() {
    let stage = Stage::set(With::env("ANTIPHON_SPOKEN_NOTICE", "false")).await;
    let alice = stage.seated("Alice");
    stage.join(alice).await;
    let from = stage.sim.events().cursor();
    let bob = stage.seated("Bob");
    let (message, words) = stage.posted(from, "I am listening in this voice channel").await;
    assert!(words.starts_with(&format!("<@{bob}>")), "{words}");
    let pressed = stage.press(bob, message, GRANT).await;
    assert!(pressed.ephemeral() && pressed.content().contains("I hear you"), "{pressed:?}");

    let crowd: Vec<_> = (0..5).map(|n| stage.seated(&format!("Guest {n}"))).collect();
    stage.sim.leave_voice(bob).unwrap();
    stage.sim.join_voice(bob, stage.sim.voice_channel_id()).unwrap();
    // All of them are known by now, and not one message more was written.
    let known = async { while !hearing_status(&stage, alice).await.contains("Guest 4") {} };
    tokio::time::timeout(LONG, known).await.unwrap();
    let posts = stage.sim.events().since(from).into_iter().filter(|entry| match &entry.event {
        Event::MessagePosted { content, .. } => content.contains("I am listening in this voice channel"),
        _ => false,
    });
    assert_eq!(posts.count(), 1, "{crowd:?} are notified together, later");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_managers_choose_the_guilds_policy() {
    let stage = Stage::set(With::default()).await;
    let (alice, bob) = (stage.seated("Alice"), stage.seated("Bob"));
    stage.join(alice).await;
    stage.command(bob, "/consent revoke").await;
    // Clients show names and send the values that were declared: poise numbers them.
    let opt_out = json!({ "choice": 1 });
    let refused = stage.command_with(alice, "/consent policy", opt_out.clone()).await;
    assert!(refused.ephemeral() && refused.content().contains("Manage Server"), "{refused:?}");
    assert!(hearing_status(&stage, alice).await.contains("I hear: nobody"));

    let answer = stage.command_with(stage.sim.owner_id(), "/consent policy", opt_out).await;
    assert!(!answer.ephemeral() && answer.content().contains("I hear everybody here"), "{answer:?}");
    let status = hearing_status(&stage, alice).await;
    assert!(status.contains("I hear: Alice.") && status.contains("(no consent): Bob"), "{status}");
    stage.command(alice, "/voice leave").await;
    let answer = stage.join(alice).await;
    assert!(answer.content().contains("I hear everybody here"), "{answer:?}");
    let (owner, alice) = (stage.sim.owner_id().to_string(), alice.to_string());
    stage.audited("consent_policy_changed", &owner).await;
    stage.audited("command_refused", &alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_in_a_word_the_writing_stops_there() {
    let stage = Stage::set(With::env("ANTIPHON_SPOKEN_NOTICE", "false")).await;
    let alice = stage.speaker("Alice").await;
    stage.join(alice.user()).await;
    stage.command(alice.user(), "/consent grant").await;
    alice.wait_for_key_with(&[stage.bot()], LONG).await.unwrap();
    let words =
        "One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen.";
    let clip = espeak::speak(words, &Voice::named("en-us")).await.unwrap();
    let speaking = alice.speak_clip(&clip, words);
    let taking_back = async {
        // Once she is heard, and in the middle of it.
        let heard = async { while hearing(&stage).await == 0 {} };
        tokio::time::timeout(LONG, heard).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        stage.command(alice.user(), "/consent revoke").await;
    };
    let (said, ()) = tokio::join!(speaking, taking_back);
    said.unwrap();
    stage.command(alice.user(), "/voice leave").await;

    let bundle = Reader::open(&only_bundle(&stage.data())).unwrap();
    assert!(bundle.verify(|_, _| {}).unwrap().whole());
    let user = antiphon_core::ids::UserId(alice.user().0);
    let (started, mut taken_back, mut kept) = (bundle.manifest().started, None, Vec::new());
    for line in bundle.timeline().unwrap() {
        match line.unwrap() {
            TimelineLine::Consent { at, user: who, consent: Consent::Withheld } if who == user => {
                taken_back = Some(at.0.saturating_sub(started.0) / 20_000);
            }
            TimelineLine::Slots(run) if run.user == user && run.mark != SlotMark::Withheld => {
                kept.push(run.first_slot..run.first_slot + run.slots);
            }
            TimelineLine::Surplus(surplus) if surplus.user == user => {
                kept.push(surplus.slot..surplus.slot + 1);
            }
            _ => {}
        }
    }
    let taken_back = taken_back.expect("the record says when");
    let last = kept.iter().map(|run| run.end).max().expect("something of her was kept");
    assert!(last <= taken_back, "slots up to {last} are kept, consent ended in {taken_back}");
    assert!(taken_back - last <= 8, "and up to that very moment: {last}, {taken_back}");
    let track = bundle.manifest().speaker(user).unwrap();
    assert!(track.marks.withheld > 100, "she went on for seconds: {:?}", track.marks);
    // Her words were on their way to the recogniser: they are not written either.
    let inputs = std::fs::read_to_string(bundle.dir().join("inputs.jsonl")).unwrap();
    assert!(!inputs.contains("transcript_final"), "{inputs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_before_the_key_is_clear_and_withheld() {
    let stage = Stage::set(With::env("ANTIPHON_SPOKEN_NOTICE", "false")).await;
    let alice = stage.seated("Alice");
    stage.join(alice).await;
    stage.command(alice, "/consent grant").await;
    let late = LinkFaults { late_keys_ms: 1500, ..LinkFaults::NONE };
    stage.sim.faults().set_channel(stage.sim.voice_channel_id(), late);
    let mut options = SpeakerOptions::new(stage.sim.ca_pem_path());
    options.client.before_keys = BeforeKeys::Plaintext;
    let credentials = stage.sim.voice_credentials(alice).unwrap();
    let speaker = Speaker::join(credentials, options).await.unwrap();
    let mut status = speaker.client().watch();
    let met = status.wait_for(|status| status.others.contains(&stage.bot()));
    tokio::time::timeout(LONG, met).await.unwrap().unwrap();
    assert_eq!(speaker.status().epoch, None, "the keys are late");
    let words = "This was said at once, before anybody had a key, and it went on, and on, and on, until there was one.";
    let said = speaker.speak_clip(&espeak::speak(words, &Voice::named("en-us")).await.unwrap(), words).await;
    let said = said.unwrap();
    assert!(speaker.client().stats().sent_before_key > 25, "{said:?} {:?}", speaker.client().stats());
    stage.command(alice, "/voice leave").await;

    let bundle = Reader::open(&only_bundle(&stage.data())).unwrap();
    assert!(bundle.verify(|_, _| {}).unwrap().whole());
    let user = antiphon_core::ids::UserId(alice.0);
    let (mut noted, mut marks) = (false, Vec::new());
    for line in bundle.timeline().unwrap() {
        match line.unwrap() {
            TimelineLine::Note { note: CaptureNote::PlaintextWithheld { user: of }, .. } => {
                noted |= of == user;
            }
            TimelineLine::Slots(run) if run.user == user => {
                marks.extend(std::iter::repeat_n((run.mark, run.packets.is_some()), run.slots as usize));
            }
            _ => {}
        }
    }
    assert!(noted, "the record says so");
    let received = |&(mark, packet): &(SlotMark, bool)| mark == SlotMark::Received && packet;
    let first = marks.iter().position(received).expect("with a key she is heard");
    // What came before her consent lies further back, and so does the time in which she had not begun.
    let withheld = |&&(mark, packet): &&(SlotMark, bool)| mark == SlotMark::Withheld && !packet;
    let clear =
        marks[..first].iter().rev().take_while(|(mark, _)| *mark != SlotMark::Silent).filter(withheld);
    let (clear, sent) = (clear.count() as u64, speaker.client().stats().sent_before_key);
    assert!(clear + 3 >= sent, "{clear} slots are withheld of {sent} packets in the clear: {marks:?}");
    assert!(!marks[..first].iter().any(received));
}

/// Packets that were heard, as the metrics show.
async fn hearing(stage: &Stage) -> u64 {
    let metrics = crate::stage::get(stage.http, "/metrics").await.text();
    let line =
        metrics.lines().find(|line| line.starts_with("antiphon_capture_slots_total{mark=\"received\"}"));
    line.and_then(|line| line.rsplit(' ').next()).and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_account_cannot_agree() {
    let stage = Stage::set(With::env("ANTIPHON_SPOKEN_NOTICE", "false")).await;
    let alice = stage.seated("Alice");
    let answer = stage.join(alice).await;
    let bot = stage.sim.add_bot("Jukebox").user_id;
    for command in ["/consent grant", "/consent revoke", "/consent status"] {
        let refused = stage.command(bot, command).await;
        assert!(refused.ephemeral() && refused.content().contains("I never listen to bots"), "{refused:?}");
    }
    let pressed = stage.press(bot, notice(&answer), GRANT).await;
    assert!(pressed.ephemeral() && pressed.content().contains("I never listen to bots"), "{pressed:?}");
    let register = stage.data().join("consent").join(format!("{}.json", stage.sim.guild_id()));
    assert!(!register.exists(), "nothing was written of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_opt_out_no_one_is_said_to_have_agreed() {
    let stage = Stage::set(With::env("ANTIPHON_CONSENT", "opt_out")).await;
    let alice = stage.seated("Alice");
    let status = async || stage.command(alice, "/consent status").await.content().to_owned();
    let words = status().await;
    assert!(words.contains("opt-out") && !words.contains("You have agreed"), "{words}");
    stage.command(alice, "/consent revoke").await;
    assert!(status().await.contains("You have refused"));
    stage.command(alice, "/consent grant").await;
    assert!(status().await.contains("You have agreed"));
}
