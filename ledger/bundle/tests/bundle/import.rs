//! Bundles taken in from elsewhere: whole ones appear, anything else is refused and leaves nothing behind.
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use bundle::import::{Imported, Limits, import};
use bundle::{BundleError, Reader, export};
use tar::{EntryType, Header};

use crate::sample;

fn take_in(from: &Path, home: &Path) -> Result<Imported, BundleError> {
    import(from, home, &Limits::default(), |_, _| {})
}

/// The sample as an archive, and a place to take it in.
fn archive() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    sample::write(&dir.path().join("bundle"));
    let archive = dir.path().join("talk.tar.zst");
    export::archive(&Reader::open(&dir.path().join("bundle")).unwrap(), &archive, |_, _| {}).unwrap();
    let home = dir.path().join("bundles");
    (dir, archive, home)
}

/// Everything under a folder, hidden things included.
fn everything(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        found.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            found.extend(everything(&entry.path()));
        }
    }
    found
}

struct Entry<'a> {
    name: &'a [u8],
    kind: EntryType,
    link: &'a str,
    content: &'a [u8],
}

fn file<'a>(name: &'a str, content: &'a [u8]) -> Entry<'a> {
    Entry { name: name.as_bytes(), kind: EntryType::Regular, link: "", content }
}

/// A tar.zst with whatever names and kinds: the tar crate would refuse to write most of them.
fn forge(dir: &Path, entries: &[Entry<'_>]) -> PathBuf {
    let path = dir.join("forged.tar.zst");
    let mut out = zstd::Encoder::new(fs::File::create(&path).unwrap(), 1).unwrap();
    for entry in entries {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..entry.name.len()].copy_from_slice(entry.name);
        header.as_old_mut().linkname[..entry.link.len()].copy_from_slice(entry.link.as_bytes());
        header.set_entry_type(entry.kind);
        header.set_mode(0o644);
        header.set_size(entry.content.len() as u64);
        header.set_cksum();
        out.write_all(header.as_bytes()).unwrap();
        out.write_all(entry.content).unwrap();
        out.write_all(&vec![0; entry.content.len().wrapping_neg() % 512]).unwrap();
    }
    out.write_all(&[0; 1024]).unwrap();
    out.finish().unwrap();
    path
}

#[track_caller]
fn refused(entries: &[Entry<'_>], words: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside");
    fs::write(&outside, "as it was").unwrap();
    let archive = forge(dir.path(), entries);
    let home = dir.path().join("data/bundles");
    let error = take_in(&archive, &home).unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
    assert_eq!(everything(&home), Vec::<PathBuf>::new(), "nothing is left behind");
    assert_eq!(fs::read_to_string(outside).unwrap(), "as it was");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "nothing was written elsewhere");
}

#[test]
fn an_exported_archive_comes_back_as_it_was() {
    let (dir, archive, home) = archive();
    let mut seen = (0, 0);
    let imported = import(&archive, &home, &Limits::default(), |done, total| seen = (done, total)).unwrap();
    assert_eq!(seen.0, seen.1, "progress ends at the whole");
    let original = Reader::open(&dir.path().join("bundle")).unwrap();
    let manifest = original.manifest();
    let place = home.join(manifest.guild.to_string()).join(manifest.session.to_string());
    assert_eq!(imported.path, place);
    let reader = Reader::open(&place).unwrap();
    assert_eq!(reader.manifest(), manifest);
    assert!(reader.verify(|_, _| {}).unwrap().whole());
    let error = take_in(&archive, &home).unwrap_err();
    assert!(matches!(error, BundleError::Exists(path) if path == place), "nothing is written over");
    assert_eq!(fs::read_dir(&home).unwrap().count(), 1, "no hidden folder is left");
}

#[test]
fn a_folder_imports_like_an_archive_unless_broken() {
    let (dir, _, home) = archive();
    let from = dir.path().join("bundle");
    let imported = take_in(&from, &home).unwrap();
    assert!(Reader::open(&imported.path).unwrap().verify(|_, _| {}).unwrap().whole());

    fs::remove_dir_all(&home).unwrap();
    let path = from.join("inputs.jsonl");
    let text = fs::read_to_string(&path).unwrap().replace("What time", "What crim");
    fs::write(&path, text).unwrap();
    let error = take_in(&from, &home).unwrap_err().to_string();
    assert!(error.contains("inputs.jsonl") && error.contains("SHA-256"), "{error}");
    fs::remove_file(from.join("manifest.json")).unwrap();
    assert!(take_in(&from, &home).unwrap_err().to_string().contains("not a bundle"));
    fs::write(from.join("manifest.open.json"), "{}").unwrap();
    assert!(matches!(take_in(&from, &home), Err(BundleError::Unsealed(path)) if path == from));
    assert_eq!(everything(&home), Vec::<PathBuf>::new());
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in [
        "../outside",
        "s/../outside",
        "/etc/passwd",
        "s/../../outside",
        "s/a/../b",
        "s/tracks/deep/x",
        "s//x",
    ] {
        refused(&[file("s/a", b"1"), file(name, b"2")], &["forged.tar.zst", name, "refused"]);
    }
    refused(&[file("s/a", b"1"), file("t/b", b"2")], &["t/b", "another folder"]);
    refused(&[file("loose", b"1")], &["loose", "does not lie in the bundle's folder"]);
    refused(&[file("s/.hidden", b"1")], &["hidden file"]);
    refused(&[Entry { name: b"s/\xFF", kind: EntryType::Regular, link: "", content: b"1" }], &["not UTF-8"]);
}

#[test]
fn links_devices_and_records_that_rename_are_refused() {
    let odd = |kind, link| Entry { name: b"s/tracks", kind, link, content: b"" };
    refused(
        &[odd(EntryType::Symlink, "../../outside"), file("s/tracks/x", b"1")],
        &["s/tracks", "a symlink"],
    );
    refused(&[odd(EntryType::Link, "../outside")], &["a hard link"]);
    refused(&[odd(EntryType::Char, "")], &["a device"]);
    refused(&[odd(EntryType::Block, "")], &["a device"]);
    refused(&[odd(EntryType::Fifo, "")], &["a pipe"]);
    refused(&[odd(EntryType::GNUSparse, "")], &["a sparse file"]);
    refused(&[odd(EntryType::Continuous, "")], &["of a kind that no bundle has"]);
    let global =
        Entry { name: b"g", kind: EntryType::XGlobalHeader, link: "", content: b"16 size=1000000\n" };
    refused(&[global, file("s/a", b"1")], &["renames other entries"]);
    let long =
        Entry { name: b"././@LongLink", kind: EntryType::GNULongName, link: "", content: b"../outside\0" };
    refused(&[long, file("s/a", b"1")], &["renames other entries"]);
    let pax = Entry { name: b"s/pax", kind: EntryType::XHeader, link: "", content: b"20 path=../outside\n" };
    refused(&[pax, file("s/a", b"1")], &["renames other entries"]);
}

#[test]
fn the_same_name_twice_is_refused_whatever_its_case() {
    refused(&[file("s/a.jsonl", b"1"), file("s/a.jsonl", b"2")], &["s/a.jsonl", "stands there already"]);
    refused(&[file("s/a.jsonl", b"1"), file("s/A.jsonl", b"2")], &["s/A.jsonl", "stands there already"]);
}

#[test]
fn half_written_bundles_and_unlisted_files_are_refused() {
    refused(&[file("s/manifest.open.json", b"{}")], &["manifest.open.json", "never sealed"]);
    refused(&[file("s/inputs.jsonl", b"{}\n")], &["forged.tar.zst is not a bundle"]);
    let dir = tempfile::tempdir().unwrap();
    let manifest = sample::write(&dir.path().join("b"));
    let names: Vec<String> =
        manifest.blobs.iter().map(|blob| blob.name.clone()).chain(["manifest.json".into()]).collect();
    let contents: Vec<Vec<u8>> =
        names.iter().map(|name| fs::read(dir.path().join("b").join(name)).unwrap()).collect();
    let paths: Vec<String> = names.iter().map(|name| format!("s/{name}")).collect();
    let mut entries: Vec<Entry<'_>> =
        paths.iter().zip(&contents).map(|(path, content)| file(path, content)).collect();
    let whole = forge(dir.path(), &entries);
    take_in(&whole, &dir.path().join("home")).unwrap();
    entries.push(file("s/tracks/payload.sh", b"#!/bin/sh"));
    refused(&entries, &["tracks/payload.sh", "not named in manifest.json"]);
    entries.pop();
    // As `sample` again, with one digit of one digest changed, and with a version from the future.
    let last = contents.last().unwrap();
    let text = String::from_utf8(last.clone()).unwrap();
    let digest = manifest.blobs[0].sha256.to_string();
    let turned = format!("{}{}", if digest.starts_with('0') { '1' } else { '0' }, &digest[1..]);
    let forged = text.replace(&digest, &turned);
    *entries.last_mut().unwrap() = file("s/manifest.json", forged.as_bytes());
    refused(&entries, &[&manifest.blobs[0].name, "SHA-256"]);
    let future = text.replace("\"schema_version\": 2", "\"schema_version\": 7");
    *entries.last_mut().unwrap() = file("s/manifest.json", future.as_bytes());
    refused(&entries, &["schema_version is 7"]);
}

#[test]
fn bombs_and_absurd_sizes_stop_early() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    // 64 MiB of the same line in a few kilobytes.
    let line = b"{\"at\":1}\n".repeat(64 << 20 >> 3);
    let bomb = forge(dir.path(), &[file("s/inputs.jsonl", &line)]);
    assert!(fs::metadata(&bomb).unwrap().len() < 100_000);
    let error = take_in(&bomb, &home).unwrap_err().to_string();
    assert!(error.contains("inputs.jsonl") && error.contains("decompression bomb"), "{error}");
    assert_eq!(everything(&home), Vec::<PathBuf>::new());

    // 40 MiB of zeros are honest silence, but not more than is allowed in all.
    let zeros = vec![0; 40 << 20];
    let silence = forge(dir.path(), &[file("s/tracks/bot.wav", &zeros), file("s/tracks/a.wav", &zeros)]);
    let limits = Limits { total: 50 << 20, ..Limits::default() };
    let error = import(&silence, &home, &limits, |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("a.wav") && error.contains("allowed in all"), "{error}");
    let error = take_in(&silence, &home).unwrap_err();
    assert!(matches!(error, BundleError::NotABundle(_)), "unpacked, and then found to be none: {error}");

    // A size in the header that nothing stands behind.
    let path = dir.path().join("vast.tar.zst");
    let mut out = zstd::Encoder::new(fs::File::create(&path).unwrap(), 1).unwrap();
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..3].copy_from_slice(b"s/x");
    header.set_entry_type(EntryType::Regular);
    header.set_size(1 << 50);
    header.set_cksum();
    out.write_all(header.as_bytes()).unwrap();
    out.finish().unwrap();
    let error = take_in(&path, &home).unwrap_err();
    assert!(matches!(error, BundleError::TooLarge { found, .. } if found == 1 << 50), "{error}");
}

#[test]
fn silence_takes_no_room_after_it_was_taken_in() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let mut writer = bundle::Writer::create(&dir.path().join("b"), sample::head()).unwrap();
    // Two minutes of silence around one word of the bot's.
    writer.bot_voice(6_000, &[100; 960]).unwrap();
    let end = bundle::Tail { ended: sample::at(120_020), ..Default::default() };
    writer.seal(end).unwrap();
    let archive = dir.path().join("a.tar.zst");
    export::archive(&Reader::open(&dir.path().join("b")).unwrap(), &archive, |_, _| {}).unwrap();
    assert!(fs::metadata(&archive).unwrap().len() < 20_000);
    let imported = take_in(&archive, &dir.path().join("home")).unwrap();
    let wav = fs::metadata(imported.path.join("tracks/bot.wav")).unwrap();
    assert!(wav.len() > 11_000_000 && wav.blocks() * 512 < 1_000_000, "{} blocks", wav.blocks());
}

#[test]
fn damaged_archives_are_refused_wherever_they_break() {
    let (dir, archive, _) = archive();
    let bytes = fs::read(&archive).unwrap();
    let broken = dir.path().join("broken.tar.zst");
    for cut in [0, 3, 10, bytes.len() / 3, bytes.len() / 2, bytes.len() - 5] {
        fs::write(&broken, &bytes[..cut]).unwrap();
        let home = dir.path().join("home");
        let error = take_in(&broken, &home).unwrap_err().to_string();
        assert!(error.contains("broken.tar.zst"), "cut at {cut}: {error}");
        assert_eq!(everything(&home), Vec::<PathBuf>::new());
    }
    // Something behind the end: another frame, or what is none.
    let more = zstd::encode_all(&b"more"[..], 1).unwrap();
    for behind in [more.as_slice(), b"no frame at all"] {
        fs::write(&broken, [bytes.as_slice(), behind].concat()).unwrap();
        let error = take_in(&broken, &dir.path().join("home")).unwrap_err().to_string();
        assert!(error.contains("broken.tar.zst"), "{error}");
        assert_eq!(everything(&dir.path().join("home")), Vec::<PathBuf>::new());
    }
    let mut flipped = bytes;
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    fs::write(&broken, flipped).unwrap();
    assert!(take_in(&broken, &dir.path().join("home")).is_err());
    fs::write(&broken, b"PK\x03\x04 not zstd at all").unwrap();
    assert!(take_in(&broken, &dir.path().join("home")).unwrap_err().to_string().contains("broken.tar.zst"));
}
