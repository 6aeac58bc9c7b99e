//! Every field of a manifest gone, or holding something odd.
use std::fs;

use serde_json::Value;

use super::{ODD, Patient, places, with, without};

/// Places whose value is anybody's word: it may be anything of its type, and nothing else in the bundle says what it was.
/// Of all the others a change is noticed.
fn is_free(place: &str) -> bool {
    const FREE: [&str; 14] = [
        "/session",
        "/guild",
        "/channel",
        "/bot",
        "/started",
        "/ended",
        "/end_reason",
        "/flags",
        "/settings",
        "/providers",
        "/seed",
        "/policies",
        "/versions",
        "/members",
    ];
    let field = |end: &str| place.starts_with("/tracks/") && place.ends_with(end);
    FREE.iter().any(|free| place.starts_with(free)) || place.starts_with("/ledger") || field("/name")
}

fn number(place: &str) -> bool {
    ["/bytes", "/rate", "/channels", "_slot"].iter().any(|end| place.ends_with(end))
        || place.contains("/marks/")
        || place.contains("/counts/")
}

#[test]
fn missing_or_odd_manifest_fields_are_refused_or_irrelevant() {
    let patient = Patient::new();
    let whole: Value = serde_json::from_slice(&patient.manifest).unwrap();
    let (mut refused, mut free) = (0, 0);
    for place in places(&whole) {
        let gone = without(&whole, &place).to_string();
        let odd = ODD.iter().map(|odd| (*odd, with(&whole, &place, odd)));
        for (how, text) in std::iter::once(("nothing", gone)).chain(odd) {
            patient.manifest(text.as_bytes());
            let problems = patient.problems();
            if problems.is_empty() {
                // What is there already is no change.
                let zero = how == "nothing" && whole.pointer(&place) == Some(&Value::from(0));
                let same = zero || serde_json::from_str::<Value>(&text).is_ok_and(|value| value == whole);
                assert!(same || is_free(&place), "{how} in the place of {place} was not noticed");
                free += 1;
                continue;
            }
            refused += 1;
            assert!(problems.contains("manifest.json"), "{how} in the place of {place}: {problems}");
            // The field is named, where it is the field that is wrong: of what is missing it is the one around it.
            let last = place.rsplit('/').next().unwrap();
            let named = last.parse::<usize>().is_ok() || last == "name" || problems.contains(last);
            assert!(
                named
                    || number(&place)
                    || how == "nothing"
                    || how == "NaN"
                    || how == "1e999"
                    || how.contains("ud800"),
                "{how} in the place of {place}: {problems}"
            );
        }
    }
    println!("{refused} refused, {free} free");
    assert!(refused > free, "{refused} refused, {free} free");
}

#[test]
fn whatever_stands_in_a_manifest_nothing_takes_long_or_panics() {
    let patient = Patient::new();
    let whole: Value = serde_json::from_slice(&patient.manifest).unwrap();
    // What opens, for what does not is refused by all alike: numbers at their limits, and empty texts and lists.
    for place in
        places(&whole).into_iter().filter(|place| !place.contains("/settings/") && !place.contains("/flags/"))
    {
        for odd in ["0", "4294967295", "9007199254740991", "18446744073709551615", "\"\"", "[]"] {
            patient.manifest(with(&whole, &place, odd).as_bytes());
            if bundle::Reader::open(&patient.dir).is_ok() {
                patient.use_it();
            }
        }
    }
}

#[test]
fn a_manifest_that_is_no_json_is_refused() {
    let patient = Patient::new();
    let text = String::from_utf8(patient.manifest.clone()).unwrap();
    let deep = |n: usize| format!("{{\"schema_version\":2,\"x\":{}{}}}", "[".repeat(n), "]".repeat(n));
    let broken: [(&str, Vec<u8>); 14] = [
        ("empty", vec![]),
        ("a BOM", [b"\xEF\xBB\xBF", text.as_bytes()].concat()),
        ("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("Latin-1", text.replace("Antiphon", "Antiphön").chars().map(|c| c as u8).collect()),
        ("NUL", [text.as_bytes(), b"\0"].concat()),
        ("more behind", [text.as_bytes(), b"{}"].concat()),
        ("cut in half", text.as_bytes()[..text.len() / 2].to_vec()),
        ("one byte less", text.trim_end().as_bytes()[..text.trim_end().len() - 1].to_vec()),
        ("a comment", text.replacen('{', "{ // mine\n", 1).into_bytes()),
        ("a comma too many", text.replacen("\n}", ",\n}", 1).into_bytes()),
        ("the same field twice", text.replacen("\"guild\"", "\"guild\": \"9\", \"guild\"", 1).into_bytes()),
        ("the same list twice", text.replacen("\"blobs\"", "\"blobs\": [], \"blobs\"", 1).into_bytes()),
        ("deeply nested", deep(100_000).into_bytes()),
        ("a list", format!("[{text}]").into_bytes()),
    ];
    for (what, bytes) in broken {
        patient.manifest(&bytes);
        patient.refused(what, &["manifest.json"]);
    }
    patient.manifest(text.replace('\n', "\r\n").as_bytes());
    assert_eq!(patient.problems(), "", "lines may end as they do elsewhere");
}

#[test]
fn a_gigabyte_manifest_is_not_read_to_its_end() {
    let patient = Patient::new();
    let file = fs::File::options().write(true).open(patient.dir.join("manifest.json")).unwrap();
    file.set_len(1 << 30).unwrap();
    patient.refused("a gigabyte", &["manifest.json: its size is", "more than the 16777216 allowed"]);
}

#[test]
fn names_that_no_bundle_has_are_refused() {
    let patient = Patient::new();
    let whole: Value = serde_json::from_slice(&patient.manifest).unwrap();
    for name in [
        "/etc/passwd",
        "../x",
        "tracks/../../x",
        "tracks//x",
        "./x",
        "C:\\x",
        "tracks\\x",
        "a:b",
        ".hidden",
        "a\\u0000b",
        "x.",
        "nul",
        "AUX.jsonl",
        "tracks/com1.ogg",
        "ä.ogg",
        "",
        " ",
        "a/b/c",
        "manifest.json",
        "Manifest.JSON",
        "manifest.open.json",
        "INPUTS.jsonl",
    ] {
        let odd = format!("\"{}\"", name.replace('\\', "\\\\").replace("\\\\u", "\\u"));
        patient.manifest(with(&whole, "/blobs/0/name", &odd).as_bytes());
        patient.refused(name, &["manifest.json", "blobs["]);
    }
    let long = format!("\"{}\"", "x".repeat(129));
    patient.manifest(with(&whole, "/blobs/0/name", &long).as_bytes());
    patient.refused("a long name", &["blobs[0].name", "longer than 128"]);
}
