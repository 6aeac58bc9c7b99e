//! Copying a bundle's files, with long silence left as holes.
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::Limits;
use crate::format::error::{BundleError, Doing, Result};
use crate::format::manifest::MANIFEST;
use crate::format::names;
use crate::read::reader::Reader;
use antiphon_core::private_files;

const BUFFER: usize = 64 * 1024;

/// Copies the manifest and the files it names.
pub(super) fn copy(
    from: &Reader,
    to: &Path,
    limits: &Limits,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<()> {
    let blobs = &from.manifest().blobs;
    let total: u64 = blobs.iter().map(|blob| blob.bytes).sum();
    if total > limits.total {
        return Err(BundleError::TooLarge {
            file: MANIFEST.into(),
            what: "the size of all blobs",
            found: total,
            limit: limits.total,
        });
    }
    let mut done = 0;
    for name in std::iter::once(MANIFEST).chain(blobs.iter().map(|blob| blob.name.as_str())) {
        let (path, bytes) = names::regular_file(from.dir(), name)?;
        let file = File::open(&path).doing("open", &path)?;
        let target = to.join(name);
        // A file that grew since it was opened is not followed: its digest will not fit.
        write_sparse(&target, file.take(bytes)).doing("copy", &target)?;
        done += bytes;
        progress(done.min(total), total);
    }
    Ok(())
}

/// Writes a new file, down to the disk; gives its size. Blocks of zeros become holes.
pub(super) fn write_sparse(to: &Path, mut from: impl Read) -> std::io::Result<u64> {
    if let Some(folder) = to.parent() {
        private_files::create_dir_all(folder)?;
    }
    let mut file = private_files::options().write(true).create_new(true).open(to)?;
    let mut buffer = vec![0; BUFFER];
    let mut size = 0u64;
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match from.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if filled == 0 {
            break;
        }
        if buffer[..filled].iter().all(|byte| *byte == 0) {
            file.seek(SeekFrom::Current(i64::try_from(filled).unwrap_or(i64::MAX)))?;
        } else {
            file.write_all(&buffer[..filled])?;
        }
        size += filled as u64;
    }
    file.set_len(size)?;
    file.sync_all()?;
    Ok(size)
}
