//! A bundle's life on the command line: recorded, cut off, found, recovered, packed, taken in, deleted.
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::{antiphon, bytes_of, speech, text};

fn recorded(home: &Path) -> PathBuf {
    std::fs::write(home.join("talk.raw"), bytes_of(&speech()[..32_000])).unwrap();
    let bundle = home.join("talk.bundle");
    let output = antiphon(home)
        .args(["capture", "--rate", "16000", "--channels", "1", "--speed", "8", "--pcm"])
        .arg(home.join("talk.raw"))
        .arg("--out")
        .arg(&bundle)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    bundle
}

fn run(home: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = antiphon(home).args(args).stdin(Stdio::null()).output().unwrap();
    (output.status.code(), text(&output))
}

#[test]
fn a_bundle_is_packed_taken_in_and_deleted() {
    let home = tempfile::tempdir().unwrap();
    let bundle = recorded(home.path());
    let archive = home.path().join("talk.tar.zst");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let exported = run(home.path(), &["bundle", "export", &path(&bundle), "--out", &path(&archive)]);
    assert_eq!(exported.0, Some(0), "{}", exported.1);
    let imported = run(home.path(), &["bundle", "import", &path(&archive), "--json"]);
    assert_eq!(imported.0, Some(0), "{}", imported.1);
    let said: serde_json::Value = serde_json::from_str(&imported.1).unwrap();
    let place = said["path"].as_str().unwrap();
    let listed = run(home.path(), &["bundle", "list"]);
    assert!(listed.1.contains(place), "{}", listed.1);
    let again = run(home.path(), &["bundle", "import", &path(&archive)]);
    assert!(again.0 == Some(1) && again.1.contains("exists already"), "{}", again.1);

    let unasked = run(home.path(), &["bundle", "delete", place]);
    assert!(unasked.0 == Some(1) && unasked.1.contains("--yes"), "{}", unasked.1);
    assert!(Path::new(place).exists());
    let deleted = run(home.path(), &["bundle", "delete", place, "--yes"]);
    assert_eq!(deleted.0, Some(0), "{}", deleted.1);
    assert!(deleted.1.contains("The ledger keeps its rows"), "{}", deleted.1);
    assert!(!Path::new(place).exists());
    let gone = run(home.path(), &["bundle", "delete", place, "--yes"]);
    assert!(gone.0 == Some(1) && gone.1.contains("does not exist"), "{}", gone.1);
    assert!(run(home.path(), &["bundle", "list"]).1.contains("No session"));
}

#[test]
fn running_recordings_are_left_alone_and_cut_off_ones_recovered() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let bundle = home.join(".local/share/antiphon/bundles/1/cut");
    std::fs::create_dir_all(bundle.parent().unwrap()).unwrap();
    let mut child = antiphon(home)
        .args(["capture", "--pcm", "-", "--rate", "16000", "--channels", "1", "--out"])
        .arg(&bundle)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut pipe, &bytes_of(&speech()[..16_000])).unwrap();
    let begun = Instant::now();
    while !bundle.join("checkpoint.open.json").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the recording did not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    let path = bundle.to_str().unwrap();
    for command in [&["bundle", "recover", path][..], &["bundle", "delete", path, "--yes"]] {
        let (code, said) = run(home, command);
        assert!(code == Some(1) && said.contains("is being recorded right now"), "{command:?}: {said}");
    }
    assert!(run(home, &["bundle", "list"]).1.contains("is being recorded"));
    child.kill().unwrap();
    child.wait().unwrap();

    let listed = run(home, &["bundle", "list"]).1;
    assert!(listed.contains("was cut off") && listed.contains("bundle recover"), "{listed}");
    let doctor = run(home, &["doctor"]).1;
    assert!(doctor.contains("1 recording was cut off") && doctor.contains("recover --all"), "{doctor}");
    let (code, said) = run(home, &["bundle", "recover", "--all"]);
    assert!(code == Some(0) && said.contains("is whole now") && said.contains("inputs.jsonl"), "{said}");
    assert!(run(home, &["bundle", "recover", "--all"]).1.contains("was cut off."), "nothing is left to do");
    assert!(run(home, &["bundle", "recover", path]).1.contains("is whole already"));
    assert_eq!(run(home, &["bundle", "verify", path]).0, Some(0));
    assert!(run(home, &["doctor"]).1.contains("no recording was cut off"));
}
