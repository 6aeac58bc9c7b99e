//! The result of verifying, and what files say of each other.
use serde::Serialize;

use super::problems::{MAX_PROBLEMS, Problems};
use super::{dispatch, unlisted_files};
use crate::format::error::Result;
use crate::read::reader::Reader;

/// What verifying found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Verification {
    /// Files whose digests were compared.
    pub blobs: u64,
    /// Bytes that they have by the manifest.
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
}

impl Reader {
    /// Reads every byte once: digests, lines, packets. `progress` gets bytes done and bytes in all. Problems are collected;
    /// only a file system that fails is an error.
    pub fn verify(&self, progress: impl FnMut(u64, u64)) -> Result<Verification> {
        let mut found = Verification {
            blobs: self.manifest().blobs.len() as u64,
            bytes: self.manifest().blobs.iter().map(|blob| blob.bytes).sum(),
            ..Verification::default()
        };
        let findings = dispatch::all(self, found.bytes, progress);
        let (mut digests, mut contents) = (Problems::default(), Problems::default());
        let (mut timeline, mut packet_slots) = (None, Vec::new());
        for mut part in findings {
            part.digests.0.into_iter().for_each(|problem| digests.add(problem));
            part.problems.0.into_iter().for_each(|problem| contents.add(problem));
            found.packets += part.packets;
            timeline = timeline.or(part.timeline.take());
            packet_slots.extend(part.packet_slots);
        }
        if let Some(timeline) = timeline {
            timeline.against_manifest(self.manifest(), &mut contents);
            timeline.against_tracks(&packet_slots, &mut contents);
        }
        for problem in digests.0.into_iter().chain(contents.0).take(MAX_PROBLEMS) {
            found.problems.push(problem);
        }
        unlisted_files::check(self, &mut found.remarks)?;
        Ok(found)
    }
}
