//! The files that only a bundle has which is being recorded: its head, the lock on it, and room kept for its end.
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::checkpoint::{CHECKPOINT, CHECKPOINT_NEW};
use crate::files::{sync_dir, write_json};
use crate::format::error::{BundleError, Doing, Result};
use crate::format::manifest::{Head, MANIFEST_OPEN, SCHEMA_VERSION};
use antiphon_core::private_files;

/// Room for what ending a recording takes, should the disk be full by then: the manifest, the tracks' last pages. What is
/// owed to the tracks of those who are away is written while the recording goes on.
pub(crate) const RESERVE: &str = "reserve.open";
const RESERVED: usize = 1 << 20;
/// The head is written under this name first, so that it is never there in part.
pub(crate) const OPEN_NEW: &str = "manifest.open.json.new";
/// The manifest is written under this name first.
pub(crate) const MANIFEST_NEW: &str = "manifest.json.new";

/// The timeline's end as recovery will have it, and the name it is written under first.
pub(crate) const REDO: &str = "timeline.redo.open";
pub(crate) const REDO_NEW: &str = "timeline.redo.open.new";

/// Held while a bundle is written. The system lets go of it when the process ends, however that ends.
#[derive(Debug)]
pub(crate) struct Lock(#[allow(dead_code, reason = "held, not read")] File);

/// Takes the lock on an open bundle; an error when somebody has it: the bundle is being recorded.
pub(crate) fn lock(dir: &Path) -> Result<Lock> {
    let path = dir.join(MANIFEST_OPEN);
    let file = File::open(&path).doing("open", &path)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(BundleError::Recording(dir.to_path_buf())),
        // A file system without locks: nothing can be known there.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Lock(file)),
    }
}

/// The same for a bundle whose recorder has just ended. A process that was being started meanwhile has the lock with all else
/// for a moment, until its own program takes over.
pub(crate) fn lock_soon(dir: &Path) -> Result<Lock> {
    for _ in 0..20 {
        match lock(dir) {
            Err(BundleError::Recording(_)) => std::thread::sleep(Duration::from_millis(10)),
            other => return other,
        }
    }
    lock(dir)
}

/// Whether a bundle in this folder is being recorded by a process that is alive.
pub fn is_being_recorded(dir: &Path) -> bool {
    matches!(lock(dir), Err(BundleError::Recording(_)))
}

/// Writes the head, whole or not at all, and holds the bundle from then on.
pub(crate) fn begin(dir: &Path, head: &Head) -> Result<Lock> {
    let open = serde_json::json!({ "schema_version": SCHEMA_VERSION, "open": true, "head": head });
    let new = dir.join(OPEN_NEW);
    write_json(&new, &open)?;
    fs::rename(&new, dir.join(MANIFEST_OPEN)).doing("rename", &new)?;
    let lock = lock(dir)?;
    reserve(dir)?;
    Ok(lock)
}

/// Not zeros: those take no room on some file systems.
fn reserve(dir: &Path) -> Result<()> {
    let path = dir.join(RESERVE);
    let mut file = private_files::create(&path).doing("create", &path)?;
    file.write_all(&vec![0xA5; RESERVED]).doing("write", &path)
}

/// Gives the kept room back.
pub(crate) fn give_room(dir: &Path) -> Result<()> {
    remove(dir, RESERVE)
}

/// Removes what only an open bundle has: the head last, for without a manifest it says what the folder is.
pub(crate) fn clear(dir: &Path) -> Result<()> {
    for name in [RESERVE, CHECKPOINT, CHECKPOINT_NEW, OPEN_NEW, MANIFEST_NEW, REDO, REDO_NEW, MANIFEST_OPEN] {
        remove(dir, name)?;
    }
    sync_dir(dir)
}

fn remove(dir: &Path, name: &str) -> Result<()> {
    let path = dir.join(name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).doing("remove", &path),
        _ => Ok(()),
    }
}
