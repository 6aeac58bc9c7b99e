//! One file, opened and read once: what looks at its content reads through what digests it.
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use super::problems::Problems;
use crate::format::error::{BundleError, Doing, Result};
use crate::format::manifest::Blob;
use crate::read::digest_reader::DigestReader;
use crate::read::reader::Reader;

/// Bytes read at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// A file that is digested while it is read.
pub(super) type Feed<'a> = BufReader<DigestReader<'a, File>>;

/// Opens a blob, lets `look` read as much of it as it likes, reads the rest, and compares length and digest. None when it
/// cannot be read.
pub(super) fn scan<T>(
    bundle: &Reader,
    blob: &Blob,
    read: &AtomicU64,
    digests: &mut Problems,
    check: impl FnOnce(&mut Feed<'_>, &Path) -> T,
) -> Option<T> {
    let open = || -> Result<_> {
        let path = bundle.path(blob)?;
        let file = File::open(&path).doing("open", &path)?;
        Ok((path, file))
    };
    let (path, file) = match open() {
        Ok(open) => open,
        Err(error) => {
            digests.add(error);
            return None;
        }
    };
    let mut feed = BufReader::with_capacity(BUFFER_BYTES, DigestReader::new(file, blob.bytes, read));
    let result = check(&mut feed, &path);
    match feed.into_inner().finish().doing("read", &path) {
        Err(error) => digests.add(error),
        Ok((_, sha256)) if sha256 != blob.sha256 => digests.add(BundleError::Digest {
            file: blob.name.clone(),
            expected: blob.sha256.to_string(),
            found: sha256.to_string(),
        }),
        Ok((bytes, _)) if bytes != blob.bytes => {
            digests.add(BundleError::Size { file: blob.name.clone(), expected: blob.bytes, found: bytes });
        }
        Ok(_) => {}
    }
    Some(result)
}
