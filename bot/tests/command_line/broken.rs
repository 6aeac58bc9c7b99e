//! Every command on bundles broken by hand: an error that names the file, an exit code, no panic, within little memory and
//! time.
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::{recorded, text};

/// The command with 4 GB of addresses at most, and a minute.
fn within_limits(home: &Path, args: &[&str]) -> Output {
    Command::new("sh")
        .args(["-c", "ulimit -v 4000000; exec timeout 60 \"$@\"", "sh", env!("CARGO_BIN_EXE_antiphon")])
        .args(args)
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .unwrap()
}

/// Every command that takes a bundle; `{}` stands for one, `{out}` for a place to write to.
const COMMANDS: [&[&str]; 15] = [
    &["bundle", "inspect", "{}"],
    &["bundle", "verify", "{}"],
    &["bundle", "export", "{}", "--format", "archive", "--out", "{out}"],
    &["bundle", "export", "{}", "--format", "wav", "--out", "{out}"],
    &["bundle", "export", "{}", "--format", "mix", "--out", "{out}"],
    &["bundle", "export", "{}", "--format", "vtt", "--out", "{out}"],
    &["bundle", "export", "{}", "--format", "plot", "--out", "{out}"],
    &["bundle", "export", "{}", "--format", "audacity", "--out", "{out}"],
    &["bundle", "import", "{}"],
    &["bundle", "anonymize", "{}", "{out}"],
    &["bundle", "recover", "{}"],
    &["bundle", "play", "{}", "--text"],
    &["replay", "{}"],
    &["diff", "{}"],
    &["diff", "{}", "{whole}"],
];

/// How a bundle is broken, what is said of it, and how.
type Break = (&'static str, &'static str, fn(&Path));

const BREAKS: [Break; 8] = [
    ("a manifest cut in half", "manifest.json, line", |dir| {
        let text = fs::read_to_string(dir.join("manifest.json")).unwrap();
        fs::write(dir.join("manifest.json"), &text[..text.len() / 2]).unwrap();
    }),
    ("a manifest of a gigabyte", "manifest.json: its size", |dir| {
        let file = fs::File::options().write(true).open(dir.join("manifest.json")).unwrap();
        file.set_len(1 << 30).unwrap();
    }),
    ("a version from the future", "schema_version is 7", |dir| {
        edit(dir, "\"schema_version\": 2", "\"schema_version\": 7");
    }),
    ("a name that leads out", "blobs[0].name", |dir| {
        edit(dir, "\"name\": \"actions.", "\"name\": \"../actions.");
    }),
    ("an absurd track", "tracks[0].end_slot", |dir| {
        edit(dir, "\"end_slot\": 120", "\"end_slot\": 133920000");
    }),
    ("a track cut short", "tracks/3.wav: has 99 bytes", |dir| {
        fs::File::options().write(true).open(dir.join("tracks/3.wav")).unwrap().set_len(99).unwrap();
    }),
    ("a pipe in a track's place", "tracks/3.wav: is a device or pipe", |dir| {
        fs::remove_file(dir.join("tracks/3.wav")).unwrap();
        assert!(Command::new("mkfifo").arg(dir.join("tracks/3.wav")).status().unwrap().success());
    }),
    ("inputs that are gone", "inputs.jsonl: named in manifest.json", |dir| {
        fs::remove_file(dir.join("inputs.jsonl")).unwrap();
    }),
];

fn edit(dir: &Path, what: &str, with: &str) {
    let text = fs::read_to_string(dir.join("manifest.json")).unwrap();
    assert!(text.contains(what), "{text}");
    fs::write(dir.join("manifest.json"), text.replacen(what, with, 1)).unwrap();
}

#[test]
fn every_command_refuses_what_is_broken() {
    let home = tempfile::tempdir().unwrap();
    let whole = recorded(home.path());
    let broken = home.path().join("broken");
    let out = home.path().join("out");
    for (what, words, break_it) in BREAKS {
        fs::create_dir_all(broken.join("tracks")).unwrap();
        for name in ["", "tracks"] {
            for entry in fs::read_dir(Path::new(&whole).join(name)).unwrap().flatten() {
                if entry.file_type().unwrap().is_file() {
                    fs::copy(entry.path(), broken.join(name).join(entry.file_name())).unwrap();
                }
            }
        }
        break_it(&broken);
        std::thread::scope(|scope| {
            for (n, command) in COMMANDS.into_iter().enumerate() {
                let out = out.with_extension(n.to_string());
                let (home, whole, broken) = (home.path(), &whole, &broken);
                scope.spawn(move || {
                    let fill = |arg: &&str| match *arg {
                        "{}" => broken.to_str().unwrap().to_owned(),
                        "{out}" => out.to_str().unwrap().to_owned(),
                        "{whole}" => whole.clone(),
                        other => other.to_owned(),
                    };
                    let args: Vec<String> = command.iter().map(fill).collect();
                    let args: Vec<&str> = args.iter().map(String::as_str).collect();
                    let output = within_limits(home, &args);
                    let said = text(&output);
                    assert_eq!(output.status.code(), Some(1), "{what}: {command:?}: {said}");
                    assert!(said.contains(words), "{what}: {command:?}: {said}");
                    assert!(!said.contains("panicked"), "{what}: {command:?}: {said}");
                    assert!(!out.exists(), "{what}: {command:?} left something behind");
                });
            }
        });
        fs::remove_dir_all(&broken).unwrap();
    }
    let kept = home.path().join(".local/share/antiphon/bundles");
    assert_eq!(fs::read_dir(kept).into_iter().flatten().count(), 0, "nothing was taken in");
}
