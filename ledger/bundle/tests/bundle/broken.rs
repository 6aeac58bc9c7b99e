//! Bundles broken by hand: each is refused with the file and the field named.
use std::fs;
use std::path::Path;

use bundle::Reader;
use serde_json::{Value, json};

use crate::sample;

/// Opens and verifies; gives every problem as text.
fn problems(dir: &Path) -> String {
    match Reader::open(dir) {
        Err(error) => error.to_string(),
        Ok(reader) => reader.verify(|_, _| {}).unwrap().problems.join("\n"),
    }
}

fn broken(edit: impl FnOnce(&Path)) -> String {
    let dir = tempfile::tempdir().unwrap();
    sample::write(dir.path());
    edit(dir.path());
    problems(dir.path())
}

fn broken_manifest(edit: impl FnOnce(&mut Value)) -> String {
    broken(|dir| {
        let path = dir.join("manifest.json");
        let mut manifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        edit(&mut manifest);
        fs::write(&path, serde_json::to_vec_pretty(&manifest).unwrap()).unwrap();
    })
}

/// Rewrites a blob with its size and digest put right, so that what is inside is looked at.
fn forged(name: &str, edit: impl FnOnce(String) -> String) -> String {
    broken(|dir| {
        let path = dir.join(name);
        let text = edit(fs::read_to_string(&path).unwrap());
        fs::write(&path, &text).unwrap();
        let path = dir.join("manifest.json");
        let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for blob in manifest["blobs"].as_array_mut().unwrap() {
            if blob["name"] == name {
                blob["bytes"] = json!(text.len());
                blob["sha256"] = json!(antiphon_core::chain::Digest::of(text.as_bytes()));
            }
        }
        fs::write(&path, manifest.to_string()).unwrap();
    })
}

#[track_caller]
fn says(problems: &str, words: &[&str]) {
    for word in words {
        assert!(problems.contains(word), "{word:?} is not in: {problems}");
    }
}

#[test]
fn versions_from_elsewhere_are_refused() {
    says(
        &broken_manifest(|m| m["schema_version"] = json!(3)),
        &["manifest.json", "schema_version is 3", "newer antiphon"],
    );
    says(&broken_manifest(|m| m["schema_version"] = json!("1")), &["schema_version is \"1\""]);
    says(
        &broken_manifest(|m| drop(m.as_object_mut().unwrap().remove("schema_version"))),
        &["schema_version is missing"],
    );
}

#[test]
fn names_that_lead_out_of_the_bundle_are_refused() {
    for name in ["../secret", "/etc/passwd", "tracks/../../x"] {
        says(
            &broken_manifest(|m| m["blobs"][0]["name"] = json!(name)),
            &["manifest.json", "blobs[0].name", name],
        );
    }
    says(&broken_manifest(|m| m["blobs"][1] = m["blobs"][0].clone()), &["blobs[1].name", "there already"]);
}

#[cfg(unix)]
#[test]
fn symlinks_are_refused_for_files_and_folders() {
    let outside = tempfile::tempdir().unwrap();
    let replaced = |name: &'static str| {
        let outside = outside.path().join(name);
        broken(move |dir| {
            fs::rename(dir.join(name), &outside).unwrap();
            std::os::unix::fs::symlink(&outside, dir.join(name)).unwrap();
        })
    };
    says(&replaced("inputs.jsonl"), &["inputs.jsonl: is a symlink"]);
    says(&replaced("tracks"), &["tracks: is a symlink"]);
    says(&replaced("manifest.json"), &["manifest.json: is a symlink"]);
}

#[test]
fn changed_truncated_grown_and_missing_blobs_are_distinguished() {
    let changed = broken(|dir| {
        let path = dir.join("inputs.jsonl");
        let text = fs::read_to_string(&path).unwrap().replace("What time", "What crim");
        fs::write(path, text).unwrap();
    });
    says(&changed, &["inputs.jsonl", "SHA-256", "changed since it was sealed"]);
    let truncated = broken(|dir| {
        let path = dir.join("tracks/bot.wav");
        let bytes = fs::read(&path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    });
    says(&truncated, &["tracks/bot.wav", "truncated"]);
    says(
        &broken(|dir| {
            let path = dir.join("timeline.jsonl");
            let bytes = [fs::read(&path).unwrap(), b"{}\n".to_vec()].concat();
            fs::write(path, bytes).unwrap();
        }),
        &["timeline.jsonl", "grown"],
    );
    says(
        &broken(|dir| fs::remove_file(dir.join("transcripts.jsonl")).unwrap()),
        &["transcripts.jsonl", "missing"],
    );
    says(&broken_manifest(|m| m["blobs"][0]["bytes"] = json!(1u64 << 50)), &["its size", "more than"]);
}

#[test]
fn wrong_json_is_named_by_file_line_and_field() {
    says(
        &broken_manifest(|m| m["tracks"][0]["marks"]["received"] = json!("many")),
        &["manifest.json, line", "tracks[0].marks.received", "many"],
    );
    says(&broken_manifest(|m| m["guild"] = json!("x1")), &["field guild", "a guild id"]);
    says(&broken_manifest(|m| drop(m.as_object_mut().unwrap().remove("blobs"))), &["blobs"]);
    let odd_line = forged("inputs.jsonl", |text| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines[1] = lines[1].replacen("\"at\":", "\"at\":-", 1);
        lines.join("\n") + "\n"
    });
    says(&odd_line, &["inputs.jsonl, line 2", "field at"]);
    says(&forged("inputs.jsonl", |text| text.trim_end().to_owned()), &["inputs.jsonl, line", "truncated"]);
    says(
        &forged("transcripts.jsonl", |_| "x".repeat(5 << 20) + "\n"),
        &["transcripts.jsonl, line 1", "allowed"],
    );
}

#[test]
fn a_timeline_that_contradicts_itself_is_found() {
    let doubled = forged("timeline.jsonl", |text| {
        let run = text.lines().find(|line| line.contains("\"mark\":\"withheld\"")).unwrap().to_owned();
        text + &run + "\n"
    });
    says(&doubled, &["timeline.jsonl, line", "first_slot", "overlaps"]);
    let with_packets =
        forged("timeline.jsonl", |text| text.replace("\"mark\":\"received\"", "\"mark\":\"withheld\""));
    says(&with_packets, &["withheld slots carry packets"]);
    says(
        &forged("actions.sandbox.jsonl", |text| text.replace("\"step\":5", "\"step\":500")),
        &["actions.sandbox.jsonl, line 1", "step"],
    );
}

#[test]
fn damaged_ogg_is_named_not_trusted() {
    let name = format!("tracks/{}.ogg", sample::ADA);
    let damaged = broken(|dir| {
        let mut bytes = fs::read(dir.join(&name)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xFF;
        fs::write(dir.join(&name), bytes).unwrap();
    });
    says(&damaged, &[&name, "SHA-256"]);
    assert!(damaged.lines().count() >= 2, "the page's own checksum is checked as well: {damaged}");
}

#[test]
fn a_folder_that_is_no_bundle_is_called_that() {
    let dir = tempfile::tempdir().unwrap();
    says(&problems(dir.path()), &["is not a bundle: it has no manifest.json"]);
    says(&problems(&dir.path().join("nowhere")), &["is not a bundle"]);
}

mod random {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn no_flipped_byte_anywhere_goes_unnoticed_or_makes_it_panic(
            file in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), bit in 0u8..8,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let manifest = sample::write(dir.path());
            let blobs: Vec<_> = manifest.blobs.iter().filter(|blob| blob.bytes > 0).collect();
            let path = dir.path().join(&blobs[file.index(blobs.len())].name);
            let mut bytes = fs::read(&path).unwrap();
            let i = byte.index(bytes.len());
            bytes[i] ^= 1 << bit;
            fs::write(&path, bytes).unwrap();
            prop_assert!(!problems(dir.path()).is_empty());
        }

        #[test]
        fn a_manifest_of_any_bytes_is_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("manifest.json"), bytes).unwrap();
            prop_assert!(Reader::open(dir.path()).is_err());
        }
    }
}
