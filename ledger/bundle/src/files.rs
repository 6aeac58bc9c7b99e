//! Small helpers over files: JSON lines that are flushed, digests, directories.
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::format::error::{Doing, Result};
use antiphon_core::chain::Digest;
use antiphon_core::private_files;

/// A JSON Lines file. Each line goes to the file in one write, so a killed process leaves whole lines.
pub struct JsonLinesFile {
    path: PathBuf,
    file: File,
    lines: u64,
    line: Vec<u8>,
    dirty: Dirty,
}

impl JsonLinesFile {
    pub fn create(path: &Path) -> Result<Self> {
        let file = private_files::options().append(true).create_new(true).open(path).doing("create", path)?;
        Ok(Self { path: path.to_path_buf(), file, lines: 0, line: Vec::new(), dirty: Dirty::Created })
    }

    pub fn write(&mut self, value: &impl Serialize) -> Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value)
            .map_err(std::io::Error::from)
            .doing("write", &self.path)?;
        self.line.push(b'\n');
        self.file.write_all(&self.line).doing("write", &self.path)?;
        self.lines += 1;
        self.dirty.touch();
        Ok(())
    }

    /// Lines written.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// To disk with what was written since the last time.
    pub fn sync(&mut self) -> Result<()> {
        // Its name is on disk since the bundle was begun.
        self.dirty.sync(&self.file).doing("write", &self.path).map(drop)
    }

    /// To disk with it; gives the file's name.
    pub fn finish(self) -> Result<String> {
        self.file.sync_all().doing("write", &self.path)?;
        Ok(self.path.file_name().unwrap_or_default().to_string_lossy().into_owned())
    }
}

/// Writes a JSON file for people to read, down to the disk.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value).map_err(std::io::Error::from).doing("write", path)?;
    text.push(b'\n');
    let mut file = private_files::create(path).doing("create", path)?;
    file.write_all(&text).and_then(|()| file.sync_all()).doing("write", path)
}

/// Size and SHA-256 of a file.
pub fn digest_file(path: &Path) -> Result<(u64, Digest)> {
    let mut file = File::open(path).doing("open", path)?;
    let (mut sha, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let n = file.read(&mut buffer).doing("read", path)?;
        if n == 0 {
            return Ok((bytes, Digest(sha.finalize().into())));
        }
        sha.update(&buffer[..n]);
        bytes += n as u64;
    }
}

/// Makes names in a directory last (a rename is on disk only when its directory is).
pub fn sync_dir(path: &Path) -> Result<()> {
    File::open(path).and_then(|dir| dir.sync_all()).doing("write", path)
}

/// What of a file the disk does not have yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dirty {
    /// Not even its name.
    Created,
    /// Bytes.
    Written,
    /// Nothing.
    Clean,
}

impl Dirty {
    pub fn touch(&mut self) {
        if *self == Dirty::Clean {
            *self = Dirty::Written;
        }
    }

    /// Syncs what is to be; gives whether the folder has to be synced as well.
    pub fn sync(&mut self, file: &File) -> std::io::Result<bool> {
        if *self != Dirty::Clean {
            file.sync_data()?;
        }
        Ok(std::mem::replace(self, Dirty::Clean) == Dirty::Created)
    }
}
