//! Whether a bundle is whole and agrees with itself.
use std::collections::BTreeMap;
use std::fs;

use serde::Serialize;

use super::error::{BundleError, Doing, Result};
use super::files::digest_file;
use super::lines::TimelineLine;
use super::manifest::{MANIFEST, TrackFormat, TrackKind};
use super::ogg_packets::OggPackets;
use super::reader::Reader;
use crate::audio::{SLOT_SAMPLES_48K, SlotCounts};
use crate::ids::{Lane, UserId};

/// Problems listed at the most.
const MAX_PROBLEMS: usize = 100;

/// What verifying found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Verification {
    /// Files whose digests were compared.
    pub blobs: u64,
    /// Bytes read for it.
    pub bytes: u64,
    /// Packets found in the tracks, filled slots included.
    pub packets: u64,
    /// What is wrong; empty for a whole bundle.
    pub problems: Vec<String>,
    /// What is odd, but not wrong: files that the manifest doesn't name.
    pub remarks: Vec<String>,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn whole(&self) -> bool {
        self.problems.is_empty()
    }

    fn problem(&mut self, problem: impl ToString) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem.to_string());
        }
    }
}

impl Reader {
    /// Reads every byte: digests, then every line, then every packet. `progress` gets bytes done and bytes in all.
    /// Problems are collected; only a file system that fails is an error.
    pub fn verify(&self, mut progress: impl FnMut(u64, u64)) -> Result<Verification> {
        let mut found = Verification::default();
        let total = self.manifest().blobs.iter().map(|blob| blob.bytes).sum();
        for blob in &self.manifest().blobs {
            let digested = self.path(blob).and_then(|path| digest_file(&path));
            match digested {
                Ok((_, sha256)) if sha256 != blob.sha256 => found.problem(BundleError::Digest {
                    file: blob.name.clone(),
                    expected: blob.sha256.to_string(),
                    found: sha256.to_string(),
                }),
                Ok((bytes, _)) if bytes != blob.bytes => found.problem(BundleError::Size {
                    file: blob.name.clone(),
                    expected: blob.bytes,
                    found: bytes,
                }),
                Ok(_) => {}
                Err(error) => found.problem(error),
            }
            found.blobs += 1;
            found.bytes += blob.bytes;
            progress(found.bytes, total);
        }
        self.check_lines(&mut found);
        self.check_timeline(&mut found);
        self.check_tracks(&mut found);
        self.look_for_strangers(&mut found)?;
        Ok(found)
    }

    /// Counts agree, and actions refer to inputs that are there.
    fn check_lines(&self, found: &mut Verification) {
        let counts = self.manifest().counts;
        let inputs = match self.inputs().and_then(count) {
            Ok(lines) => lines,
            Err(error) => return found.problem(error),
        };
        let transcripts = self.transcripts().and_then(count);
        let stated =
            [("inputs", counts.inputs, Ok(inputs)), ("transcripts", counts.transcripts, transcripts)];
        for (name, expected, lines) in stated {
            match lines {
                Ok(lines) if lines != expected => {
                    found.problem(format!(
                        "{name}.jsonl: {lines} lines, manifest.json (counts.{name}) says {expected}"
                    ));
                }
                Ok(_) => {}
                Err(error) => found.problem(error),
            }
        }
        for (lane, expected) in
            [(Lane::Production, counts.production_actions), (Lane::Sandbox, counts.sandbox_actions)]
        {
            let file = super::manifest::actions_file(lane);
            let (mut lines, mut last) = (0, 0);
            let actions = match self.actions(lane) {
                Ok(actions) => actions,
                Err(error) => {
                    found.problem(error);
                    continue;
                }
            };
            for line in actions {
                lines += 1;
                match line {
                    Ok(line) if line.step >= inputs || line.step < last => found.problem(format!(
                        "{file}, line {lines}: step: {} after step {last}, with {inputs} inputs",
                        line.step
                    )),
                    Ok(line) => last = line.step,
                    Err(error) => found.problem(error),
                }
            }
            if lines != expected {
                found.problem(format!("{file}: {lines} lines, manifest.json (counts) says {expected}"));
            }
        }
    }

    /// Runs don't overlap, marks add up, and withheld slots carry nothing.
    fn check_timeline(&self, found: &mut Verification) {
        let timeline = match self.timeline() {
            Ok(timeline) => timeline,
            Err(error) => return found.problem(error),
        };
        let mut marks: BTreeMap<UserId, (u64, SlotCounts)> = BTreeMap::new();
        for (n, line) in (1..).zip(timeline) {
            let run = match line {
                Ok(TimelineLine::Slots(run)) => run,
                Ok(_) => continue,
                Err(error) => return found.problem(error),
            };
            let (next, counts) = marks.entry(run.user).or_default();
            if run.first_slot < *next {
                found.problem(format!(
                    "timeline.jsonl, line {n}: first_slot: {} overlaps the run before it, which ends at {next}",
                    run.first_slot
                ));
            }
            *next = run.first_slot + run.slots;
            counts.add_many(run.mark, run.slots);
        }
        for (i, track) in
            self.manifest().tracks.iter().enumerate().filter(|(_, track)| track.kind == TrackKind::Speaker)
        {
            let (end, counts) = marks.remove(&track.user).unwrap_or_default();
            if counts != track.marks {
                found.problem(format!(
                    "{MANIFEST}: tracks[{i}].marks: the timeline has other marks for {}",
                    track.user
                ));
            }
            if end != track.end_slot {
                found.problem(format!("{MANIFEST}: tracks[{i}].end_slot: the timeline ends at {end}"));
            }
        }
        if let Some(user) = marks.keys().next() {
            found.problem(format!("{MANIFEST}: tracks: user {user} is in the timeline, but has no track"));
        }
    }

    /// Every page and packet can be read, and every packet of the timeline is there.
    fn check_tracks(&self, found: &mut Verification) {
        for track in &self.manifest().tracks {
            let checked = match track.format {
                Some(TrackFormat::OggOpus) => self.check_ogg(track),
                Some(TrackFormat::Wav) => self.pcm(track, track.rate).and_then(count).map(|_| 0),
                None => continue,
            };
            match checked {
                Ok(packets) => found.packets += packets,
                Err(error) => found.problem(error),
            }
        }
    }

    fn check_ogg(&self, track: &super::manifest::Track) -> Result<u64> {
        let blob = self.blob_of(track)?;
        let mut packets = OggPackets::open(&self.path(blob)?, &blob.name)?;
        let mut n = 0;
        while packets.next_packet()?.is_some() {
            n += 1;
        }
        if packets.samples() < track.end_slot * SLOT_SAMPLES_48K as u64 {
            return Err(BundleError::Track {
                file: blob.name.clone(),
                message: format!(
                    "ends at sample {}, before its last slot {}",
                    packets.samples(),
                    track.end_slot
                ),
            });
        }
        for packet in self.packets(track.user)? {
            packet?;
        }
        Ok(n)
    }

    fn look_for_strangers(&self, found: &mut Verification) -> Result<()> {
        let named =
            |name: &str| name == MANIFEST || self.manifest().blobs.iter().any(|blob| blob.name == name);
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let path = self.dir().join(&folder);
            for entry in fs::read_dir(&path).doing("read", &path)?.flatten() {
                let name = format!("{folder}{}", entry.file_name().to_string_lossy());
                let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_dir && folder.is_empty() {
                    folders.push(format!("{name}/"));
                } else if !named(&name) && found.remarks.len() < MAX_PROBLEMS {
                    found.remarks.push(format!("{name}: not named in manifest.json"));
                }
            }
        }
        Ok(())
    }
}

fn count<T>(lines: impl Iterator<Item = Result<T>>) -> Result<u64> {
    let mut n = 0;
    for line in lines {
        line?;
        n += 1;
    }
    Ok(n)
}
