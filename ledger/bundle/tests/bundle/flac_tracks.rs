//! PCM tracks kept as FLAC: bit for bit what was recorded, for us and for other programs, whatever happens while it is sealed.
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use antiphon_core::audio::SlotMark;
use antiphon_core::ids::UserId;
use bundle::export::Form;
use bundle::{BundleError, PcmForm, Reader, Tail, TrackFormat, Writer, export, recover};
use proptest::prelude::*;

use crate::sample::{ADA, BEN, BOT, at, head};
use crate::spoken::{run, say};

/// Everything a mirrored speaker may send: speech, silence, noise, full scale; and the bot's voice at 48 kHz.
fn write(dir: &Path, form: PcmForm, speech: &[i16]) -> bundle::Manifest {
    let mut writer = Writer::create(dir, head()).unwrap().with_pcm(form);
    let mut state = 1u32;
    for slot in 0..400u64 {
        let noise: Vec<i16> = (0..160)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) as i16
            })
            .collect();
        let full: Vec<i16> = (0..160).map(|n| if n % 3 == 0 { i16::MIN } else { i16::MAX }).collect();
        let said = match slot % 100 {
            0..30 => Some(noise),
            30..40 => Some(full),
            40..60 => Some(vec![1; 160]),
            _ => None,
        };
        let mark = if said.is_some() { SlotMark::Received } else { SlotMark::Silent };
        writer.pcm(ADA, slot, mark, said.as_deref()).unwrap();
        if let Some(frame) = speech.chunks_exact(960).nth(slot as usize) {
            writer.pcm(BEN, slot, SlotMark::Received, Some(frame)).unwrap();
            writer.bot_voice(slot + 20, frame).unwrap();
        }
    }
    writer.seal(Tail { ended: at(8_000), ..Tail::default() }).unwrap()
}

fn pcm(reader: &Reader, user: UserId) -> Vec<i16> {
    let track = reader.manifest().tracks.iter().find(|track| track.user == user).unwrap();
    reader.pcm_48k(track).unwrap().flat_map(Result::unwrap).collect()
}

#[test]
fn a_flac_track_equals_the_wav_track_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let speech = say("The quick brown fox jumps over the lazy dog.", "en-us");
    let (wav, flac) = (dir.path().join("wav"), dir.path().join("flac"));
    write(&wav, PcmForm::Wav, &speech);
    let manifest = write(&flac, PcmForm::Flac, &speech);
    let (wav, flac) = (Reader::open(&wav).unwrap(), Reader::open(&flac).unwrap());
    let found = flac.verify(|_, _| {}).unwrap();
    assert_eq!((found.problems, found.remarks), (vec![], vec![]));
    let size = |reader: &Reader| reader.manifest().blobs.iter().map(|blob| blob.bytes).sum::<u64>();
    println!("{} bytes as WAV, {} as FLAC", size(&wav), size(&flac));
    assert!(size(&flac) < size(&wav) / 2);
    for (user, rate) in [(ADA, 8_000), (BEN, 48_000), (BOT, 48_000)] {
        assert_eq!(pcm(&flac, user), pcm(&wav, user), "{user}");
        let track = manifest.tracks.iter().find(|track| track.user == user).unwrap();
        assert_eq!((track.format, track.rate), (Some(TrackFormat::Flac), rate));
        let path = flac.path(flac.blob(track.blob.as_ref().unwrap()).unwrap()).unwrap();
        let path = path.to_str().unwrap();
        run("flac", &["--test", "--silent", "--warnings-as-errors", path]);
        let raw = run("ffmpeg", &["-v", "error", "-i", path, "-f", "s16le", "-"]);
        let ours: Vec<u8> = pcm(&wav, user).iter().flat_map(|sample| sample.to_le_bytes()).collect();
        assert!(raw == ours, "ffmpeg reads other samples of {user}");
    }
    // Every export, and an archive that is taken in again.
    for form in [Form::Wav, Form::Flac, Form::Mix] {
        let to = |name: &str| dir.path().join(name).join(form.ending());
        let ours = export::write(&flac, form, &to("a"), |_, _| {}).unwrap();
        let theirs = export::write(&wav, form, &to("b"), |_, _| {}).unwrap();
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(fs::read(&ours.path).unwrap(), fs::read(&theirs.path).unwrap());
        }
    }
    let tracks = export::ogg(&flac, &dir.path().join("ogg")).unwrap();
    assert!(tracks.iter().all(|path| path.extension().is_some_and(|end| end == "flac")), "{tracks:?}");
    let archive = dir.path().join("a.tar.zst");
    export::archive(&flac, &archive, |_, _| {}).unwrap();
    let limits = bundle::import::Limits::default();
    bundle::import::import(&archive, &dir.path().join("home"), &limits, |_, _| {}).unwrap();
}

#[test]
fn noise_that_flac_cannot_make_smaller_stays_wav() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path(), head()).unwrap().with_pcm(PcmForm::Flac);
    let mut state = 7u64;
    for slot in 0..50 {
        let noise: Vec<i16> = (0..320)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as i16
            })
            .collect();
        writer.pcm(ADA, slot, SlotMark::Received, Some(&noise)).unwrap();
    }
    let manifest = writer.seal(Tail { ended: at(1_000), ..Tail::default() }).unwrap();
    assert_eq!(manifest.speaker(ADA).unwrap().format, Some(TrackFormat::Wav));
    let found = Reader::open(dir.path()).unwrap().verify(|_, _| {}).unwrap();
    assert_eq!((found.problems, found.remarks), (vec![], vec![]));
}

#[test]
fn a_kill_around_the_manifest_leaves_one_form_per_track() {
    let dir = tempfile::tempdir().unwrap();
    let sealed = dir.path().join("sealed");
    write(&sealed, PcmForm::Flac, &[500; 9_600]);
    let copy = |to: &Path| {
        fs::create_dir_all(to.join("tracks")).unwrap();
        for folder in ["", "tracks"] {
            for entry in fs::read_dir(sealed.join(folder)).unwrap().flatten() {
                if entry.file_type().unwrap().is_file() {
                    fs::copy(entry.path(), to.join(folder).join(entry.file_name())).unwrap();
                }
            }
        }
    };
    // After: the WAV files and the open manifest were not removed yet.
    let after = dir.path().join("after");
    copy(&after);
    fs::write(after.join("manifest.open.json"), "{}").unwrap();
    fs::write(after.join(format!("tracks/{ADA}.wav")), "old").unwrap();
    assert!(recover(&after, "killed").unwrap().was_whole);
    let found = Reader::open(&after).unwrap().verify(|_, _| {}).unwrap();
    assert_eq!((found.problems, found.remarks), (vec![], vec![]));
    // Before: FLAC is there in part, and WAV in whole.
    let before = dir.path().join("before");
    let mut writer = Writer::create(&before, head()).unwrap();
    for slot in 0..100 {
        writer.pcm(ADA, slot, SlotMark::Received, Some(&[9; 320])).unwrap();
    }
    drop(writer);
    fs::write(before.join(format!("tracks/{ADA}.flac")), "fLaC\u{0}half").unwrap();
    assert!(matches!(Reader::open(&before), Err(BundleError::Unsealed(_))));
    recover(&before, "killed").unwrap();
    let reader = Reader::open(&before).unwrap();
    assert_eq!(reader.manifest().speaker(ADA).unwrap().format, Some(TrackFormat::Wav));
    let found = reader.verify(|_, _| {}).unwrap();
    assert_eq!((found.problems, found.remarks), (vec![], vec![]));
}

/// A bundle that is damaged and restored.
static SAMPLE: LazyLock<(tempfile::TempDir, Vec<u8>)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let manifest = write(dir.path(), PcmForm::Flac, &[700; 9_600]);
    assert_eq!(manifest.speaker(ADA).unwrap().format, Some(TrackFormat::Flac));
    let bytes = fs::read(dir.path().join(format!("tracks/{ADA}.flac"))).unwrap();
    (dir, bytes)
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_changed_cut_or_added_flac_byte_is_noticed(
        place in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>(), how in 0u8..3,
    ) {
        let (dir, whole) = &*SAMPLE;
        let name = format!("tracks/{ADA}.flac");
        let path = dir.path().join(&name);
        let mut bytes = whole.clone();
        match how {
            0 => {
                let i = place.index(bytes.len());
                bytes[i] ^= 1 << bit;
            }
            1 => bytes.truncate(cut.index(bytes.len())),
            _ => bytes.extend([bit; 3]),
        }
        fs::write(&path, &bytes).unwrap();
        // Under a digest that fits. The numbers of smallest and largest frame, 8 bytes in, are for players only.
        let manifest = dir.path().join("manifest.json");
        let mut text: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
        for blob in text["blobs"].as_array_mut().unwrap() {
            if blob["name"] == name.as_str() {
                blob["bytes"] = bytes.len().into();
                blob["sha256"] = antiphon_core::chain::Digest::of(&bytes).to_string().into();
            }
        }
        fs::write(&manifest, text.to_string()).unwrap();
        let advice = how == 0 && (12..18).contains(&place.index(bytes.len()));
        match Reader::open(dir.path()) {
            Err(error) => prop_assert!(error.to_string().contains(&name), "{error}"),
            Ok(reader) => {
                let problems = reader.verify(|_, _| {}).unwrap().problems.join("\n");
                prop_assert!(advice || problems.contains(&name), "{problems:?}");
                let track = reader.manifest().speaker(ADA).unwrap();
                if let Ok(pcm) = reader.pcm_48k(track) {
                    let _ = pcm.take(10_000).last();
                }
            }
        }
    }
}
