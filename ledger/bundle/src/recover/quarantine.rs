//! What is cut off is kept next to the bundle, under names that say where it stood: nothing is dropped silently.
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::files::sync_dir;
use crate::format::error::{Doing, Result};
use antiphon_core::private_files;

/// The folder of what was cut off.
pub const TORN: &str = "torn";

/// Cuts files and keeps the pieces.
#[derive(Debug)]
pub(super) struct Aside<'a> {
    dir: &'a Path,
}

impl<'a> Aside<'a> {
    pub(super) fn new(dir: &'a Path) -> Self {
        Self { dir }
    }

    /// Copies a file's bytes from `at` on into the torn folder, down to the disk; gives the copy's name. The file itself
    /// stays as it is.
    pub(super) fn keep(&self, name: &str, at: u64) -> Result<Option<String>> {
        let path = self.dir.join(name);
        let mut from = File::open(&path).doing("open", &path)?;
        let total = from.metadata().doing("look at", &path)?.len();
        if total <= at {
            return Ok(None);
        }
        let folder = self.folder()?;
        let (name, to) = self.free(name, at);
        from.seek(SeekFrom::Start(at)).doing("read", &path)?;
        let mut out = private_files::create(&to).doing("create", &to)?;
        io::copy(&mut from.take(total - at), &mut out).doing("write", &to)?;
        out.sync_all().doing("write", &to)?;
        sync_dir(&folder)?;
        Ok(Some(name))
    }

    /// Cuts a file at `at` and keeps what is cut off.
    pub(super) fn cut(&self, name: &str, at: u64) -> Result<Option<String>> {
        let kept = self.keep(name, at)?;
        if kept.is_some() {
            self.shorten(name, at)?;
        }
        Ok(kept)
    }

    /// Cuts a file at `at`. What is cut off must be kept by then.
    pub(super) fn shorten(&self, name: &str, at: u64) -> Result<()> {
        let path = self.dir.join(name);
        let file = File::options().write(true).open(&path).doing("open", &path)?;
        if file.metadata().doing("look at", &path)?.len() > at {
            file.set_len(at).and_then(|()| file.sync_all()).doing("cut", &path)?;
        }
        Ok(())
    }

    /// Moves a whole file away, of which nothing can be used.
    pub(super) fn remove(&self, name: &str) -> Result<String> {
        let folder = self.folder()?;
        let (kept, to) = self.free(name, 0);
        let path = self.dir.join(name);
        fs::rename(&path, &to).doing("rename", &path)?;
        sync_dir(&folder)?;
        Ok(kept)
    }

    /// The names of all pieces, those of earlier attempts included.
    pub(super) fn pieces(&self) -> Result<Vec<String>> {
        let folder = self.dir.join(TORN);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.doing("read", &folder)?,
        };
        let mut names: Vec<String> = entries
            .flatten()
            .map(|entry| format!("{TORN}/{}", entry.file_name().to_string_lossy()))
            .collect();
        names.sort();
        Ok(names)
    }

    fn folder(&self) -> Result<PathBuf> {
        let folder = self.dir.join(TORN);
        private_files::create_dir_all(&folder).doing("create", &folder)?;
        Ok(folder)
    }

    /// `torn/tracks-123.ogg.4711` for byte 4711 of `tracks/123.ogg`; with a number behind when that is taken.
    fn free(&self, name: &str, at: u64) -> (String, PathBuf) {
        let flat = name.replace('/', "-");
        let mut free = format!("{TORN}/{flat}.{at}");
        for n in 2.. {
            if !self.dir.join(&free).exists() {
                break;
            }
            free = format!("{TORN}/{flat}.{at}.{n}");
        }
        let path = self.dir.join(&free);
        (free, path)
    }
}
