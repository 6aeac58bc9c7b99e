//! The tracks sound as they should, to us and to other programs, and stay in step.
use std::path::Path;
use std::process::Command;

use antiphon_core::audio::SlotMark;
use bundle::{Reader, Tail, Writer};

use crate::sample::{self, ADA, BEN, at, head, packet, tone};

/// Decodes with ffmpeg: 48 kHz mono.
fn ffmpeg(file: &Path) -> Vec<i16> {
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file)
        .args(["-f", "s16le", "-ac", "1", "-ar", "48000", "-"])
        .output()
        .expect("ffmpeg must be installed (apt-get install ffmpeg)");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(String::from_utf8_lossy(&out.stderr), "", "ffmpeg complains");
    out.stdout.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// The first and last slots that are loud.
fn loud(pcm: &[i16]) -> (usize, usize) {
    let loud: Vec<usize> = pcm
        .chunks(960)
        .enumerate()
        .filter(|(_, slot)| {
            slot.iter().map(|s| i64::from(*s).pow(2)).sum::<i64>() / slot.len() as i64 > 1_000_000
        })
        .map(|(slot, _)| slot)
        .collect();
    (*loud.first().unwrap(), *loud.last().unwrap())
}

/// Two people who say the same at the same time, one of them having joined late, with gaps of every kind.
fn write(dir: &Path) {
    let mut writer = Writer::create(dir, head()).unwrap();
    // A burst of its own each, as from an encoder that starts again: what it predicts from is what the decoder has.
    let bursts = (tone(30), tone(50));
    for slot in 0..1_000u64 {
        for (user, first) in [(ADA, 0), (BEN, 431)] {
            if slot < first {
                continue;
            }
            let speaks = (700..750).contains(&slot) || (user == ADA && (100..130).contains(&slot));
            let lost = slot % 23 == 0;
            let payload = if slot < 700 {
                bursts.0.get(slot.wrapping_sub(100) as usize)
            } else {
                bursts.1.get(slot as usize - 700)
            };
            let payload = payload.map_or(&[][..], Vec::as_slice);
            let (mark, packet) = match (speaks, lost) {
                (true, true) => (SlotMark::Concealed, None),
                (true, false) => (SlotMark::Received, Some(packet(slot as u16, slot, payload))),
                (false, _) => (SlotMark::Silent, None),
            };
            writer.slot(user, slot, mark, packet).unwrap();
        }
    }
    writer.seal(Tail { ended: at(20_000), ..Tail::default() }).unwrap();
}

#[test]
fn ffmpeg_hears_every_track_at_its_place_to_the_frame() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let ada = ffmpeg(&dir.path().join(format!("tracks/{ADA}.ogg")));
    let ben = ffmpeg(&dir.path().join(format!("tracks/{BEN}.ogg")));
    assert_eq!((ada.len(), ben.len()), (960_000, 960_000), "20 s, both");
    // The encoder's look-ahead of 2.5 to 6.5 ms puts a little of the last packet into the slot after it.
    // Within one frame: the encoder's look-ahead puts a little of the last packet into the slot after it, and the first
    // frame after silence fades in.
    for (pcm, first, last) in
        [(&ada[..500 * 960], 100, 129), (&ada[500 * 960..], 200, 249), (&ben[..], 700, 749)]
    {
        let (from, to) = loud(pcm);
        assert!(
            (first..=first + 1).contains(&from) && (last..=last + 1).contains(&to),
            "loud from {from} to {to}"
        );
    }
    let difference =
        ada[690 * 960..].iter().zip(&ben[690 * 960..]).map(|(a, b)| (a - b).unsigned_abs()).max();
    assert!(difference < Some(200), "the same words at the same time differ by {difference:?}");
}

#[test]
fn our_own_decoding_agrees_with_ffmpegs() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let reader = Reader::open(dir.path()).unwrap();
    let track = reader.manifest().speaker(ADA).unwrap();
    let ours: Vec<i16> = reader.pcm_48k(track).unwrap().flat_map(|slot| slot.unwrap()).collect();
    let theirs = ffmpeg(&dir.path().join(format!("tracks/{ADA}.ogg")));
    assert_eq!(ours.len(), theirs.len());
    // ffmpeg mixes stereo down after decoding and has its own concealment; the tone itself must be the same.
    let slot = 725 * 960..726 * 960;
    let difference = ours[slot.clone()].iter().zip(&theirs[slot]).map(|(a, b)| (a - b).unsigned_abs()).max();
    assert!(difference < Some(400), "differ by {difference:?}");
    assert_eq!(loud(&ours[..500 * 960]), loud(&theirs[..500 * 960]));
}

#[test]
fn opusinfo_finds_nothing_to_complain_of() {
    let dir = tempfile::tempdir().unwrap();
    sample::write_with(dir.path(), |n| tone(40)[usize::from(n)].clone());
    let out = Command::new("opusinfo")
        .arg(dir.path().join(format!("tracks/{ADA}.ogg")))
        .output()
        .expect("opusinfo must be installed (apt-get install opus-tools)");
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{text}");
    assert!(!text.to_lowercase().contains("warning"), "{text}");
    // It prints 2.4 s, as a float cut off.
    assert!(text.contains("Playback length: 0m:02.399s") || text.contains("0m:02.400s"), "{text}");
}

#[test]
fn a_mirrored_track_is_kept_as_pcm_at_its_rate() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path(), head()).unwrap();
    for slot in 3..60u64 {
        match slot {
            10..20 => writer.pcm(ADA, slot, SlotMark::Silent, None).unwrap(),
            20..30 => writer.pcm(ADA, slot, SlotMark::Withheld, None).unwrap(),
            _ => writer.pcm(ADA, slot, SlotMark::Received, Some(&[slot as i16; 320])).unwrap(),
        }
    }
    assert!(
        writer
            .pcm(ADA, 60, SlotMark::Received, Some(&[1; 960]))
            .unwrap_err()
            .to_string()
            .contains("48000 Hz")
    );
    writer.seal(Tail { ended: at(1_200), ..Tail::default() }).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    assert!(reader.verify(|_, _| {}).unwrap().whole());
    let track = reader.manifest().speaker(ADA).unwrap();
    let slots: Vec<_> = reader.pcm(track, 16_000).unwrap().map(|slot| slot.unwrap()).collect();
    assert_eq!(slots.len(), 60);
    for (slot, samples) in (0i16..).zip(&slots) {
        let expected = if slot < 3 || (10..30).contains(&slot) { 0 } else { slot };
        assert!(samples.iter().all(|sample| *sample == expected), "slot {slot}");
    }
    assert_eq!(ffmpeg(&dir.path().join(format!("tracks/{ADA}.wav"))).len(), 60 * 960);
}
