//! What is still in memory while recording, written down twice a second: runs that grow, and how many steps are whole.
//! With it recovery loses no more of the timeline than half a second. A sealed bundle has no such file.
use std::fs;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::format::error::{Doing, Result};
use crate::format::lines::SlotRun;
use crate::format::{json, names};
use antiphon_core::private_files;

/// The file's name.
pub(crate) const CHECKPOINT: &str = "checkpoint.open.json";
/// It is written under this name first.
pub(crate) const CHECKPOINT_NEW: &str = "checkpoint.open.json.new";

/// As it is written.
#[derive(Debug, Serialize)]
pub(crate) struct Snapshot<'a> {
    pub(crate) steps: u64,
    pub(crate) runs: Vec<&'a SlotRun>,
    pub(crate) played: Option<(u64, u64)>,
}

/// As it is read.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Checkpoint {
    /// Inputs whose actions are all written: of any after these that is not known.
    pub(crate) steps: u64,
    /// At most one growing run a speaker.
    pub(crate) runs: Vec<SlotRun>,
    /// The bot's growing run: first slot and how many.
    pub(crate) played: Option<(u64, u64)>,
}

/// Writes one in the place of the last. `sync`: it must be on disk before it takes that place, or a power cut could leave
/// neither of the two.
pub(crate) fn write(dir: &Path, snapshot: &Snapshot<'_>, sync: bool) -> Result<()> {
    let new = dir.join(CHECKPOINT_NEW);
    let bytes = serde_json::to_vec(snapshot).map_err(std::io::Error::from).doing("write", &new)?;
    let mut file = private_files::create(&new).doing("create", &new)?;
    file.write_all(&bytes).doing("write", &new)?;
    if sync {
        file.sync_data().doing("write", &new)?;
    }
    fs::rename(&new, dir.join(CHECKPOINT)).doing("rename", &new)
}

/// Reads it; none when there is none, or none that can be believed.
pub(crate) fn read(dir: &Path) -> Option<Checkpoint> {
    let (path, _) = names::regular_file(dir, CHECKPOINT).ok()?;
    let bytes = json::read_manifest(&path, CHECKPOINT).ok()?;
    let mut found: Checkpoint = json::parse(CHECKPOINT, 1, &bytes).ok()?;
    found.runs.retain(|run| run.fault().is_none());
    Some(found)
}
