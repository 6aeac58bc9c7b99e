//! Bundles broken by hand, thing after thing: whatever an editor could do to one. Each is refused with the file named, or
//! makes no difference that can be seen; nothing panics, takes long, or takes memory.
mod blobs;
mod lines;
mod manifest;
mod ogg;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use antiphon_core::chain::Digest;
use bundle::export::{Form, Mix};
use bundle::import::{Limits, import};
use bundle::{Reader, anonymize, export, recover};
use serde_json::{Value, json};

use crate::sample;

/// No operation on the sample, whatever was done to it, takes longer: a hundred times what it takes.
const LONG: Duration = Duration::from_secs(20);

/// A bundle to be broken and restored.
struct Patient {
    home: tempfile::TempDir,
    dir: PathBuf,
    manifest: Vec<u8>,
}

impl Patient {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("bundle");
        sample::write(&dir);
        let manifest = fs::read(dir.join("manifest.json")).unwrap();
        Self { home, dir, manifest }
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.dir.join(name)).unwrap()
    }

    /// With another manifest.
    fn manifest(&self, bytes: &[u8]) {
        fs::write(self.dir.join("manifest.json"), bytes).unwrap();
    }

    /// Rewrites a blob, with its size and digest put right, so that what is inside is looked at.
    fn forge(&self, name: &str, bytes: &[u8]) {
        fs::write(self.dir.join(name), bytes).unwrap();
        let mut manifest: Value = serde_json::from_slice(&self.manifest).unwrap();
        for blob in manifest["blobs"].as_array_mut().unwrap() {
            if blob["name"] == name {
                blob["bytes"] = json!(bytes.len());
                blob["sha256"] = json!(Digest::of(bytes));
            }
        }
        self.manifest(manifest.to_string().as_bytes());
    }

    /// What opening and verifying find; empty when nothing.
    fn problems(&self) -> String {
        match Reader::open(&self.dir) {
            Err(error) => error.to_string(),
            Ok(reader) => reader.verify(|_, _| {}).unwrap().problems.join("\n"),
        }
    }

    /// Does everything that can be done with a bundle. What comes of each does not matter, only that it comes, soon, and
    /// that nothing is left behind where nothing came.
    fn use_it(&self) {
        self.use_texts();
        let began = Instant::now();
        let out = self.home.path().join("out");
        if let Ok(reader) = Reader::open(&self.dir) {
            for form in [Form::Archive, Form::Wav, Form::Flac, Form::Ogg, Form::Mix, Form::Audacity] {
                let _ = export::write(&reader, form, &out.join(form.ending()), |_, _| {});
            }
            if let Ok(mix) = Mix::of(&reader, None) {
                let _ = mix.take(100).last();
            }
            let options = anonymize::Options { key: anonymize::Key::random(), terms: vec![], names: vec![] };
            let audio = anonymize::Audio::Drop;
            let _ = anonymize::anonymize(&reader, &out.join("copy"), &options, audio, |_, _| {});
        }
        let _ = import(&self.dir, &out.join("bundles"), &Limits::default(), |_, _| {});
        let _ = recover(&self.dir, "broken by hand");
        assert!(began.elapsed() < LONG, "it took {:?}", began.elapsed());
        let _ = fs::remove_dir_all(&out);
    }

    /// Does what is done with lines and manifests.
    fn use_texts(&self) {
        let began = Instant::now();
        let out = self.home.path().join("out");
        if let Ok(reader) = Reader::open(&self.dir) {
            let _ = reader.inspect(500);
            for form in [Form::Vtt, Form::Srt, Form::Plot] {
                let _ = export::write(&reader, form, &out.join(form.ending()), |_, _| {});
            }
        }
        assert!(began.elapsed() < LONG, "it took {:?}", began.elapsed());
        let _ = fs::remove_dir_all(&out);
    }

    /// What was broken is refused, and the words are in what is said of it.
    #[track_caller]
    fn refused(&self, what: &str, words: &[&str]) {
        let problems = self.problems();
        for word in words {
            assert!(problems.contains(word), "{what}: {word:?} is not in {problems:?}");
        }
        assert!(!problems.is_empty(), "{what}: nothing was found");
        let out = self.home.path().join("bundles");
        assert!(import(&self.dir, &out, &Limits::default(), |_, _| {}).is_err(), "{what}: it was taken in");
        let left = fs::read_dir(&out).into_iter().flatten().count();
        assert_eq!(left, 0, "{what}: something is left behind");
    }
}

/// Copies a bundle's folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("tracks")).unwrap();
    for folder in ["", "tracks"] {
        for entry in fs::read_dir(from.join(folder)).unwrap().flatten() {
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), to.join(folder).join(entry.file_name())).unwrap();
            }
        }
    }
}

/// Every place in a JSON value, as a pointer (RFC 6901), the whole excepted.
fn places(value: &Value) -> Vec<String> {
    fn walk(value: &Value, at: &str, found: &mut Vec<String>) {
        let mut child = |name: &str, value: &Value| {
            let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
            found.push(place.clone());
            walk(value, &place, found);
        };
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| child(name, value)),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(n, value)| child(&n.to_string(), value));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}

/// What is put in a field's place: JSON as text, for some of it is none.
const ODD: [&str; 14] = [
    "null",
    "true",
    "-1",
    "1.5",
    "1e999",
    "NaN",
    "18446744073709551615",
    "18446744073709551616",
    "\"x\"",
    "\"\"",
    "[]",
    "{}",
    "[[[[[[[[]]]]]]]]",
    "\"\\u0000\\\\../\\ud800\"",
];

/// The text of a value with something odd in one place.
fn with(value: &Value, place: &str, odd: &str) -> String {
    const MARK: &str = "\u{1}here\u{1}";
    let mut changed = value.clone();
    *changed.pointer_mut(place).unwrap() = json!(MARK);
    changed.to_string().replace(&json!(MARK).to_string(), odd)
}

/// The same with the place gone.
fn without(value: &Value, place: &str) -> Value {
    let mut changed = value.clone();
    let (parent, name) = place.rsplit_once('/').unwrap();
    match changed.pointer_mut(parent).unwrap() {
        Value::Object(fields) => drop(fields.shift_remove(name)),
        Value::Array(items) => drop(items.remove(name.parse().unwrap())),
        _ => unreachable!("only these have places"),
    }
    changed
}
