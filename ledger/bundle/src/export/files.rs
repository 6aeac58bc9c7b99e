//! Writing new files, and nothing but whole ones.
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::format::error::{BundleError, Doing, Result};
use crate::format::manifest::Track;
use crate::read::reader::Reader;
use antiphon_core::ids::UserId;
use antiphon_core::private_files;

/// Writes a file that must not be there, under another name until it is whole.
pub(crate) fn write_new(to: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    if to.symlink_metadata().is_ok() {
        return Err(BundleError::Exists(to.to_path_buf()));
    }
    if let Some(folder) = to.parent() {
        private_files::create_dir_all(folder).doing("create", folder)?;
    }
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let file = private_files::create(&part).doing("create", &part)?;
    let mut out = BufWriter::with_capacity(256 * 1024, file);
    let written = write(&mut out).and_then(|()| out.flush().doing("write", &part));
    drop(out);
    match written {
        Ok(()) => fs::rename(&part, to).doing("rename", &part),
        Err(error) => {
            // The error that matters is the one that stopped the writing.
            let _ = fs::remove_file(&part);
            Err(error)
        }
    }
}

/// A name for a track's file.
pub(crate) fn file_name(track: &Track, extension: &str) -> String {
    format!("{}.{extension}", plain(&track.name, track.user))
}

/// What a person reads, then the id that separates two of the same name: letters, digits and one hyphen.
pub(crate) fn plain(name: &str, user: UserId) -> String {
    let name: String = name.chars().filter(|c| c.is_alphanumeric()).take(40).collect();
    let name = if name.is_empty() { "track".to_owned() } else { name };
    format!("{name}-{user}")
}

/// The tracks that have sound; an error when there is none.
pub(crate) fn with_sound(bundle: &Reader) -> Result<Vec<&Track>> {
    let tracks: Vec<_> = bundle.manifest().tracks.iter().filter(|track| track.blob.is_some()).collect();
    if tracks.is_empty() { Err(BundleError::NoSuch("track with sound".into())) } else { Ok(tracks) }
}

/// What was said, or noted, in one line.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
