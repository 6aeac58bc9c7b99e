//! Every blob cut, grown, exchanged, and replaced by what is no file.
use std::fs;
use std::os::unix::net::UnixListener;
use std::process::Command;

use antiphon_core::audio::SlotMark;
use antiphon_core::ids::UserId;
use bundle::{Head, PacketInfo, Reader, Tail, Writer};
use serde_json::{Value, json};

use super::{Patient, copy};
use crate::sample::{at, head, made_up_packet, packet};

fn names(patient: &Patient) -> Vec<String> {
    Reader::open(&patient.dir).unwrap().manifest().blobs.iter().map(|blob| blob.name.clone()).collect()
}

#[test]
fn blobs_of_another_length_are_refused_whatever_their_digest() {
    for name in names(&Patient::new()) {
        let patient = Patient::new();
        let whole = patient.read(&name);
        let n = whole.len();
        for (what, bytes) in [
            ("empty", Vec::new()),
            ("its first byte", whole[..1].to_vec()),
            ("half", whole[..n / 2].to_vec()),
            ("all but a byte", whole[..n - 1].to_vec()),
            ("a byte more", [whole.as_slice(), b"x"].concat()),
            ("a block of zeros more", [whole.as_slice(), &[0; 4096]].concat()),
            ("twice", [whole.as_slice(), &whole].concat()),
            ("zeros", vec![0; n]),
            ("ones", vec![0xFF; n]),
        ] {
            // `copy` keeps what was good for the next.
            patient.manifest(&patient.manifest);
            fs::write(patient.dir.join(&name), &bytes).unwrap();
            patient.refused(&format!("{name}: {what}"), &[&name]);
            patient.use_it();
            patient.forge(&name, &bytes);
            patient.refused(&format!("{name}: {what}, forged"), &[&name]);
            patient.use_it();
        }
    }
}

#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    for name in names(&Patient::new()).into_iter().chain(["manifest.json".into()]) {
        for what in ["folder", "pipe", "socket", "link to nowhere", "link to itself", "link to /dev/zero"] {
            let patient = Patient::new();
            let path = patient.dir.join(&name);
            fs::remove_file(&path).unwrap();
            let mut _listener = None;
            match what {
                "folder" => fs::create_dir(&path).unwrap(),
                "pipe" => assert!(Command::new("mkfifo").arg(&path).status().unwrap().success()),
                "socket" => _listener = Some(UnixListener::bind(&path).unwrap()),
                "link to nowhere" => std::os::unix::fs::symlink("nowhere", &path).unwrap(),
                "link to itself" => std::os::unix::fs::symlink(path.file_name().unwrap(), &path).unwrap(),
                _ => std::os::unix::fs::symlink("/dev/zero", &path).unwrap(),
            }
            patient.refused(&format!("{name}: a {what}"), &[&name, "not a regular file"]);
            patient.use_it();
        }
    }
}

/// Two people who speak in turns, packets of one length: their files are alike but for what is in them.
fn two(dir: &std::path::Path) {
    let mut writer = Writer::create(dir, Head { ..head() }).unwrap();
    for slot in 0..200u64 {
        for user in [1u64, 2] {
            let bytes = made_up_packet((slot + 7 * user) as u16);
            let speaks = slot / 25 % 2 == user % 2;
            let packet = packet(slot as u16, slot, &bytes);
            let (mark, packet): (_, Option<PacketInfo<'_>>) =
                if speaks { (SlotMark::Received, Some(packet)) } else { (SlotMark::Silent, None) };
            writer.slot(UserId(user), slot, mark, packet).unwrap();
        }
    }
    writer.seal(Tail { ended: at(4_000), ..Tail::default() }).unwrap();
}

#[test]
fn exchanged_tracks_are_found_even_with_fitting_digests() {
    let home = tempfile::tempdir().unwrap();
    let (dir, other) = (home.path().join("bundle"), home.path().join("other"));
    two(&dir);
    let (one, two) = ("tracks/1.ogg", "tracks/2.ogg");
    copy(&dir, &other);
    fs::copy(dir.join(one), other.join(two)).unwrap();
    fs::copy(dir.join(two), other.join(one)).unwrap();
    let found = |dir| Reader::open(dir).and_then(|reader| reader.verify(|_, _| {}));
    let problems = |dir| found(dir).map_or_else(|error| error.to_string(), |found| found.problems.join("\n"));
    assert_eq!(problems(&dir), "");
    let exchanged = problems(&other);
    assert!(exchanged.contains(one) && exchanged.contains(two), "{exchanged}");
    // With the digests exchanged as well.
    let path = other.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let blobs = manifest["blobs"].as_array_mut().unwrap();
    for blob in blobs.iter_mut() {
        let name = blob["name"].as_str().unwrap().to_owned();
        blob["name"] = json!(match name.as_str() {
            "tracks/1.ogg" => two,
            "tracks/2.ogg" => one,
            other => other,
        });
    }
    fs::write(&path, manifest.to_string()).unwrap();
    let exchanged = problems(&other);
    assert!(exchanged.contains("is not that of user 1"), "{exchanged}");
    // And in the manifest, each in the other's place.
    let mut manifest: Value = serde_json::from_slice(&fs::read(dir.join("manifest.json")).unwrap()).unwrap();
    manifest["tracks"][0]["blob"] = json!(two);
    manifest["tracks"][1]["blob"] = json!(one);
    fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
    let exchanged = problems(&dir);
    assert!(exchanged.contains(one) && exchanged.contains("is not that of user"), "{exchanged}");
    manifest["tracks"][0]["blob"] = json!(one);
    manifest["tracks"][1]["blob"] = json!(one);
    fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
    assert!(problems(&dir).contains("tracks[1].blob"), "{}", problems(&dir));
}
