//! Exported sound, opened by other programs, and where it lies.
use std::path::{Path, PathBuf};
use std::process::Command;

use antiphon_core::audio::SlotMark;
use antiphon_core::ids::UserId;
use bundle::export::Form;
use bundle::{Reader, Tail, Writer, export};

use crate::sample::{self, ADA, BEN, BOT, at, head, packet};
use crate::spoken::{SLOT, decode, lag_ms, lag_samples, packets, run, say};

const CLEO: UserId = UserId(80_351_110_224_678_914);

/// By how many samples at 48 kHz speech may be off that went through Opus: a twelfth of a millisecond.
const OPUS_OFF: i64 = 4;

fn of(files: &[PathBuf], user: UserId) -> &Path {
    files.iter().find(|file| file.to_string_lossy().contains(&user.to_string())).unwrap()
}

/// Speaks `pcm` from `slot` on, every 25th packet lost.
fn speak(writer: &mut Writer, user: UserId, slot: u64, packets: &[Vec<u8>]) {
    for (n, payload) in packets.iter().enumerate() {
        let slot = slot + n as u64;
        if n % 25 == 24 {
            writer.slot(user, slot, SlotMark::Concealed, None).unwrap();
        } else {
            let info = packet(n as u16, slot, payload);
            writer.slot(user, slot, SlotMark::Received, Some(info)).unwrap();
        }
    }
}

#[test]
fn flac_has_wavs_samples_and_other_programs_read_both() {
    let dir = tempfile::tempdir().unwrap();
    let speech = say("The quick brown fox jumps over the lazy dog.", "en-us");
    let mut writer = Writer::create(&dir.path().join("bundle"), head()).unwrap();
    speak(&mut writer, ADA, 37, &packets(&speech));
    for slot in 0..60 {
        // A mirrored track at 16 kHz, with every sample value's extremes.
        let pcm: Vec<i16> = (0..320).map(|n| if n % 7 == 0 { i16::MIN } else { (n * 102) as i16 }).collect();
        writer.pcm(BEN, slot, SlotMark::Received, Some(&pcm)).unwrap();
    }
    writer.bot_voice(90, &[i16::MAX; SLOT]).unwrap();
    writer.seal(Tail { ended: at(9_000), ..Tail::default() }).unwrap();
    let reader = Reader::open(&dir.path().join("bundle")).unwrap();
    let slots = reader.manifest().end_slot();
    let wav = export::wav(&reader, &dir.path().join("wav"), |_, _| {}).unwrap();
    let flac = export::flac(&reader, &dir.path().join("flac"), |_, _| {}).unwrap();
    assert_eq!((wav.len(), flac.len()), (3, 3));
    for user in [ADA, BEN, BOT] {
        let (wav, flac) = (of(&wav, user), of(&flac, user));
        let (wav_path, flac_path) = (wav.to_str().unwrap(), flac.to_str().unwrap());
        run("flac", &["--test", "--silent", "--warnings-as-errors", flac_path]);
        let rate = if user == BEN { 16_000 } else { 48_000 };
        let raw = |file: &str| run("ffmpeg", &["-v", "error", "-i", file, "-f", "s16le", "-"]);
        let expected = raw(wav_path);
        assert_eq!(expected.len() as u64, slots * (rate / 50) * 2, "{user}");
        assert!(raw(flac_path) == expected, "ffmpeg reads other samples from {flac_path}");
        let by_flac = run(
            "flac",
            &[
                "--decode",
                "--silent",
                "--stdout",
                "--force-raw-format",
                "--endian=little",
                "--sign=signed",
                flac_path,
            ],
        );
        assert!(by_flac == expected, "flac reads other samples from {flac_path}");
        for file in [wav_path, flac_path] {
            let shown = |what: &str| String::from_utf8(run("soxi", &[what, file])).unwrap().trim().to_owned();
            assert_eq!(
                (shown("-r"), shown("-s")),
                (rate.to_string(), (slots * rate / 50).to_string()),
                "{file}"
            );
        }
    }
}

#[test]
fn every_export_of_real_speech_lies_where_it_was_spoken() {
    let dir = tempfile::tempdir().unwrap();
    let speech = say("Could you tell me what the weather will be like tomorrow afternoon?", "en-us");
    let answer = say("Tomorrow afternoon it will rain, so take an umbrella.", "en-gb");
    let mut writer = Writer::create(&dir.path().join("bundle"), head()).unwrap();
    speak(&mut writer, ADA, 12, &packets(&speech));
    // Cleo's computer pushes PCM at 48 kHz, and joins late.
    for (n, frame) in speech.chunks_exact(SLOT).enumerate() {
        writer.pcm(CLEO, 300 + n as u64, SlotMark::Received, Some(frame)).unwrap();
    }
    for (n, frame) in answer.chunks_exact(SLOT).enumerate() {
        writer.bot_voice(600 + n as u64, frame).unwrap();
    }
    writer.seal(Tail { ended: at(20_000), ..Tail::default() }).unwrap();
    let reader = Reader::open(&dir.path().join("bundle")).unwrap();
    let length = reader.manifest().end_slot() as usize * SLOT;
    let mix = dir.path().join("mix.wav");
    export::mix(&reader, &mix, |_, _| {}).unwrap();
    let mixed = decode(&mix, None);
    assert_eq!(mixed.len(), length);
    for form in [Form::Wav, Form::Flac, Form::Ogg, Form::Audacity] {
        let folder = dir.path().join(form.ending());
        let files = export::write(&reader, form, &folder, |_, _| {}).unwrap();
        let sounds: Vec<PathBuf> =
            files.iter().filter(|file| file.duration_ms.is_some()).map(|file| file.path.clone()).collect();
        assert_eq!(sounds.len(), 3);
        for (user, slot, source) in [(ADA, 12, &speech), (CLEO, 300, &speech), (BOT, 600, &answer)] {
            let file = of(&sounds, user);
            let pcm = decode(file, None);
            assert_eq!(pcm.len(), length, "{}", file.display());
            let (lag, agree) = lag_ms(source, &pcm[slot * SLOT..]);
            let off = lag_samples(source, &pcm[slot * SLOT..]);
            println!("{form:?} {user}: {off:+} samples, agreement {agree:.3}");
            // PCM lies to the sample where it was; what went through Opus at 48 kbit/s to the width of its pulses.
            let most = if user == ADA { OPUS_OFF } else { 0 };
            assert!(
                lag.abs() < 1.0 && off.abs() <= most && agree > 0.6,
                "{form:?}, {}: {off} samples, {agree}",
                file.display()
            );
            let (_, agree) = lag_ms(source, &mixed[slot * SLOT..]);
            let off = lag_samples(source, &mixed[slot * SLOT..]);
            assert!(off.abs() <= most && agree > 0.6, "mix, {user}: {off} samples, {agree}");
        }
    }
}

#[test]
fn a_long_session_with_losses_and_late_joiners_stays_aligned() {
    // Twenty minutes; `ANTIPHON_HOURS=6` makes it six hours.
    let hours = std::env::var("ANTIPHON_HOURS").ok().and_then(|hours| hours.parse::<u64>().ok());
    let slots = hours.map_or(60_000, |hours| hours * 180_000);
    let dir = tempfile::tempdir().unwrap();
    let speech = say("One more sentence, to be found again at its place among many.", "en-us");
    let encoded = packets(&speech);
    let mut writer = Writer::create(&dir.path().join("bundle"), head()).unwrap();
    // Who speaks from which slots on; what lies between was passed over and is silence.
    let talk = [
        (ADA, [7, 20_001, slots - 700]),
        (BEN, [15_013, 30_000, slots - 600]),
        (CLEO, [50_011, 55_000, slots - 500]),
    ];
    let mut said: Vec<(u64, UserId)> =
        talk.iter().flat_map(|(user, slots)| slots.iter().map(|slot| (*slot, *user))).collect();
    said.sort_unstable();
    for (slot, user) in &said {
        speak(&mut writer, *user, *slot, &encoded);
    }
    writer.seal(Tail { ended: at(slots * 20), ..Tail::default() }).unwrap();
    let reader = Reader::open(&dir.path().join("bundle")).unwrap();
    let flac = export::flac(&reader, &dir.path().join("flac"), |_, _| {}).unwrap();
    let ogg = export::ogg(&reader, &dir.path().join("ogg")).unwrap();
    let seconds = (encoded.len() as f64 * 0.02).floor();
    let mut worst = 0;
    for (slot, user) in said {
        for files in [&flac, &ogg] {
            let found = decode(of(files, user), Some((slot as f64 * 0.02, seconds)));
            let (lag, agree) = lag_ms(&speech, &found);
            let off = lag_samples(&speech, &found);
            assert!(
                off.abs() <= OPUS_OFF && agree > 0.5,
                "{user} at slot {slot}: {off} samples, {lag} ms, agreement {agree}"
            );
            worst = worst.max(off.abs());
        }
    }
    println!("worst in {} min: {worst} samples at 48 kHz", slots / 3_000);
}

#[test]
fn opus_tracks_are_exported_unchanged_and_opusinfo_accepts_them() {
    let dir = tempfile::tempdir().unwrap();
    sample::write_with(&dir.path().join("bundle"), |n| sample::tone(usize::from(n) + 1).pop().unwrap());
    let reader = Reader::open(&dir.path().join("bundle")).unwrap();
    let files = export::ogg(&reader, &dir.path().join("ogg")).unwrap();
    let out = Command::new("opusinfo").arg(of(&files, ADA)).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && !text.to_lowercase().contains("warning"), "{text}");
    assert!(text.contains("Pre-skip: 4152"), "{text}");
}
