//! Room on the disk.
use std::path::Path;

use super::error::ModelError;

/// Room that is left for others.
const SPARE: u64 = 64 * 1024 * 1024;

/// Refuses when `folder`'s disk has no room for `needed` bytes more.
pub fn check_room(folder: &Path, needed: u64) -> Result<(), ModelError> {
    match free(folder) {
        Some(free) if free < needed.saturating_add(SPARE) => Err(ModelError::NoRoom {
            folder: folder.display().to_string(),
            free,
            needed: needed.saturating_add(SPARE),
        }),
        // Where the system does not say, a full disk is found out while writing.
        _ => Ok(()),
    }
}

/// Bytes free on a folder's disk; none when the system does not say.
#[cfg(unix)]
pub fn free(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Bytes free on a folder's disk; none when the system does not say.
#[cfg(not(unix))]
pub fn free(_folder: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_disk_has_is_refused_with_both_figures() {
        let dir = tempfile::tempdir().unwrap();
        check_room(dir.path(), 1).unwrap();
        let error = check_room(dir.path(), u64::MAX / 2).unwrap_err();
        assert!(matches!(error, ModelError::NoRoom { free, .. } if free > 0), "{error}");
        assert!(error.to_string().contains("ANTIPHON_MODELS"));
    }
}
