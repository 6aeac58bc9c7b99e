//! Unpacks an archive as `export` writes it: plain files under one folder, and nothing else.
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use tar::EntryType;

use super::Limits;
use super::budget::Budget;
use super::copy::write_sparse;
use crate::format::error::{BundleError, Doing, Result};
use crate::format::manifest::MANIFEST_OPEN;
use crate::format::names;
use crate::format::validate::{MAX_BLOB, MAX_BLOBS};

/// zstd's window: 128 MiB, its own default. More would be memory asked for by a stranger.
const WINDOW_LOG: u32 = 27;

/// Unpacks `from` into `to`. Each refusal names the archive and the entry.
pub(super) fn unpack(
    from: &Path,
    to: &Path,
    limits: &Limits,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<()> {
    let archive = from.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = File::open(from).doing("open", from)?;
    let packed = file.metadata().doing("look at", from)?.len();
    entries(
        &archive,
        BufReader::new(Watched { from: file, done: 0, total: packed, progress }),
        packed,
        to,
        limits,
    )
}

/// The same from any reader.
pub(super) fn entries(
    archive: &str,
    from: impl std::io::BufRead,
    packed: u64,
    to: &Path,
    limits: &Limits,
) -> Result<()> {
    let fault = |entry: &str, message: String| BundleError::Archive {
        archive: archive.to_owned(),
        entry: entry.to_owned(),
        message,
    };
    let whole = "(the whole)";
    let mut zstd = zstd::Decoder::with_buffer(from).map_err(|error| fault(whole, error.to_string()))?;
    zstd.window_log_max(WINDOW_LOG).map_err(|error| fault(whole, error.to_string()))?;
    let mut tar = tar::Archive::new(Budget::new(zstd, packed, limits));
    let mut folder: Option<String> = None;
    let mut seen = BTreeSet::new();
    // Raw: records that rename the entry after them are entries of their own here, and refused like all that is odd.
    for entry in tar.entries().map_err(|error| fault(whole, error.to_string()))?.raw(true) {
        let mut entry = entry.map_err(|error| {
            fault(whole, format!("is no tar.zst archive as export writes them, or is damaged: {error}"))
        })?;
        let bytes = entry.path_bytes().into_owned();
        let shown: String = String::from_utf8_lossy(&bytes).chars().take(200).collect();
        let refuse = |why: &str| Err(fault(&format!("entry {shown:?}"), format!("refused: {why}")));
        let kind = entry.header().entry_type();
        let is_folder = kind == EntryType::Directory;
        if let Some(what) = odd(kind) {
            return refuse(what);
        }
        let Ok(path) = std::str::from_utf8(&bytes) else { return refuse("its name is not UTF-8") };
        let path = if is_folder { path.trim_end_matches('/') } else { path };
        let (top, name) = match path.split_once('/') {
            Some((top, name)) => (top, Some(name)),
            None => (path, None),
        };
        if let Some(why) = names::fault(top).or(name.and_then(names::fault)) {
            return refuse(why);
        }
        if folder.get_or_insert_with(|| top.to_owned()) != top {
            return refuse("it lies in another folder than the entries before it");
        }
        let Some(name) = name else {
            if is_folder {
                continue;
            }
            return refuse("it does not lie in the bundle's folder");
        };
        if is_folder {
            continue;
        }
        // Two names that differ in case only are one file on some systems.
        if !seen.insert(name.to_ascii_lowercase()) {
            return refuse("it stands there already");
        }
        if seen.len() > MAX_BLOBS + 1 {
            return refuse("there are too many entries");
        }
        if name == MANIFEST_OPEN {
            return refuse("a bundle that was never sealed is none");
        }
        let size = entry.header().size().map_err(|error| fault(&shown, error.to_string()))?;
        if size > MAX_BLOB.min(limits.total) {
            return Err(BundleError::TooLarge {
                file: shown,
                what: "its size in the archive",
                found: size,
                limit: MAX_BLOB.min(limits.total),
            });
        }
        let found = write_sparse(&to.join(name), (&mut entry).take(size))
            .map_err(|error| fault(&format!("entry {shown:?}"), error.to_string()))?;
        if found != size {
            return refuse(&format!("truncated: {found} bytes of {size}"));
        }
    }
    // To the very end: zstd compares its checksum there, and nothing may hide behind the last entry.
    let mut rest = tar.into_inner();
    let mut block = [0; 4096];
    loop {
        match rest.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(n) if block[..n].iter().all(|byte| *byte == 0) => {}
            Ok(_) => return Err(fault(whole, "refused: it goes on after its end".into())),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fault(whole, format!("damaged: {error}"))),
        }
    }
}

fn odd(kind: EntryType) -> Option<&'static str> {
    match kind {
        EntryType::Regular | EntryType::Directory => None,
        EntryType::Symlink => Some("it is a symlink"),
        EntryType::Link => Some("it is a hard link"),
        EntryType::Char | EntryType::Block => Some("it is a device"),
        EntryType::Fifo => Some("it is a pipe"),
        EntryType::GNUSparse => Some("it is a sparse file"),
        EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader | EntryType::XGlobalHeader => {
            Some("it is a record that renames other entries: no name of a bundle needs one")
        }
        _ => Some("it is of a kind that no bundle has"),
    }
}

/// Counts what is read of the archive.
struct Watched<'a, R> {
    from: R,
    done: u64,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.done += n as u64;
        (self.progress)(self.done, self.total);
        Ok(n)
    }
}
