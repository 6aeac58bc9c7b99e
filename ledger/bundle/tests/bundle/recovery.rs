//! Recovery of recordings that broke off: by a kill, a power cut, a full disk.
use std::fs;
use std::path::Path;

use antiphon_core::audio::SlotMark;
use antiphon_core::event::{Consent, Input};
use bundle::recover::{RECOVERY, TORN, cut_off};
use bundle::{BundleError, Reader, Tail, Writer, delete, is_being_recorded, recover};

use crate::sample::{ADA, BEN, at, head, made_up_packet, member, packet};

/// Two speakers, an input every 10 slots, and a process that died: its lock was released, its destructors did not run.
fn broken_off(dir: &Path, slots: u64) {
    let mut writer = Writer::create(dir, head()).unwrap();
    writer
        .input(at(0), &Input::MemberJoined { member: member(ADA, "Ada"), consent: Consent::Granted })
        .unwrap();
    for slot in 0..slots {
        let bytes = made_up_packet(slot as u16);
        writer.slot(ADA, slot, SlotMark::Received, Some(packet(slot as u16, slot, &bytes))).unwrap();
        writer.pcm(BEN, slot, SlotMark::Received, Some(&[slot as i16 + 1; 320])).unwrap();
        if slot % 50 > 20 {
            writer.bot_voice(slot, &[slot as i16 + 1; 960]).unwrap();
        }
        if slot % 10 == 0 {
            writer.input(at(slot * 20), &Input::FlagsChanged { flags: head().flags }).unwrap();
        }
    }
    writer.sync().unwrap();
    // Dropping closes the files and writes nothing: what a track holds back is not in it.
    drop(writer);
}

fn verified(dir: &Path) -> Reader {
    let reader = Reader::open(dir).unwrap();
    let found = reader.verify(|_, _| {}).unwrap();
    assert_eq!((found.problems, found.remarks), (vec![], vec![]));
    reader
}

#[test]
fn what_was_written_becomes_a_whole_bundle_with_a_report() {
    let dir = tempfile::tempdir().unwrap();
    broken_off(dir.path(), 237);
    let recovery = recover(dir.path(), "the power went").unwrap();
    let reader = verified(dir.path());
    let manifest = reader.manifest();
    assert_eq!(manifest.end_reason, "the power went");
    let ada = manifest.speaker(ADA).unwrap();
    assert!((212..=237).contains(&ada.end_slot), "{}", ada.end_slot);
    assert_eq!(
        manifest.speaker(BEN).unwrap().end_slot,
        224,
        "as far as the last checkpoint, made in slot 224"
    );
    assert_eq!(reader.packets(ADA).unwrap().count() as u64, ada.marks.received);
    assert_eq!(manifest.members.len(), 1);
    assert!(!recovery.was_whole);
    let cut = recovery.files.iter().find(|file| file.name.ends_with(".wav") && file.lost.is_some()).unwrap();
    let aside = cut.aside.as_ref().unwrap();
    assert_eq!(fs::metadata(dir.path().join(aside)).unwrap().len(), cut.found_bytes - cut.kept_bytes);
    assert!(manifest.blobs.iter().any(|blob| blob.name == *aside), "what was cut off is part of the bundle");
    let stored: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.path().join(RECOVERY)).unwrap()).unwrap();
    assert_eq!(stored, serde_json::to_value(&recovery).unwrap());
    for left in ["manifest.open.json", "checkpoint.open.json", "reserve.open"] {
        assert!(!dir.path().join(left).exists(), "{left} is left");
    }
}

#[test]
fn a_second_recovery_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    broken_off(dir.path(), 100);
    let first = recover(dir.path(), "cut off").unwrap();
    let before = fs::read(dir.path().join("manifest.json")).unwrap();
    let second = recover(dir.path(), "again").unwrap();
    assert!(second.was_whole);
    assert_eq!((second.files, second.ended), (first.files, first.ended));
    assert_eq!(fs::read(dir.path().join("manifest.json")).unwrap(), before);
}

#[test]
fn torn_tails_are_cut_named_and_kept_aside() {
    let dir = tempfile::tempdir().unwrap();
    broken_off(dir.path(), 200);
    let append = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, [fs::read(&path).unwrap(), bytes.to_vec()].concat()).unwrap();
    };
    append("inputs.jsonl", b"{\"at\":17723664000000");
    append("timeline.jsonl", b"{\"type\":\"slo");
    append(&format!("tracks/{ADA}.ogg"), b"OggS\0\0half a page");
    // A power cut leaves zeros where the size was known and the bytes were not.
    append("actions.sandbox.jsonl", &[0; 300]);
    append(&format!("tracks/{BEN}.wav"), &[1]);
    let recovery = recover(dir.path(), "cut off").unwrap();
    verified(dir.path());
    for (name, torn) in [
        ("inputs.jsonl", &b"{\"at\":17723664000000"[..]),
        ("timeline.jsonl", b"{\"type\":\"slo"),
        ("actions.sandbox.jsonl", &[0; 300]),
        (&format!("tracks/{ADA}.ogg"), b"OggS\0\0half a page"),
    ] {
        let file = recovery.files.iter().find(|file| file.name == name).unwrap();
        assert!(file.lost.is_some(), "{name}");
        let aside = fs::read(dir.path().join(file.aside.as_ref().unwrap())).unwrap();
        assert!(aside.ends_with(torn), "{name}");
        assert!(file.aside.as_ref().unwrap().starts_with(TORN));
    }
}

#[test]
fn tracks_and_timeline_that_disagree_end_together() {
    // The track lost pages that the timeline lists, as after a power cut.
    let dir = tempfile::tempdir().unwrap();
    broken_off(dir.path(), 300);
    let path = dir.path().join(format!("tracks/{ADA}.ogg"));
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let recovery = recover(dir.path(), "cut off").unwrap();
    let reader = verified(dir.path());
    let end = reader.manifest().speaker(ADA).unwrap().end_slot;
    assert!((100..160).contains(&end), "{end}");
    assert_eq!(reader.packets(ADA).unwrap().count() as u64, end);
    let timeline = recovery.files.iter().find(|file| file.name == "timeline.jsonl").unwrap();
    assert!(timeline.lost.as_ref().unwrap().contains("had not reached the track"), "{timeline:?}");

    // The timeline lost what the track has, and there is no checkpoint.
    let dir = tempfile::tempdir().unwrap();
    broken_off(dir.path(), 300);
    fs::remove_file(dir.path().join("checkpoint.open.json")).unwrap();
    let path = dir.path().join("timeline.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    fs::write(&path, lines[..lines.len() / 2].join("\n") + "\n").unwrap();
    let recovery = recover(dir.path(), "cut off").unwrap();
    verified(dir.path());
    assert!(recovery.remarks[0].contains("no checkpoint"));
    let ogg = recovery.files.iter().find(|file| file.name.ends_with(".ogg")).unwrap();
    assert!(ogg.lost.as_ref().unwrap().contains("packets from slot"), "{ogg:?}");
}

/// What recovery makes of the timeline can be put in place after a kill at any moment: from its first step on, the lines
/// behind the one that changes are on the disk.
#[test]
fn a_recovery_killed_while_writing_the_timeline_loses_no_line() {
    let broken = || {
        let dir = tempfile::tempdir().unwrap();
        broken_off(dir.path(), 300);
        let track = dir.path().join(format!("tracks/{ADA}.ogg"));
        let bytes = fs::read(&track).unwrap();
        fs::write(&track, &bytes[..bytes.len() / 2]).unwrap();
        dir
    };
    let undisturbed = broken();
    let before = fs::read(undisturbed.path().join("timeline.jsonl")).unwrap();
    recover(undisturbed.path(), "cut off").unwrap();
    let after = fs::read(undisturbed.path().join("timeline.jsonl")).unwrap();
    let same = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let at = before[..same].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    assert!(
        at > 0 && after.len() - at > 500,
        "lines of Ben's and the bot's stand behind the one that changes"
    );
    let redo = [format!("{{\"at\":{at}}}\n").into_bytes(), after[at..].to_vec()].concat();
    let half = (at + after.len()) / 2;
    let moments = [
        ("timeline.redo.open.new", &redo[..redo.len() / 2], &before[..]),
        ("timeline.redo.open.new", &redo, &before),
        ("timeline.redo.open", &redo, &before),
        ("timeline.redo.open", &redo, &before[..at]),
        ("timeline.redo.open", &redo, &after[..half]),
        ("timeline.redo.open", &redo, &after),
    ];
    for (k, (name, redo, timeline)) in moments.into_iter().enumerate() {
        let dir = broken();
        fs::write(dir.path().join(name), redo).unwrap();
        fs::write(dir.path().join("timeline.jsonl"), timeline).unwrap();
        recover(dir.path(), "cut off").unwrap();
        assert_eq!(fs::read(dir.path().join("timeline.jsonl")).unwrap(), after, "moment {k}");
        verified(dir.path());
    }
}

#[test]
fn a_damaged_head_is_replaced_from_the_first_input() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path(), head()).unwrap();
    let head = head();
    let first = Input::SessionStarted {
        session: head.session,
        guild: head.guild,
        channel: head.channel,
        bot: head.bot.clone(),
        flags: head.flags,
        providers: head.providers.clone(),
        settings: head.settings.clone(),
    };
    writer.input(head.started, &first).unwrap();
    writer.input(at(20), &Input::FlagsChanged { flags: head.flags }).unwrap();
    drop(writer);
    fs::write(dir.path().join("manifest.open.json"), [0; 100]).unwrap();
    let recovery = recover(dir.path(), "cut off").unwrap();
    assert!(recovery.remarks[0].contains("the first input was taken instead"), "{recovery:?}");
    assert_eq!(verified(dir.path()).manifest().session, head.session);
}

#[test]
fn a_bundle_that_is_being_recorded_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("guild/session");
    let writer = Writer::create(&home, head()).unwrap();
    assert!(is_being_recorded(&home));
    assert!(cut_off(dir.path()).is_empty());
    assert!(matches!(recover(&home, "x"), Err(BundleError::Recording(_))));
    assert!(matches!(delete(&home), Err(BundleError::Recording(_))));
    drop(writer);
    assert!(!is_being_recorded(&home));
    assert_eq!(cut_off(dir.path()), std::slice::from_ref(&home));
    recover(&home, "x").unwrap();
    assert!(cut_off(dir.path()).is_empty());
    verified(&home);
}

#[test]
fn a_kill_after_the_manifest_leaves_a_whole_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path(), head()).unwrap();
    writer.slot(ADA, 0, SlotMark::Silent, None).unwrap();
    writer.seal(Tail { ended: at(20), ..Tail::default() }).unwrap();
    fs::write(dir.path().join("manifest.open.json"), "{}").unwrap();
    fs::write(dir.path().join("checkpoint.open.json"), "{}").unwrap();
    Reader::open(dir.path()).unwrap();
    assert!(recover(dir.path(), "x").unwrap().was_whole);
    verified(dir.path());
    assert!(!dir.path().join("manifest.open.json").exists());
}

#[test]
fn deleting_takes_the_whole_bundle_and_nothing_that_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("bundle");
    crate::sample::write(&home);
    let deleted = delete(&home).unwrap();
    assert_eq!(deleted.files, 8);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left next to it");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("letter.txt"), "dear").unwrap();
    assert!(matches!(delete(&home), Err(BundleError::NotABundle(_))));
    #[cfg(unix)]
    {
        let real = dir.path().join("real");
        crate::sample::write(&real);
        std::os::unix::fs::symlink(&real, dir.path().join("link")).unwrap();
        assert!(matches!(delete(&dir.path().join("link")), Err(BundleError::NotABundle(_))));
        Reader::open(&real).unwrap();
    }
    assert!(home.join("letter.txt").exists());
}

mod random {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// A power cut keeps of each file some beginning, with zeros behind it or not.
        #[test]
        fn files_cut_anywhere_still_make_a_whole_bundle(
            slots in 0u64..180,
            cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..40, any::<bool>()), 9),
        ) {
            let dir = tempfile::tempdir().unwrap();
            broken_off(dir.path(), slots);
            let mut files: Vec<_> = [dir.path().to_path_buf(), dir.path().join("tracks")]
                .iter()
                .flat_map(|folder| fs::read_dir(folder).unwrap().flatten())
                .map(|entry| entry.path())
                .filter(|path| path.is_file() && !path.ends_with("manifest.open.json"))
                .collect();
            files.sort();
            for (file, (at, zeros, cut)) in files.iter().zip(cuts) {
                let bytes = fs::read(file).unwrap();
                if cut && !bytes.is_empty() {
                    let kept = [&bytes[..at.index(bytes.len())], &vec![0; zeros]].concat();
                    fs::write(file, kept).unwrap();
                }
            }
            recover(dir.path(), "cut off").unwrap();
            verified(dir.path());
        }
    }
}
