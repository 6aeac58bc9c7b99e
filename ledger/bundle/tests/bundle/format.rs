//! The format is published: golden files and schemas say when it changes.
//!
//! `UPDATE_GOLDEN=1 cargo test -p antiphon-ledger --test bundle` rewrites them. A change of what a version writes needs a
//! new version.
use std::fs;
use std::path::{Path, PathBuf};

use antiphon_core::event::{Failure, FailureKind, Input};
use antiphon_core::ids::TurnId;
use bundle::{Reader, Tail, Writer};
use parity::schema;

use crate::sample;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bundle-2")
}

/// Of format 1, which is no longer written.
fn of_format_1() -> PathBuf {
    golden().with_file_name("bundle-1")
}

/// As they were written at first: the pre-skip of tracks did not take off what Opus delays.
fn first() -> PathBuf {
    golden().with_file_name("bundle-1-first")
}

fn schemas() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/schema")
}

fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

#[test]
fn a_bundle_is_written_as_its_versions_golden_one() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = sample::write(dir.path());
    if updating() {
        let _ = fs::remove_dir_all(golden());
        fs::create_dir_all(golden().join("tracks")).unwrap();
    }
    let names = manifest.blobs.iter().map(|blob| blob.name.as_str()).chain(["manifest.json"]);
    // The bot's voice is 200 kB of plain PCM: its digest in the manifest is enough.
    for name in names.filter(|name| *name != "tracks/bot.wav") {
        let written = fs::read(dir.path().join(name)).unwrap();
        let path = golden().join(name);
        if updating() {
            fs::write(&path, &written).unwrap();
        }
        let expected = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(written == expected, "{name} is written otherwise than the golden file");
    }
}

#[test]
fn golden_bundles_of_every_version_are_read() {
    let dir = tempfile::tempdir().unwrap();
    for golden in [golden(), of_format_1(), first()] {
        let dir = dir.path().join(golden.file_name().unwrap());
        sample::write(&dir);
        for folder in [golden.clone(), golden.join("tracks")] {
            for entry in fs::read_dir(&folder).unwrap().flatten().filter(|entry| entry.path().is_file()) {
                let name = entry.path().strip_prefix(&golden).unwrap().to_path_buf();
                fs::copy(entry.path(), dir.join(name)).unwrap();
            }
        }
        let reader = Reader::open(&dir).unwrap();
        assert_eq!(reader.verify(|_, _| {}).unwrap().problems, Vec::<String>::new());
        assert_eq!(reader.inputs().unwrap().count() as u64, reader.manifest().counts.inputs);
        let track = reader.manifest().speaker(sample::ADA).unwrap();
        assert_eq!(reader.pcm_48k(track).unwrap().count(), 120, "slots of sound in {}", dir.display());
    }
}

#[test]
fn the_published_schemas_are_those_of_the_code() {
    for (name, schema) in schema::all() {
        let path = schemas().join(name);
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if updating() {
            fs::create_dir_all(schemas()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let published =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            text == published,
            "{name} differs from the code: run with UPDATE_GOLDEN=1 and say so in CHANGELOG.md"
        );
    }
}

#[test]
fn lost_playback_of_format_1_is_read_in_todays_terms() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path(), sample::head()).unwrap();
    let failure = Failure { kind: FailureKind::Error, detail: "no sound".into() };
    let lost = Input::SynthesisFailed {
        turn: TurnId(1),
        index: 2,
        provider: "playback".into(),
        failure: failure.clone(),
    };
    writer.input(sample::at(10), &lost).unwrap();
    let tail = Tail { ended: sample::at(20), reason: "a test".into(), ledger: None };
    writer.seal(tail).unwrap();
    let read = || Reader::open(dir.path()).unwrap().inputs().unwrap().next().unwrap().unwrap().input;
    assert_eq!(read(), lost, "in format 2 a provider may be called so");
    let path = dir.path().join("manifest.json");
    let manifest = fs::read_to_string(&path).unwrap();
    fs::write(&path, manifest.replace("\"schema_version\": 2", "\"schema_version\": 1")).unwrap();
    assert_eq!(read(), Input::PlaybackFailed { turn: TurnId(1), index: 2, failure });
}

#[test]
fn the_schemas_of_format_1_stay_as_published() {
    for name in ["manifest", "timeline", "inputs", "actions", "transcripts", "recovery"] {
        let path = schemas().join(format!("bundle-1.{name}.schema.json"));
        let schema: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert!(schema["$schema"].is_string(), "{}", path.display());
    }
    let inputs = fs::read_to_string(schemas().join("bundle-1.inputs.schema.json")).unwrap();
    assert!(!inputs.contains("playback_failed") && inputs.contains("speech_failed"));
}
