//! Every line of every JSON Lines file gone, cut, doubled, and with odd fields, under digests that fit.
use serde_json::Value;

use super::{ODD, Patient, places, with, without};

const FILES: [&str; 5] = [
    "inputs.jsonl",
    "actions.production.jsonl",
    "actions.sandbox.jsonl",
    "timeline.jsonl",
    "transcripts.jsonl",
];

fn joined(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_bytes(), b"\n"]).flatten().copied().collect()
}

#[test]
fn a_missing_doubled_cut_or_invalid_line_names_its_file() {
    for file in FILES {
        let patient = Patient::new();
        let text = String::from_utf8(patient.read(file)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        // A timeline of a hundred lines like each other need not be tried in full.
        for n in (0..lines.len()).take(12) {
            let without: Vec<&str> = [&lines[..n], &lines[n + 1..]].concat();
            patient.forge(file, &joined(&without));
            patient.refused(&format!("{file} without line {n}"), &[file]);
            let doubled: Vec<&str> = [&lines[..=n], &lines[n..]].concat();
            patient.forge(file, &joined(&doubled));
            patient.refused(&format!("{file} with line {n} twice"), &[file]);
            let whole = lines[n];
            let middle = (0..=whole.len() / 2).rev().find(|at| whole.is_char_boundary(*at)).unwrap();
            let bom = format!("\u{FEFF}{whole}");
            let twice = format!("{whole}{whole}");
            for broken in ["", " ", "null", "[]", "{}", &whole[..middle], &bom, &twice, "\0"] {
                let mut changed = lines.clone();
                changed[n] = broken;
                patient.forge(file, &joined(&changed));
                let line = format!("{file}, line {}", n + 1);
                patient.refused(&format!("{line}: {broken:?}"), &[&line]);
            }
        }
        for (what, bytes) in [
            ("empty", Vec::new()),
            ("without its last end of line", text.trim_end().as_bytes().to_vec()),
            ("with half a line behind", [text.as_bytes(), b"{\"at\":"].concat()),
            ("in Latin-1", [b"\"\xE4\"\n", text.as_bytes()].concat()),
            ("deeply nested", [b"[".repeat(100_000).as_slice(), b"\n", text.as_bytes()].concat()),
            ("with a line of 5 MB", [b" ".repeat(5 << 20).as_slice(), b"\n", text.as_bytes()].concat()),
        ] {
            patient.forge(file, &bytes);
            patient.refused(&format!("{file} {what}"), &[file]);
        }
        // Without a digest that fits, the least change is enough.
        patient.forge(file, text.as_bytes());
        std::fs::write(patient.dir.join(file), text.replace('\n', "\r\n")).unwrap();
        patient.refused(&format!("{file} with other ends of lines"), &[file, "grown"]);
    }
}

#[test]
fn missing_or_odd_line_fields_are_refused_or_irrelevant() {
    let (mut refused, mut free) = (0, 0);
    for file in FILES {
        let patient = Patient::new();
        let text = String::from_utf8(patient.read(file)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mut kinds = std::collections::BTreeSet::new();
        for (n, line) in lines.iter().enumerate() {
            let whole: Value = serde_json::from_str(line).unwrap();
            // One line of each kind.
            let kind = |value: &Value| {
                [
                    "/type",
                    "/mark",
                    "/note/note",
                    "/input/input",
                    "/input/type",
                    "/action/action",
                    "/action/type",
                ]
                .iter()
                .filter_map(|at| value.pointer(at).and_then(Value::as_str).map(str::to_owned))
                .collect::<Vec<_>>()
            };
            if !kinds.insert(kind(&whole)) {
                continue;
            }
            for place in places(&whole) {
                let gone = without(&whole, &place).to_string();
                let odd = ODD.iter().map(|odd| with(&whole, &place, odd));
                for changed in std::iter::once(gone).chain(odd) {
                    let mut all = lines.clone();
                    all[n] = &changed;
                    patient.forge(file, &joined(&all));
                    let problems = patient.problems();
                    if problems.is_empty() {
                        // Understood as something, so it can be used as that.
                        free += 1;
                        continue;
                    }
                    refused += 1;
                    assert!(
                        problems.contains(file) || problems.contains("manifest.json"),
                        "{place}: {problems}"
                    );
                }
            }
        }
    }
    println!("{refused} refused, {free} free");
    assert!(refused > 3 * free, "{refused} refused, {free} free");
}

#[test]
fn odd_numbers_in_lines_make_nothing_take_long_or_panic() {
    for file in FILES {
        let patient = Patient::new();
        let text = String::from_utf8(patient.read(file)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (n, line) in lines.iter().enumerate().take(9) {
            let whole: Value = serde_json::from_str(line).unwrap();
            for place in places(&whole) {
                if !whole.pointer(&place).is_some_and(|value| value.is_number() || value.is_string()) {
                    continue;
                }
                let string = whole.pointer(&place).is_some_and(Value::is_string);
                for odd in ["9007199254740991", "18446744073709551615"] {
                    let odd = if string { format!("\"{odd}\"") } else { odd.to_owned() };
                    let changed = with(&whole, &place, &odd);
                    let mut all = lines.clone();
                    all[n] = &changed;
                    patient.forge(file, &joined(&all));
                    patient.use_texts();
                }
            }
        }
    }
}
