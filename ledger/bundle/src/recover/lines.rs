//! JSON Lines files that broke off: whole lines stay, from the first that is not one on everything is cut.
use std::path::Path;

use serde::de::DeserializeOwned;

use super::quarantine::Aside;
use super::report::FileKept;
use crate::format::error::{BundleError, Doing, Result};
use crate::format::json::JsonLines;
use antiphon_core::private_files;

/// What reading a file gave.
#[derive(Debug)]
pub(super) struct Scan {
    /// Lines that are whole and were taken.
    pub(super) lines: u64,
    /// Where they end.
    pub(super) kept: u64,
    /// Where the last of them begins.
    pub(super) last: u64,
    /// The file's size.
    pub(super) found: u64,
    /// Why nothing after them was taken.
    pub(super) why: Option<String>,
}

/// Reads whole lines until one is not whole, or `take` says why it will not have one. A file that is not there is made.
pub(super) fn scan<T: DeserializeOwned>(
    dir: &Path,
    name: &str,
    mut take: impl FnMut(T, u64) -> Result<Option<String>>,
) -> Result<Scan> {
    let path = dir.join(name);
    let file = private_files::options().append(true).create(true).open(&path).doing("open", &path)?;
    let found = file.metadata().doing("look at", &path)?.len();
    let mut scan = Scan { lines: 0, kept: 0, last: 0, found, why: None };
    let mut lines = JsonLines::<T>::open(&path, name)?;
    while let Some(line) = lines.next() {
        let refused = match line {
            Ok(value) => take(value, scan.kept)?,
            Err(error @ BundleError::Io { .. }) => return Err(error),
            Err(error) => Some(error.to_string()),
        };
        if refused.is_some() {
            scan.why = refused;
            break;
        }
        scan.last = scan.kept;
        scan.kept = lines.offset();
        scan.lines += 1;
    }
    Ok(scan)
}

impl Scan {
    /// Gives the last line up, too.
    pub(super) fn without_last(mut self, why: &str) -> Self {
        self.lines -= 1;
        self.kept = self.last;
        self.why = Some(match self.why {
            Some(before) => format!("{why}; {before}"),
            None => why.to_owned(),
        });
        self
    }

    /// Cuts the file where whole lines end, and says so.
    pub(super) fn cut(self, name: &str, aside: &Aside<'_>) -> Result<FileKept> {
        let kept = aside.cut(name, self.kept)?;
        let lost = (self.found > self.kept).then(|| {
            let why = self.why.unwrap_or_else(|| "not taken".into());
            format!("{} bytes after line {}: {why}", self.found - self.kept, self.lines)
        });
        Ok(FileKept {
            name: name.to_owned(),
            found_bytes: self.found,
            kept_bytes: self.kept,
            kept: format!("{} lines", self.lines),
            lost,
            aside: kept,
        })
    }
}
