//! Counts agree, and actions refer to inputs that are there.
use std::sync::atomic::AtomicU64;

use super::findings::Findings;
use super::problems::Problems;
use super::scan::scan;
use crate::format::error::Result;
use crate::format::json::JsonLines;
use crate::format::lines::{ActionLine, InputLine, TranscriptLine};
use crate::format::manifest::{INPUTS, MANIFEST, TRANSCRIPTS, actions_file};
use crate::read::reader::Reader;
use crate::write::roster::opens_turn;
use antiphon_core::ids::Lane;

pub(super) fn check(bundle: &Reader, read: &AtomicU64, findings: &mut Findings) {
    let counts = bundle.manifest().counts;
    let mut turns = 0;
    let inputs = count::<InputLine>(bundle, INPUTS, "inputs", counts.inputs, read, findings, |line| {
        turns += u64::from(opens_turn(&line.input));
    });
    if inputs.is_some() && turns != counts.turns {
        let stated = counts.turns;
        findings
            .problems
            .add(format!("{INPUTS}: {turns} turns are opened, {MANIFEST} (counts.turns) says {stated}"));
    }
    for (lane, field, expected) in [
        (Lane::Production, "production_actions", counts.production_actions),
        (Lane::Sandbox, "sandbox_actions", counts.sandbox_actions),
    ] {
        actions(bundle, lane, (field, expected), inputs, read, findings);
    }
    count::<TranscriptLine>(bundle, TRANSCRIPTS, "transcripts", counts.transcripts, read, findings, |_| {});
}

/// Reads every line; gives how many there are, or none when one is wrong.
fn count<T: serde::de::DeserializeOwned>(
    bundle: &Reader,
    name: &str,
    field: &str,
    expected: u64,
    read: &AtomicU64,
    findings: &mut Findings,
    mut see: impl FnMut(&T),
) -> Option<u64> {
    let Findings { digests, problems, .. } = findings;
    let blob = bundle.blob(name).map_err(|error| problems.add(error)).ok()?;
    let counted = scan(bundle, blob, read, digests, |feed, path| {
        JsonLines::<T, _>::over(feed, path, name).try_fold(0, |n, line| {
            see(&line?);
            Ok(n + 1)
        })
    })?;
    let lines: Result<u64> = counted;
    match lines {
        Ok(lines) => {
            compare(name, field, expected, lines, problems);
            Some(lines)
        }
        Err(error) => {
            problems.add(error);
            None
        }
    }
}

fn actions(
    bundle: &Reader,
    lane: Lane,
    (field, expected): (&str, u64),
    inputs: Option<u64>,
    read: &AtomicU64,
    findings: &mut Findings,
) {
    let Findings { digests, problems, .. } = findings;
    let name = actions_file(lane);
    let blob = match bundle.blob(name) {
        Ok(blob) => blob,
        Err(error) => return problems.add(error),
    };
    scan(bundle, blob, read, digests, |feed, path| {
        let (mut lines, mut last) = (0, 0);
        for line in JsonLines::<ActionLine, _>::over(feed, path, name) {
            lines += 1;
            match line {
                Ok(line) if line.step < last || inputs.is_some_and(|inputs| line.step >= inputs) => {
                    let of = inputs.map_or_else(String::new, |inputs| format!(", with {inputs} inputs"));
                    problems.add(format!("{name}, line {lines}: step: {} after step {last}{of}", line.step));
                }
                Ok(line) => last = line.step,
                // Nothing is read behind it, so there is nothing to count.
                Err(error) => return problems.add(error),
            }
        }
        compare(name, field, expected, lines, problems);
    });
}

fn compare(name: &str, field: &str, expected: u64, lines: u64, problems: &mut Problems) {
    if lines != expected {
        problems.add(format!("{name}: {lines} lines, {MANIFEST} (counts.{field}) says {expected}"));
    }
}
