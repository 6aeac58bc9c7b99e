//! Whole bundles: nothing of the people is left in any file, and what is left is a bundle.
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use antiphon_core::audio::{AudioSpan, SlotMark};
use antiphon_core::capture_note::CaptureNote;
use antiphon_core::chain::{Digest, Proof};
use antiphon_core::event::{
    Action, Consent, Decision, DecisionKind, GenerationRequest, Input, Message, Outcome, PolicyName,
    ReplyStyle, Role,
};
use antiphon_core::ids::{Lane, TurnId};
use bundle::anonymize::{Audio, Key, Line, Options, Report, anonymize};
use bundle::{Head, Reader, Tail, VoicesAre, Writer};

use crate::sample::{ADA, BEN, at, head, made_up_packet, member, packet, transcript};

const SECRETS: [&str; 10] = [
    "Ada",
    "Lovelace",
    "ada@example.com",
    "5551234",
    "Quimby",
    "4111 1111",
    "192.0.2.1",
    "80351110224678912",
    "41771983423143937",
    "Bluebird",
];

/// A session in which people say too much, everywhere.
fn talkative(dir: &Path) {
    let mut writer =
        Writer::create(dir, Head { bot: member(crate::sample::BOT, "Antiphon"), ..head() }).unwrap();
    let started = Input::SessionStarted {
        session: head().session,
        guild: head().guild,
        channel: head().channel,
        bot: head().bot,
        flags: head().flags,
        providers: head().providers,
        settings: head().settings,
    };
    writer.input(at(0), &started).unwrap();
    let joined =
        |user, name: &str| Input::MemberJoined { member: member(user, name), consent: Consent::Granted };
    writer.input(at(1), &joined(ADA, "Ada Lovelace")).unwrap();
    writer.input(at(2), &joined(BEN, "Ben")).unwrap();
    for n in 0..40u16 {
        let bytes = made_up_packet(n);
        writer.slot(ADA, u64::from(n), SlotMark::Received, Some(packet(n, u64::from(n), &bytes))).unwrap();
    }
    writer.surplus(ADA, 39, packet(41, 39, &made_up_packet(41))).unwrap();
    writer.note(at(700), CaptureNote::SsrcChanged { user: ADA, before: 4711, after: 4712 }).unwrap();
    writer.note(at(701), CaptureNote::Other { what: "Ada Lovelace dropped her headset".into() }).unwrap();
    let audio = AudioSpan { first_slot: 2, slots: 30, ..AudioSpan::default() };
    writer.input(at(640), &Input::UserSpeechEnded { turn: TurnId(1), user: ADA, audio }).unwrap();
    let words = "Antiphon, my name is Ada and Mr. Quimby has my card 4111 1111 1111 1111, my mail is ada@example.com, call 555-1234 \
                 or ask <@80351110224678912> about Project Bluebird at 192.0.2.1.";
    let step = writer.input(at(900), &transcript(1, ADA, words)).unwrap();
    let because = "Ada asked it with the number five five five one two three four".to_owned();
    let decision = Decision {
        turn: Some(TurnId(1)),
        kind: DecisionKind::Respond,
        choice: "answer".into(),
        reason: because,
        alternatives: vec!["ignore Ada".into()],
    };
    let request = GenerationRequest {
        messages: vec![Message { role: Role::User, name: Some("Ada Lovelace".into()), text: words.into() }],
        style: ReplyStyle::Full,
        max_sentences: 2,
    };
    let reply = "Quimby is not here, Ada. I wrote to ada at example dot com.";
    let actions = [
        Action::Decide { decision },
        Action::Generate { turn: TurnId(1), provider: "offline".into(), request },
        Action::PostText { turn: TurnId(1), text: reply.into() },
    ];
    for (lane, policy) in [(Lane::Production, PolicyName::Established), (Lane::Sandbox, PolicyName::Adaptive)]
    {
        writer.actions(lane, policy, at(900), step, &actions).unwrap();
    }
    writer.input(at(1_000), &Input::PlaybackStarted { turn: TurnId(1), index: 0 }).unwrap();
    for slot in 50..80 {
        writer.bot_voice(slot, &[900; 960]).unwrap();
    }
    let finished = Input::PlaybackFinished { turn: TurnId(1), index: 0, played_ms: 600, completed: true };
    let step = writer.input(at(1_600), &finished).unwrap();
    let close = Action::CloseTurn { turn: TurnId(1), outcome: Outcome::Answered, said: reply.into() };
    writer.actions(Lane::Production, PolicyName::Established, at(1_600), step, &[close]).unwrap();
    // Slots until the end, so that there is room for a voice.
    for slot in 40..900 {
        writer.slot(ADA, slot, SlotMark::Silent, None).unwrap();
    }
    writer.input(at(17_900), &Input::SessionEnded { reason: "Ada Lovelace left".into() }).unwrap();
    let ledger = Some(Proof { rows: 9, head: Digest::of(b"a head") });
    writer.seal(Tail { ended: at(18_000), reason: "Ada Lovelace left".into(), ledger }).unwrap();
}

fn options(key: Key) -> Options {
    Options { key, terms: vec!["Project Bluebird".into()], names: vec![] }
}

fn run(dir: &Path, out: &str, key: Key, audio: Audio<'_>) -> Report {
    let reader = Reader::open(&dir.join("bundle")).unwrap();
    anonymize(&reader, &dir.join(out), &options(key), audio, |_, _| {}).unwrap()
}

/// Everything that a bundle's files hold, with digits that were said in words too.
fn everything(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        if entry.path().is_dir() {
            out.extend(everything(&entry.path()));
        } else {
            out.push((entry.path().display().to_string(), fs::read(entry.path()).unwrap()));
        }
    }
    out
}

#[test]
fn nothing_personal_is_left_in_any_file() {
    let dir = tempfile::tempdir().unwrap();
    talkative(&dir.path().join("bundle"));
    for (_, bytes) in
        everything(&dir.path().join("bundle")).iter().filter(|(name, _)| name.ends_with("inputs.jsonl"))
    {
        let text = String::from_utf8_lossy(bytes);
        assert!(
            text.contains("Lovelace") && text.contains("4111 1111"),
            "the original has something to hide"
        );
    }
    let report = run(dir.path(), "out", Key::from_secret(b"one"), Audio::Drop);
    let reader = Reader::open(&dir.path().join("out")).unwrap();
    let found = reader.verify(|_, _| {}).unwrap();
    assert!(found.whole() && found.remarks.is_empty(), "{found:?}");
    for (name, bytes) in everything(&dir.path().join("out")) {
        let text = String::from_utf8_lossy(&bytes);
        for secret in SECRETS {
            // Digests are hexadecimal digits and say nothing; ids of four digits don't stand alone in them.
            assert!(!text.contains(secret), "{name} has {secret}");
        }
        assert!(!text.contains("five five five") && !text.contains("example dot com"), "{name}");
    }
    let manifest = reader.manifest();
    assert_eq!(manifest.ledger, None, "the proof is of other rows");
    let marked = manifest.anonymized.as_ref().unwrap();
    assert_eq!((marked.voices, marked.ledger_dropped), (VoicesAre::Dropped, true));
    assert!(manifest.tracks.iter().all(|track| track.blob.is_none()));
    assert_eq!(report.people, 2);
    for kind in ["name", "card", "email", "phone", "id", "term", "ip"] {
        let json = serde_json::to_value(&report.replaced).unwrap();
        assert!(json[kind].as_u64().unwrap_or(0) > 0, "{kind}: {json}");
    }
    assert!(report.cannot.iter().any(|line| line.contains("proof")), "{report:?}");
    // Marks, steps and turns are what they were.
    let old = Reader::open(&dir.path().join("bundle")).unwrap();
    assert_eq!(manifest.counts.inputs, old.manifest().counts.inputs);
    assert_eq!(manifest.tracks[0].marks, old.manifest().tracks[0].marks);
    assert!(matches!(
        anonymize(&old, &dir.path().join("out"), &options(Key::random()), Audio::Drop, |_, _| {}),
        Err(bundle::BundleError::Exists(_))
    ));
}

#[test]
fn one_person_has_one_pseudonym_in_every_text() {
    let dir = tempfile::tempdir().unwrap();
    talkative(&dir.path().join("bundle"));
    run(dir.path(), "one", Key::from_secret(b"one"), Audio::Drop);
    run(dir.path(), "again", Key::from_secret(b"one"), Audio::Drop);
    run(dir.path(), "other", Key::random(), Audio::Drop);
    let read = |out: &str| Reader::open(&dir.path().join(out)).unwrap();
    let (one, again, other) = (read("one"), read("again"), read("other"));
    assert_eq!(one.manifest(), again.manifest(), "the same key, the same bundle");
    assert_ne!(one.manifest().members[0].user, other.manifest().members[0].user);
    let ada = &one.manifest().members[0];
    let lines: Vec<_> = one.transcripts().unwrap().map(|line| line.unwrap()).collect();
    assert_eq!((lines[0].user, &lines[0].name), (ada.user, &ada.name));
    let text = &lines[0].text;
    assert!(
        text.contains(&format!("my name is {}", ada.name)) && text.contains(&format!("<@{}>", ada.user)),
        "{text}"
    );
    assert!(text.starts_with("Antiphon, "), "the bot's name is what it listens to: {text}");
    let mut names = BTreeSet::new();
    for lane in [Lane::Production, Lane::Sandbox] {
        for line in one.actions(lane).unwrap() {
            match line.unwrap().action {
                Action::Generate { request, .. } => {
                    assert_eq!(request.messages[0].name.as_ref(), Some(&ada.name));
                    assert_eq!(&request.messages[0].text, text);
                }
                Action::Decide { decision } => {
                    assert!(decision.reason.starts_with(&ada.name), "{}", decision.reason);
                    assert_eq!(decision.alternatives, [format!("ignore {}", ada.name)]);
                }
                Action::PostText { text, .. } => {
                    names.insert(text.split(' ').next().unwrap().to_owned());
                    assert!(text.contains(&ada.name) && text.contains("[email]"), "{text}");
                }
                _ => {}
            }
        }
    }
    // Mr. Quimby was only spoken of, once without his title.
    assert_eq!(names.len(), 1);
    assert!(text.contains(&format!("Mr. {}", names.first().unwrap())), "{text} {names:?}");
}

#[test]
fn resynthesized_voices_are_in_place_and_nothing_old_is_left() {
    let dir = tempfile::tempdir().unwrap();
    talkative(&dir.path().join("bundle"));
    let mut heard = Vec::new();
    let mut voice = |line: Line<'_>| {
        heard.push((line.user, line.bot, line.text.to_owned()));
        let text = if line.bot { "That is all." } else { "A new voice says what is left of it." };
        Ok(crate::spoken::say(text, "en-us"))
    };
    let report = run(dir.path(), "out", Key::from_secret(b"one"), Audio::Revoice(&mut voice));
    assert_eq!((report.voices, report.spoken), ("spoken anew", Some(2)));
    assert!(heard.iter().all(|(_, _, text)| !text.contains("Ada") && !text.contains('[')), "{heard:?}");
    let reader = Reader::open(&dir.path().join("out")).unwrap();
    assert!(reader.verify(|_, _| {}).unwrap().whole());
    let source = crate::spoken::say("A new voice says what is left of it.", "en-us");
    let track = reader.manifest().speaker(heard[0].0).unwrap();
    let pcm: Vec<i16> = reader.pcm_48k(track).unwrap().flat_map(|slot| slot.unwrap()).collect();
    let start = reader.transcripts().unwrap().next().unwrap().unwrap().start_ms as usize * 48;
    let (lag, agree) = crate::spoken::lag_ms(&source, &pcm[start..]);
    assert!(lag.abs() < 1.0 && agree > 0.99, "{lag} ms, {agree}");
    for entry in fs::read_dir(dir.path().join("out/tracks")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        assert!(name.ends_with(".wav") && !name.contains(&ADA.to_string()), "{name}");
    }
    // A voice that fails leaves nothing half done.
    let mut broken = |_: Line<'_>| Err("no voice is there".to_owned());
    let from = Reader::open(&dir.path().join("bundle")).unwrap();
    let failed = anonymize(
        &from,
        &dir.path().join("no"),
        &options(Key::random()),
        Audio::Revoice(&mut broken),
        |_, _| {},
    );
    assert!(failed.unwrap_err().to_string().contains("no voice is there"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "the original and the copy");
}

#[test]
fn what_could_not_be_known_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&dir.path().join("bundle"), head()).unwrap();
    let joined = Input::MemberJoined { member: member(ADA, "Will"), consent: Consent::Granted };
    writer.input(at(0), &joined).unwrap();
    writer.input(at(5), &transcript(1, ADA, "Her sister Brunhilda has 123456 of them. Will knows.")).unwrap();
    writer.seal(Tail { ended: at(1_000), ..Tail::default() }).unwrap();
    let report = run(dir.path(), "out", Key::random(), Audio::Drop);
    let left: BTreeSet<&str> = report.left.iter().map(|left| left.what.as_str()).collect();
    assert_eq!(left, BTreeSet::from(["Brunhilda", "123456"]), "{report:?}");
    assert!(report.cannot.iter().any(|line| line.contains("capital letter: will")), "{report:?}");
    assert!(report.left[0].first.contains("line 2") || report.left[0].first.contains("line 1"));
}
