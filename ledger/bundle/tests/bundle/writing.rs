//! Writing, and reading back what was written.
use std::fs;
use std::path::Path;

use antiphon_core::audio::SlotMark;
use antiphon_core::event::{Consent, Input};
use antiphon_core::ids::Lane;
use bundle::{BundleError, PacketInfo, Reader, Tail, TimelineLine, Writer};

use crate::sample::{self, ADA, BEN, WITHHELD_BYTES, at, head, made_up_packet, packet};

#[test]
fn what_was_written_is_read_back_and_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let sealed = sample::write(dir.path());
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.manifest(), &sealed);
    let mut last = (0, 0);
    let verified = reader.verify(|done, total| last = (done, total)).unwrap();
    assert_eq!(verified.problems, Vec::<String>::new());
    assert_eq!(verified.remarks, Vec::<String>::new());
    assert_eq!(last.0, last.1, "progress ends at the whole");

    let ada = sealed.speaker(ADA).unwrap();
    assert_eq!(
        (ada.marks.received, ada.marks.concealed, ada.marks.undecryptable, ada.marks.silent),
        (38, 1, 1, 80)
    );
    let ben = sealed.speaker(BEN).unwrap();
    assert_eq!((ben.marks.withheld, ben.blob.as_deref(), ben.first_slot), (110, None, 10));
    assert_eq!(sealed.counts.turns, 1);
    assert_eq!(sealed.members[1].left, Some(at(2_390)));

    let actions: Vec<_> = reader.actions(Lane::Sandbox).unwrap().collect::<Result<_, _>>().unwrap();
    let inputs: Vec<_> = reader.inputs().unwrap().collect::<Result<_, _>>().unwrap();
    assert!(matches!(inputs[actions[0].step as usize].input, Input::TranscriptFinal { .. }));
    let said: Vec<_> = reader.transcripts().unwrap().map(|line| line.unwrap().text).collect();
    assert_eq!(said, ["What time is it?", "It is noon."]);
    assert_eq!(reader.inspect(10).unwrap().duration_ms, 2_400);
}

#[test]
fn packets_come_back_byte_for_byte_with_their_rtp_facts() {
    let dir = tempfile::tempdir().unwrap();
    sample::write(dir.path());
    let reader = Reader::open(dir.path()).unwrap();
    let packets: Vec<_> = reader.packets(ADA).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(packets.len(), 38);
    for stored in packets {
        let n = (stored.facts.slot - 25) as u16;
        let sent = made_up_packet(n);
        let expected = packet(n, stored.facts.slot, &sent);
        assert_eq!(stored.payload, sent, "slot {}", stored.facts.slot);
        assert_eq!(
            (stored.facts.sequence, stored.facts.timestamp, stored.facts.arrival, stored.facts.epoch),
            (expected.sequence, expected.timestamp, expected.arrival, expected.epoch)
        );
    }
}

#[test]
fn a_packet_in_a_withheld_slot_is_refused_without_trace() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut writer = Writer::create(dir, head()).unwrap();
    writer
        .input(at(0), &Input::MemberJoined { member: sample::member(BEN, "Ben"), consent: Consent::Withheld })
        .unwrap();
    let mut voice = vec![0xFC];
    voice.extend_from_slice(WITHHELD_BYTES);
    let samples: Vec<i16> =
        WITHHELD_BYTES.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).cycle().take(320).collect();
    for slot in 0..60 {
        let refused = writer.slot(BEN, slot, SlotMark::Withheld, Some(packet(0, slot, &voice)));
        assert!(matches!(refused, Err(BundleError::Withheld { user: BEN, .. })));
        let refused = writer.pcm(BEN, slot, SlotMark::Withheld, Some(&samples));
        assert!(matches!(refused, Err(BundleError::Withheld { user: BEN, .. })));
        writer.slot(BEN, slot, SlotMark::Withheld, None).unwrap();
        let refused = writer.surplus(BEN, slot, packet(0, slot, &voice));
        assert!(matches!(refused, Err(BundleError::Withheld { user: BEN, .. })));
    }
    writer.seal(Tail { ended: at(1_200), ..Tail::default() }).unwrap();
    assert!(Reader::open(dir).unwrap().verify(|_, _| {}).unwrap().whole());
    for file in files(dir) {
        let bytes = fs::read(&file).unwrap();
        assert!(
            !bytes.windows(12).any(|window| window == &WITHHELD_BYTES[..12]),
            "found in {}",
            file.display()
        );
        assert!(
            !String::from_utf8_lossy(&bytes).contains("4711"),
            "RTP facts of a withheld packet in {}",
            file.display()
        );
    }
}

#[test]
fn consent_taken_back_stops_the_writing_at_that_slot() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path(), head()).unwrap();
    for slot in 0..100 {
        let bytes = made_up_packet(slot as u16);
        if slot < 30 {
            writer.slot(ADA, slot, SlotMark::Received, Some(packet(slot as u16, slot, &bytes))).unwrap();
        } else {
            writer.slot(ADA, slot, SlotMark::Withheld, None).unwrap();
        }
    }
    writer.seal(Tail { ended: at(2_000), ..Tail::default() }).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.packets(ADA).unwrap().map(|packet| packet.unwrap().facts.slot).max(), Some(29));
    let pcm: Vec<_> =
        reader.pcm_48k(reader.manifest().speaker(ADA).unwrap()).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(pcm.len(), 100);
    assert!(pcm[32..].iter().flatten().all(|sample| *sample == 0), "sound after consent was taken back");
}

#[test]
fn a_recording_that_was_cut_off_never_reads_as_whole() {
    let dir = tempfile::tempdir().unwrap();
    let whole = tempfile::tempdir().unwrap();
    sample::write(whole.path());
    let mut writer = Writer::create(dir.path(), head()).unwrap();
    for slot in 0..200 {
        let bytes = made_up_packet(slot as u16);
        writer.slot(ADA, slot, SlotMark::Received, Some(packet(slot as u16, slot, &bytes))).unwrap();
    }
    // As a kill leaves it: no destructor runs.
    std::mem::forget(writer);
    assert!(matches!(Reader::open(dir.path()), Err(BundleError::Unsealed(_))));
    // What was written is there up to the last second, in whole lines.
    let timeline = fs::read_to_string(dir.path().join("timeline.jsonl")).unwrap();
    assert!(timeline.ends_with('\n'));
    let slots: u64 = timeline
        .lines()
        .map(|line| match serde_json::from_str(line).unwrap() {
            TimelineLine::Slots(run) => run.slots,
            _ => 0,
        })
        .sum();
    assert!(slots >= 150, "{slots} slots of 200 were written");
    let ogg = fs::read(dir.path().join(format!("tracks/{ADA}.ogg"))).unwrap();
    assert!(ogg.len() > 140 * 41, "{} bytes of Ogg", ogg.len());
}

#[test]
fn a_folder_that_is_in_use_is_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    sample::write(dir.path());
    assert!(matches!(Writer::create(dir.path(), head()), Err(BundleError::Exists(_))));
}

#[test]
fn slots_go_forward_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path(), head()).unwrap();
    writer.slot(ADA, 5, SlotMark::Silent, None).unwrap();
    assert!(matches!(
        writer.slot(ADA, 5, SlotMark::Silent, None),
        Err(BundleError::OutOfOrder { slot: 5, last: 5, .. })
    ));
    assert!(writer.slot(ADA, u64::MAX, SlotMark::Silent, None).unwrap_err().to_string().contains("week"));
}

#[test]
fn the_bots_voice_goes_forward_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path(), head()).unwrap();
    for slot in 10..20 {
        writer.bot_voice(slot, &[100; 960]).unwrap();
    }
    assert!(matches!(
        writer.bot_voice(19, &[1; 960]),
        Err(BundleError::OutOfOrder { slot: 19, last: 19, .. })
    ));
    for slot in writer.bot_voice_end()..30 {
        writer.bot_voice(slot, &[200; 960]).unwrap();
    }
    let manifest = writer.seal(Tail { ended: at(600), ..Tail::default() }).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let loud: Vec<i16> =
        reader.pcm_48k(manifest.bot_track().unwrap()).unwrap().map(|slot| slot.unwrap()[0]).collect();
    assert_eq!(loud, [[0; 10], [100; 10], [200; 10]].concat());
}

#[test]
fn the_largest_packets_go_over_pages_and_come_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path(), head()).unwrap();
    let large = |n: u16| {
        let mut bytes = vec![0xFC];
        bytes.extend((0..1_275u32).map(|i| (i + u32::from(n)) as u8));
        bytes
    };
    for n in 0..130 {
        let bytes = large(n);
        writer.slot(ADA, n.into(), SlotMark::Received, Some(packet(n, n.into(), &bytes))).unwrap();
    }
    writer.seal(Tail { ended: at(2_600), ..Tail::default() }).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.verify(|_, _| {}).unwrap().problems, Vec::<String>::new());
    let read: Vec<_> = reader.packets(ADA).unwrap().map(|packet| packet.unwrap().payload).collect();
    assert_eq!(read, (0..130).map(large).collect::<Vec<_>>());
}

#[test]
fn packets_of_other_lengths_keep_the_track_in_step() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path(), head()).unwrap();
    // CELT fullband: 10 ms frames; one of them, then three of 20 ms in a packet of code 3.
    let (short, long) = ([0xF0, 1, 2, 3], [0xFB, 3, 1, 1, 1]);
    writer.slot(ADA, 0, SlotMark::Received, Some(packet(0, 0, &short))).unwrap();
    writer.slot(ADA, 1, SlotMark::Received, Some(packet(1, 1, &long))).unwrap();
    writer.slot(ADA, 2, SlotMark::Received, None).unwrap();
    writer.slot(ADA, 3, SlotMark::Received, Some(packet(2, 3, &long))).unwrap();
    writer.slot(ADA, 4, SlotMark::Received, Some(packet(3, 4, &short))).unwrap();
    writer.slot(ADA, 5, SlotMark::Received, Some(packet(4, 5, &[]))).unwrap();
    writer.slot(ADA, 9, SlotMark::Received, Some(packet(5, 9, &short))).unwrap();
    let manifest = writer.seal(Tail { ended: at(200), ..Tail::default() }).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.verify(|_, _| {}).unwrap().problems, Vec::<String>::new());
    let slots: Vec<_> = reader.packets(ADA).unwrap().map(|packet| packet.unwrap().facts.slot).collect();
    assert_eq!(slots, [0, 1, 4, 9], "covered: 3; malformed: 5");
    assert_eq!(manifest.speaker(ADA).unwrap().marks.undecryptable, 2);
    assert_eq!(reader.pcm_48k(manifest.speaker(ADA).unwrap()).unwrap().count(), 10);
}

#[test]
fn surplus_packets_are_kept_for_replay() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path(), head()).unwrap();
    let bytes = made_up_packet(1);
    writer.slot(ADA, 0, SlotMark::Received, Some(packet(0, 0, &bytes))).unwrap();
    writer.surplus(ADA, 0, packet(1, 0, &bytes)).unwrap();
    writer.slot(ADA, 1, SlotMark::Received, Some(packet(2, 1, &bytes))).unwrap();
    writer.seal(Tail { ended: at(40), ..Tail::default() }).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let mut sequences: Vec<_> = reader.packets(ADA).unwrap().map(|p| p.unwrap().facts.sequence).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, [65_530, 65_531, 65_532]);
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        if entry.path().is_dir() {
            files.extend(self::files(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files
}

#[test]
fn packets_shorter_than_a_slot_follow_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path(), head()).unwrap();
    let mut encoder =
        opus2::Encoder::new(48_000, opus2::Channels::Stereo, opus2::Application::LowDelay).unwrap();
    encoder.set_bitrate(opus2::Bitrate::Bits(64_000)).unwrap();
    let (ten_ms, slots) = (480, 50u64);
    let packets: Vec<Vec<u8>> = (0..slots as usize * 2)
        .map(|n| {
            let sample =
                |i: usize| ((n * ten_ms + i) as f64 / 48_000.0 * 440.0 * std::f64::consts::TAU).sin();
            let pcm: Vec<i16> = (0..ten_ms).flat_map(|i| [(sample(i) * 12_000.0) as i16; 2]).collect();
            encoder.encode_vec(&pcm, 1_500).unwrap()
        })
        .collect();
    let info = |n: usize| PacketInfo {
        timestamp: (n * ten_ms) as u32,
        arrival: at(n as u64 * 10),
        ..packet(n as u16, 0, &packets[n])
    };
    for slot in 0..slots {
        let n = slot as usize * 2;
        writer.slot(ADA, slot, SlotMark::Received, Some(info(n))).unwrap();
        // In slot 20 the second one was lost; in slot 30 there is one too many.
        if slot != 20 {
            writer.shared(ADA, slot, info(n + 1)).unwrap();
        }
        if slot == 30 {
            writer.shared(ADA, slot, info(n + 1)).unwrap();
        }
    }
    assert!(writer.shared(BEN, 0, info(0)).is_err(), "of whom nothing was written");
    writer.seal(Tail { ended: at(slots * 20), ..Tail::default() }).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    assert!(reader.verify(|_, _| {}).unwrap().whole());
    let track = reader.manifest().speaker(ADA).unwrap().clone();
    let pcm: Vec<i16> = reader.pcm_48k(&track).unwrap().flat_map(|slot| slot.unwrap()).collect();
    assert_eq!(pcm.len() as u64, slots * 960);
    // A sine of amplitude 12 000 has a mean square of 72 million; digital silence has none.
    let halves = pcm
        .chunks_exact(ten_ms)
        .map(|half| half.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / half.len() as f64);
    let quiet: Vec<usize> =
        halves.enumerate().skip(2).filter(|(_, power)| *power < 36e6).map(|(half, _)| half).collect();
    // Behind the gap CELT takes some frames to find its feet.
    assert!(quiet.iter().all(|half| (41..=50).contains(half)), "quiet halves: {quiet:?}");
    // All of them come back, those that share a slot from the timeline.
    let stored: Vec<_> = reader.packets(ADA).unwrap().map(|stored| stored.unwrap()).collect();
    let mut sorted = stored.clone();
    sorted.sort_by_key(|stored| (stored.facts.arrival, stored.facts.timestamp));
    assert_eq!(sorted.len(), packets.len());
    for stored in sorted {
        assert_eq!(stored.payload, packets[stored.facts.timestamp as usize / ten_ms]);
    }
}

#[cfg(unix)]
#[test]
fn a_bundle_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("bundles/one");
    crate::sample::write(&dir);
    let mut folders = vec![home.path().join("bundles")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                assert_eq!(mode(&entry.path()), 0o600, "{}", entry.path().display());
                seen += 1;
            }
        }
    }
    assert!(seen > 6, "{seen} files");
}
