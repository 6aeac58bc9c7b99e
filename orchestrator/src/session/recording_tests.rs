//! The recording before a disk that does not keep up.
use std::collections::BTreeMap;

use capture::{Frame, Slot};
use ledger::audio::SlotMark;
use ledger::bundle::{Fsync, Head, Note, Policies, Reader, Tail, TimelineLine};
use ledger::event::{Consent, Flags, Input, Member, Settings};
use ledger::ids::{ChannelId, GuildId, SessionId, UserId};
use ledger::time::Timestamp;

use super::recording::Recording;

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
        seed: 0,
        policies: Policies::default(),
        versions: BTreeMap::new(),
    }
}

fn received(slot: u64) -> Slot {
    let pcm = Some(Frame([1; 320]));
    Slot { user: SPEAKER, slot, mark: SlotMark::Received, packet: None, pcm, original: None }
}

#[test]
fn a_disk_that_is_far_behind_loses_sound_and_says_so_and_keeps_every_decision() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("bundle");
    let mut recording = Recording::start(folder.clone(), head(), Fsync::default()).unwrap();
    let member = Member { user: SPEAKER, name: "Alice".into(), bot: false };
    recording.step(STARTED, Input::MemberJoined { member, consent: Consent::Granted }, vec![]);
    let stalled = recording.stall();
    // Ten minutes of sound, and decisions all along.
    for slot in 0..30_000 {
        let at = Timestamp(STARTED.0 + slot * 20_000);
        recording.slot(at, received(slot));
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
            TimelineLine::Note { note: Note::Dropped { queue, dropped, .. }, .. } if queue == "recording" => {
                dropped
            }
            _ => 0,
        })
        .sum();
    let marks = reader.manifest().tracks[0].marks.total();
    assert_eq!(marks + lost, 30_000, "what is not in the track was counted");
    assert_eq!(noted, lost, "the timeline says how much is missing");
}
