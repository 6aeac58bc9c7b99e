//! Bundles made by somebody who wants to break what reads them: digests fit, contents don't. Each is refused or shown;
//! nothing panics and nothing grows without bound.
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use antiphon_core::ids::Lane;
use bundle::{Reader, export};
use parity::diff::{Tolerances, compare, load};
use parity::report::ParityReport;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::session::{self, ADA, script};

/// Does everything that can be done with a bundle. What it says about it does not matter here.
fn use_it_all(dir: &Path) {
    let Ok(reader) = Reader::open(dir) else { return };
    let _ = reader.verify(|_, _| {}).unwrap();
    let _ = reader.inspect(100);
    if let Ok(packets) = reader.packets(ADA) {
        let _ = packets.count();
    }
    let out = dir.join("out");
    let _ = export::mix(&reader, &out.join("mix.wav"), |_, _| {});
    let _ = export::vtt(&reader, &out.join("s.vtt"));
    let (Ok(a), Ok(b)) = (load::bundle(&reader, Lane::Production), load::bundle(&reader, Lane::Sandbox))
    else {
        return;
    };
    let parity = compare(&a, &b, &Tolerances::default());
    let report =
        ParityReport { runs: (&a, &b), parity: &parity, bundle: Some(&reader), chain: None, notes: vec![] };
    if let Ok(html) = report.html() {
        assert!(html.len() < 20 << 20, "a page of {} bytes", html.len());
    }
}

/// A bundle of a case's own.
fn bundle() -> tempfile::TempDir {
    static MODEL: OnceLock<tempfile::TempDir> = OnceLock::new();
    let model = MODEL.get_or_init(|| {
        let model = tempfile::tempdir().unwrap();
        session::write(model.path(), &script());
        model
    });
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("tracks")).unwrap();
    for folder in ["", "tracks"] {
        for entry in fs::read_dir(model.path().join(folder)).unwrap().flatten() {
            if entry.path().is_file() {
                fs::copy(entry.path(), dir.path().join(folder).join(entry.file_name())).unwrap();
            }
        }
    }
    dir
}

/// Few cases in every run; `PROPTEST_CASES` for more.
fn cases(usual: u32) -> ProptestConfig {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    ProptestConfig::with_cases(wanted.unwrap_or(usual))
}

/// Puts sizes and digests right.
fn forge(dir: &Path) {
    let path = dir.join("manifest.json");
    let Ok(mut manifest) = serde_json::from_slice::<Value>(&fs::read(&path).unwrap()) else { return };
    if let Some(blobs) = manifest["blobs"].as_array_mut() {
        for blob in blobs {
            let bytes = fs::read(dir.join(blob["name"].as_str().unwrap())).unwrap();
            blob["bytes"] = json!(bytes.len());
            blob["sha256"] = json!(antiphon_core::chain::Digest::of(&bytes));
        }
    }
    fs::write(path, manifest.to_string()).unwrap();
}

/// Replaces the `n`th number or word of a JSON text.
fn twist(text: &str, n: prop::sample::Index, with: &str) -> String {
    let mut places = Vec::new();
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i].is_ascii_digit() {
            let from = i;
            while i < bytes.len() && bytes[i].is_ascii_digit() {
                i += 1;
            }
            places.push((from, i));
        } else {
            i += 1;
        }
    }
    let (from, to) = places[n.index(places.len())];
    format!("{}{with}{}", &text[..from], &text[to..])
}

/// The checksum of Ogg pages (RFC 3533, section 6): CRC-32 with 0x04c11db7, unreflected, from 0.
fn ogg_crc(page: &[u8]) -> u32 {
    page.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| {
            if crc >> 31 == 1 { (crc << 1) ^ 0x04c1_1db7 } else { crc << 1 }
        })
    })
}

/// Puts the checksums of all pages right, as far as pages can be found.
fn forge_ogg(bytes: &mut [u8]) {
    let mut at = 0;
    while at + 27 <= bytes.len() && &bytes[at..at + 4] == b"OggS" {
        let segments = usize::from(bytes[at + 26]);
        let Some(lacing) = bytes.get(at + 27..at + 27 + segments) else { return };
        let end = at + 27 + segments + lacing.iter().map(|n| usize::from(*n)).sum::<usize>();
        if end > bytes.len() {
            return;
        }
        bytes[at + 22..at + 26].fill(0);
        let crc = ogg_crc(&bytes[at..end]);
        bytes[at + 22..at + 26].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
}

const NUMBERS: [&str; 8] =
    ["0", "18446744073709551615", "9223372036854775808", "4294967296", "-1", "1e300", "77777777", "\"x\""];
const FILES: [&str; 6] = [
    "manifest.json",
    "timeline.jsonl",
    "inputs.jsonl",
    "actions.sandbox.jsonl",
    "transcripts.jsonl",
    "actions.production.jsonl",
];

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn no_number_anywhere_breaks_a_reader(
        file in 0..FILES.len(), n in any::<prop::sample::Index>(), with in 0..NUMBERS.len(),
    ) {
        let dir = bundle();
        let path = dir.path().join(FILES[file]);
        let text = twist(&fs::read_to_string(&path).unwrap(), n, NUMBERS[with]);
        fs::write(&path, text).unwrap();
        if FILES[file] != "manifest.json" {
            forge(dir.path());
        }
        use_it_all(dir.path());
    }

    #[test]
    fn no_byte_breaks_a_reader_even_with_right_checksums(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let dir = bundle();
        let path = dir.path().join(format!("tracks/{ADA}.ogg"));
        let mut bytes = fs::read(&path).unwrap();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        forge_ogg(&mut bytes);
        fs::write(&path, bytes).unwrap();
        forge(dir.path());
        use_it_all(dir.path());
    }
}

#[test]
fn a_packet_that_never_ends_is_not_gathered_in_memory() {
    let dir = bundle();
    let path = dir.path().join(format!("tracks/{ADA}.ogg"));
    let mut bytes = fs::read(&path).unwrap();
    let serial: [u8; 4] = bytes[14..18].try_into().unwrap();
    // The two headers' pages stay; then pages that are all one packet.
    let second = bytes[4..].windows(4).position(|window| window == b"OggS").unwrap() + 4;
    let third = bytes[second + 4..].windows(4).position(|window| window == b"OggS").unwrap() + second + 4;
    bytes.truncate(third);
    for n in 2..200u32 {
        let mut page = b"OggS\0".to_vec();
        page.push(u8::from(n > 2));
        page.extend(u64::MAX.to_le_bytes());
        page.extend(serial);
        page.extend(n.to_le_bytes());
        page.extend([0; 4]);
        page.push(255);
        page.extend([255; 255]);
        page.extend(vec![0xFC; 255 * 255]);
        bytes.extend(page);
    }
    forge_ogg(&mut bytes);
    fs::write(&path, bytes).unwrap();
    forge(dir.path());
    let problems = Reader::open(dir.path()).unwrap().verify(|_, _| {}).unwrap().problems.join("\n");
    assert!(problems.contains("a packet goes on for more than 3 pages"), "{problems}");
}
