//! Deleting a bundle: all of it or, when that fails half-way, none that could be taken for one.
use std::fs;
use std::path::Path;

use super::files::sync_dir;
use super::format::error::{BundleError, Doing, Result};
use super::format::manifest::{MANIFEST, MANIFEST_OPEN};
use super::format::names;
use super::write::open_files;

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Deleted {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Deletes a bundle, sealed or cut off. Refuses one that is being recorded, and any folder that is no bundle. The ledger
/// keeps its rows of the session: they are another record.
pub fn delete(dir: &Path) -> Result<Deleted> {
    let meta = dir.symlink_metadata().map_err(|_| BundleError::NotABundle(dir.to_path_buf()))?;
    if meta.is_symlink() || !meta.is_dir() {
        return Err(BundleError::NotABundle(dir.to_path_buf()));
    }
    let is_there = |name: &str| names::regular_file(dir, name).is_ok();
    if !is_there(MANIFEST) && !is_there(MANIFEST_OPEN) {
        return Err(BundleError::NotABundle(dir.to_path_buf()));
    }
    let lock = if is_there(MANIFEST_OPEN) { Some(open_files::lock(dir)?) } else { None };
    let mut deleted = Deleted { files: 0, bytes: 0 };
    count(dir, &mut deleted)?;
    let dir = dir.canonicalize().doing("look at", dir)?;
    let (Some(home), Some(name)) = (dir.parent(), dir.file_name()) else {
        return Err(BundleError::NotABundle(dir));
    };
    // Under a hidden name it is no bundle any more, whatever happens from here on.
    let doomed = home.join(format!(".deleted-{}", name.to_string_lossy()));
    fs::rename(&dir, &doomed).doing("rename", &dir)?;
    sync_dir(home)?;
    fs::remove_dir_all(&doomed).doing("remove", &doomed)?;
    drop(lock);
    sync_dir(home)?;
    Ok(deleted)
}

fn count(folder: &Path, deleted: &mut Deleted) -> Result<()> {
    for entry in fs::read_dir(folder).doing("read", folder)?.flatten() {
        let meta = entry.metadata().doing("look at", &entry.path())?;
        if meta.is_dir() {
            count(&entry.path(), deleted)?;
        } else {
            deleted.files += 1;
            deleted.bytes += meta.len();
        }
    }
    Ok(())
}
