//! Bundles in other forms.
use std::fs;

use bundle::{BundleError, Reader, export};

use crate::sample;

fn bundle() -> (tempfile::TempDir, Reader) {
    let dir = tempfile::tempdir().unwrap();
    sample::write(&dir.path().join("bundle"));
    let reader = Reader::open(&dir.path().join("bundle")).unwrap();
    (dir, reader)
}

#[test]
fn an_archive_unpacks_to_the_same_bundle() {
    let (dir, reader) = bundle();
    let to = dir.path().join("out/session.tar.zst");
    let mut seen = Vec::new();
    export::archive(&reader, &to, |done, total| seen.push((done, total))).unwrap();
    assert_eq!(seen.last().map(|(done, total)| done == total), Some(true));
    let unpacked = dir.path().join("unpacked");
    tar::Archive::new(zstd::Decoder::new(fs::File::open(&to).unwrap()).unwrap()).unpack(&unpacked).unwrap();
    let again = Reader::open(&unpacked.join(reader.manifest().session.to_string())).unwrap();
    assert_eq!(again.manifest(), reader.manifest());
    assert!(again.verify(|_, _| {}).unwrap().whole());
}

#[test]
fn nothing_is_written_over_and_nothing_half_is_left() {
    let (dir, reader) = bundle();
    let to = dir.path().join("mix.wav");
    export::mix(&reader, &to, |_, _| {}).unwrap();
    assert!(matches!(export::mix(&reader, &to, |_, _| {}), Err(BundleError::Exists(_))));
    // A track that breaks off in the middle of the export.
    fs::write(dir.path().join(format!("bundle/tracks/{}.ogg", sample::ADA)), b"OggS").unwrap();
    let other = dir.path().join("other.wav");
    assert!(export::mix(&reader, &other, |_, _| {}).is_err());
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn wav_export_and_mix_keep_length_and_place_of_voices() {
    let (dir, reader) = bundle();
    let files = export::wav(&reader, &dir.path().join("wav"), |_, _| {}).unwrap();
    assert_eq!(files.len(), 2, "Ben has no sound: {files:?}");
    for file in &files {
        assert_eq!(hound::WavReader::open(file).unwrap().duration(), 120 * 960);
    }
    let mixed = dir.path().join("mix.wav");
    export::mix(&reader, &mixed, |_, _| {}).unwrap();
    let samples: Vec<i16> = hound::WavReader::open(&mixed).unwrap().samples().map(|s| s.unwrap()).collect();
    assert_eq!(samples.len(), 120 * 960);
    assert!(samples[80 * 960..110 * 960].contains(&9_500), "the bot's voice as it was played");
    assert!(samples[112 * 960..].iter().all(|s| *s == 0));
    let ogg = export::ogg(&reader, &dir.path().join("ogg")).unwrap();
    let original = fs::read(reader.dir().join(format!("tracks/{}.ogg", sample::ADA))).unwrap();
    assert_eq!(fs::read(&ogg[0]).unwrap(), original);
}

#[test]
fn subtitles_have_everybodys_words_in_order() {
    let (dir, reader) = bundle();
    let (vtt, srt) = (dir.path().join("s.vtt"), dir.path().join("s.srt"));
    export::vtt(&reader, &vtt).unwrap();
    export::srt(&reader, &srt).unwrap();
    assert_eq!(
        fs::read_to_string(vtt).unwrap(),
        "WEBVTT\n\n00:00:00.440 --> 00:00:01.340\n<v Ada>What time is it?\n\n00:00:01.600 --> 00:00:02.300\n<v Antiphon>It is noon.\n"
    );
    assert!(
        fs::read_to_string(srt)
            .unwrap()
            .starts_with("1\n00:00:00,440 --> 00:00:01,340\nAda: What time is it?\n\n2\n")
    );
}
