//! Takes a bundle in from elsewhere: an archive that `export` wrote, or a folder. Nothing of it is believed.
//!
//! It is unpacked into a hidden folder next to its place, verified there to the last byte, and only then given its name.
//! What fails leaves nothing behind.
mod budget;
mod copy;
mod unpack;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::files::sync_dir;
use super::format::error::{BundleError, Doing, Result};
use super::format::manifest::TRACKS;
use super::read::reader::Reader;
use antiphon_core::ids::{GuildId, SessionId};
use antiphon_core::private_files;

/// What may be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in all, unpacked.
    pub total: u64,
    /// How many times the archive's size may come out of it. Runs of zeros don't count: they are stored as holes.
    pub ratio: u64,
}

impl Default for Limits {
    /// 32 GiB; 100 times. JSON lines shrink to a tenth or a thirtieth, tracks hardly at all.
    fn default() -> Self {
        Self { total: 32 << 30, ratio: 100 }
    }
}

/// What was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Where it is now.
    pub path: PathBuf,
    /// Its session.
    pub session: SessionId,
    /// Its guild.
    pub guild: GuildId,
    /// Its files' bytes.
    pub bytes: u64,
}

/// Takes `from` in as `home/<guild>/<session>`. `progress` gets bytes done and bytes in all.
pub fn import(
    from: &Path,
    home: &Path,
    limits: &Limits,
    mut progress: impl FnMut(u64, u64),
) -> Result<Imported> {
    private_files::create_dir_all(home).doing("create", home)?;
    let temporary = tempfile::Builder::new().prefix(".import-").tempdir_in(home).doing("create", home)?;
    let dir = temporary.path();
    private_files::create_dir_all(dir.join(TRACKS)).doing("create", dir)?;
    let meta = fs::metadata(from).doing("open", from)?;
    if meta.is_dir() {
        copy::copy(&Reader::open(from)?, dir, limits, &mut progress)?;
    } else {
        unpack::unpack(from, dir, limits, &mut progress)?;
    }
    let reader = Reader::open(dir).map_err(|error| unnamed(error, dir, from))?;
    let found = reader.verify(|_, _| {}).map_err(|error| unnamed(error, dir, from))?;
    // What the manifest does not name was compared with nothing.
    let problems: Vec<String> = found.problems.into_iter().chain(found.remarks).collect();
    if !problems.is_empty() {
        return Err(BundleError::NotWhole { path: from.to_path_buf(), problems });
    }
    let manifest = reader.manifest();
    let (guild, session) = (manifest.guild, manifest.session);
    let bytes = manifest.blobs.iter().map(|blob| blob.bytes).sum();
    let folder = home.join(guild.to_string());
    let path = folder.join(session.to_string());
    if path.symlink_metadata().is_ok() {
        return Err(BundleError::Exists(path));
    }
    private_files::create_dir_all(&folder).doing("create", &folder)?;
    for synced in [dir.join(TRACKS), dir.to_path_buf()] {
        sync_dir(&synced)?;
    }
    // A temporary folder is its maker's alone; a bundle is readable like its neighbours.
    fs::set_permissions(dir, fs::metadata(&folder).doing("look at", &folder)?.permissions())
        .doing("open", dir)?;
    fs::rename(dir, &path).doing("rename", dir)?;
    sync_dir(&folder)?;
    sync_dir(home)?;
    // It has another name by now: there is nothing to remove.
    let _moved = temporary.keep();
    Ok(Imported { path, session, guild, bytes })
}

/// The hidden folder is nobody's business: the error names what was to be taken in.
fn unnamed(error: BundleError, hidden: &Path, from: &Path) -> BundleError {
    match error {
        BundleError::NotABundle(path) if path == hidden => BundleError::NotABundle(from.to_path_buf()),
        BundleError::Unsealed(path) if path == hidden => BundleError::Unsealed(from.to_path_buf()),
        other => other,
    }
}
