//! Whether a bundle is whole and agrees with itself.
//!
//! Each file is opened and read once: what looks at its content reads through what digests it. Files are read side by
//! side; what they say of each other is compared at the end.
mod decisions;
mod timeline;
mod tracks;
mod unlisted_files;
mod work;

use serde::Serialize;

use super::format::error::Result;
use super::read::reader::Reader;

/// Problems listed at the most.
const MAX_PROBLEMS: usize = 100;

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

/// What is wrong, as far as it is listed.
#[derive(Debug, Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, problem: impl ToString) {
        if self.0.len() < MAX_PROBLEMS {
            self.0.push(problem.to_string());
        }
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
        let looked = work::all(self, found.bytes, progress);
        let (mut digests, mut contents) = (Problems::default(), Problems::default());
        let (mut timeline, mut begins) = (None, Vec::new());
        for mut part in looked {
            part.digests.0.into_iter().for_each(|problem| digests.add(problem));
            part.problems.0.into_iter().for_each(|problem| contents.add(problem));
            found.packets += part.packets;
            timeline = timeline.or(part.timeline.take());
            begins.extend(part.begins);
        }
        if let Some(timeline) = timeline {
            timeline.against_manifest(self.manifest(), &mut contents);
            timeline.against_tracks(&begins, &mut contents);
        }
        for problem in digests.0.into_iter().chain(contents.0).take(MAX_PROBLEMS) {
            found.problems.push(problem);
        }
        unlisted_files::look(self, &mut found.remarks)?;
        Ok(found)
    }
}
