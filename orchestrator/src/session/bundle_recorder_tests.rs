//! The bundle recorder with a disk that does not keep up.
use std::collections::BTreeMap;

use antiphon_core::audio::SlotMark;
use antiphon_core::capture_note::CaptureNote;
use antiphon_core::event::{Consent, Flags, Input, Member, Settings};
use antiphon_core::ids::{ChannelId, GuildId, SessionId, TurnId, UserId};
use antiphon_core::time::Timestamp;
use bundle::{Fsync, Head, Policies, Reader, Tail, TimelineLine, Writer, recover};
use capture::{Frame, Slot};

use super::bundle_entry::Entry;
use super::bundle_recorder::BundleRecorder;
use super::playback_recording::{Played, Spoken};
use super::voice_output::Clip;

const SPEAKER: UserId = UserId(7);
const STARTED: Timestamp = Timestamp(1_000_000);

fn head() -> Head {
    Head {
        session: SessionId(uuid::Uuid::from_u128(1)),
        guild: GuildId(1),
        channel: ChannelId(2),
        started: STARTED,
        bot: Member { user: UserId(3), name: "Antiphon".into(), bot: true },
        flags: Flags::default(),
        settings: Settings::default(),
        providers: Vec::new(),
        policies: Policies::default(),
        versions: BTreeMap::new(),
    }
}

fn received(slot: u64) -> Slot {
    let pcm = Some(Frame([1; 320]));
    Slot { user: SPEAKER, slot, mark: SlotMark::Received, packet: None, pcm, original: None }
}

#[test]
fn a_slow_disk_loses_sound_but_keeps_every_decision() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("bundle");
    let mut recording = BundleRecorder::start(folder.clone(), head(), Fsync::default()).unwrap();
    let member = Member { user: SPEAKER, name: "Alice".into(), bot: false };
    recording.step(STARTED, Input::MemberJoined { member, consent: Consent::Granted }, vec![]);
    let stalled = recording.stall();
    // Ten minutes of sound, and decisions all along.
    for slot in 0..30_000 {
        let at = Timestamp(STARTED.0 + slot * 20_000);
        recording.entry(at, Entry::Slot(Box::new(received(slot))));
        if slot.is_multiple_of(50) {
            recording.step(at, Input::DrainRequested, vec![]);
        }
    }
    assert!(recording.dropped_total > 0, "sound was to be lost");
    assert!(!recording.step_lost, "sound pushed a decision out");
    let lost = recording.dropped_total;
    drop(stalled);
    let ended = Timestamp(STARTED.0 + 30_000 * 20_000);
    let sealed = recording.seal(Tail { ended, reason: "over".into(), ledger: None });
    assert_eq!((sealed.folder.as_ref(), sealed.fault), (Some(&folder), None));

    let reader = Reader::open(&folder).unwrap();
    assert_eq!(reader.manifest().counts.inputs, 601);
    let noted: u64 = reader
        .timeline()
        .unwrap()
        .map(|line| match line.unwrap() {
            TimelineLine::Note { note: CaptureNote::Dropped { queue, dropped, .. }, .. }
                if queue == "recording" =>
            {
                dropped
            }
            _ => 0,
        })
        .sum();
    let marks = reader.manifest().tracks[0].marks.total();
    assert_eq!(marks + lost, 30_000, "what is not in the track was counted");
    assert_eq!(noted, lost, "the timeline says how much is missing");
}

/// A sentence of ten seconds that begins with the session, and of which so much was played.
fn sentence(index: u32, played_ms: u32, over: bool) -> Played {
    let clip = Clip { turn: TurnId(1), index, pcm: vec![1_000 + index as i16; 480_000].into() };
    Played { at: STARTED, clip, played_ms, over }
}

/// The first sample of each slot of the bot's track.
fn bot_slots(folder: &std::path::Path) -> Vec<i16> {
    let reader = Reader::open(folder).unwrap();
    let track = reader.manifest().bot_track().unwrap().clone();
    reader.pcm_48k(&track).unwrap().map(|slot| slot.unwrap()[0]).collect()
}

#[test]
fn the_bots_voice_is_kept_up_to_a_kill() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("bundle");
    let mut writer = Writer::create(&folder, head()).unwrap();
    let mut spoken = Spoken::default();
    for played_ms in [200, 410, 2_730] {
        spoken.write(&mut writer, &sentence(0, played_ms, false)).unwrap();
    }
    writer.tend(std::time::Instant::now()).unwrap();
    drop(writer);
    recover(&folder, "killed").unwrap();
    // 2730 ms are 136 whole slots.
    assert_eq!(bot_slots(&folder), [1_000; 136]);
}

#[test]
fn unplayed_parts_of_the_bots_voice_are_removed() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("bundle");
    let mut writer = Writer::create(&folder, head()).unwrap();
    let mut spoken = Spoken::default();
    spoken.write(&mut writer, &sentence(0, 1_000, false)).unwrap();
    spoken.write(&mut writer, &sentence(0, 450, true)).unwrap();
    let next = Played { at: Timestamp(STARTED.0 + 1_000_000), ..sentence(1, 200, true) };
    spoken.write(&mut writer, &next).unwrap();
    // A third of which nothing was played after all.
    let third = Played { at: Timestamp(STARTED.0 + 2_000_000), ..sentence(2, 400, false) };
    spoken.write(&mut writer, &third).unwrap();
    spoken.write(&mut writer, &Played { played_ms: 0, over: true, ..third }).unwrap();
    let tail = Tail { ended: Timestamp(STARTED.0 + 3_000_000), reason: "over".into(), ledger: None };
    writer.seal(tail).unwrap();
    // Silence follows, up to where the recording had come.
    assert_eq!(bot_slots(&folder), [vec![1_000; 23], vec![0; 27], vec![1_001; 10], vec![0; 60]].concat());
    let found = Reader::open(&folder).unwrap().verify(|_, _| {}).unwrap();
    assert!(found.problems.is_empty(), "{:?}", found.problems);
}

#[test]
fn refused_entries_are_dropped_and_noted_while_recording_continues() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("bundle");
    let mut recording = BundleRecorder::start(folder.clone(), head(), Fsync::default()).unwrap();
    let member = Member { user: SPEAKER, name: "Alice".into(), bot: false };
    recording.step(STARTED, Input::MemberJoined { member, consent: Consent::Granted }, vec![]);
    recording.entry(STARTED, Entry::Slot(Box::new(received(5))));
    recording.entry(STARTED, Entry::Slot(Box::new(received(5))));
    recording.entry(STARTED, Entry::Slot(Box::new(received(6))));
    let sealed =
        recording.seal(Tail { ended: Timestamp(STARTED.0 + 2_000_000), reason: "over".into(), ledger: None });
    assert_eq!((sealed.folder.as_ref(), sealed.fault), (Some(&folder), None));
    let reader = Reader::open(&folder).unwrap();
    let noted: u64 = reader
        .timeline()
        .unwrap()
        .map(|line| match line.unwrap() {
            TimelineLine::Note { note: CaptureNote::Dropped { queue, dropped, .. }, .. }
                if queue == "refused" =>
            {
                dropped
            }
            _ => 0,
        })
        .sum();
    assert_eq!(noted, 1);
    assert_eq!(reader.manifest().tracks[0].marks.total(), 2);
}

#[test]
fn an_overlapping_sentence_is_kept_whole_and_noted() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("bundle");
    let mut writer = Writer::create(&folder, head()).unwrap();
    let mut spoken = Spoken::default();
    spoken.write(&mut writer, &sentence(0, 1_000, true)).unwrap();
    // Due in slot 20, while the first one lasts up to slot 50.
    for (played_ms, over) in [(60, false), (100, true)] {
        let late = Played { at: Timestamp(STARTED.0 + 400_000), ..sentence(1, played_ms, over) };
        spoken.write(&mut writer, &late).unwrap();
    }
    let tail = Tail { ended: Timestamp(STARTED.0 + 1_100_000), reason: "over".into(), ledger: None };
    writer.seal(tail).unwrap();
    assert_eq!(bot_slots(&folder), [vec![1_000; 50], vec![1_001; 5]].concat());
    let notes: Vec<String> = Reader::open(&folder)
        .unwrap()
        .timeline()
        .unwrap()
        .filter_map(|line| match line.unwrap() {
            TimelineLine::Note { note: CaptureNote::Other { what }, .. } => Some(what),
            _ => None,
        })
        .collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("600 ms later"), "{notes:?}");
}

#[test]
fn a_bundle_that_cannot_be_sealed_ends_with_an_error() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("bundle");
    let mut recording = BundleRecorder::start(folder.clone(), head(), Fsync::default()).unwrap();
    recording.entry(STARTED, Entry::Slot(Box::new(received(0))));
    // Where the manifest is to go stands something that cannot be replaced.
    std::fs::create_dir_all(folder.join("manifest.json/in the way")).unwrap();
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let tail = Tail { ended: Timestamp(STARTED.0 + 20_000), reason: "over".into(), ledger: None };
        done.send(recording.seal(tail)).unwrap();
    });
    let sealed = ended.recv_timeout(std::time::Duration::from_secs(30)).expect("sealing comes to an end");
    assert_eq!(sealed.folder, None);
    assert!(sealed.fault.as_ref().is_some_and(|fault| fault.contains("recover")), "{sealed:?}");
}

#[test]
fn more_speakers_than_a_bundle_can_hold_end_no_recording() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("bundle");
    let mut recording = BundleRecorder::start(folder.clone(), head(), Fsync::default()).unwrap();
    for n in 0..600 {
        let silent = Slot { user: UserId(100 + n), mark: SlotMark::Silent, pcm: None, ..received(0) };
        recording.entry(STARTED, Entry::Slot(Box::new(silent)));
    }
    recording.entry(STARTED, Entry::Slot(Box::new(Slot { user: UserId(100), ..received(1) })));
    let sealed =
        recording.seal(Tail { ended: Timestamp(STARTED.0 + 40_000), reason: "over".into(), ledger: None });
    assert_eq!((sealed.folder.as_ref(), sealed.fault), (Some(&folder), None));
    let reader = Reader::open(&folder).unwrap();
    assert_eq!(reader.manifest().tracks.len(), 512);
    let first = reader.manifest().tracks.iter().find(|track| track.user == UserId(100)).unwrap();
    assert_eq!(first.marks.received, 1, "those who were there are recorded on");
}
