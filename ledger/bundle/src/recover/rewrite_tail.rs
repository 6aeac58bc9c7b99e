//! Rewrites the end of the timeline, so that an interruption at any moment loses no line of it.
//!
//! Good lines can stand behind the first one that has to change, and the timeline of hours is too large to be written a
//! second time onto a full disk. So what is to stand from that line on is written next to it, down to the disk, and gets
//! its name only then; from there on it can be put in place as often as it takes.
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files::sync_dir;
use crate::format::error::{Doing, Result};
use crate::format::lines::TimelineLine;
use crate::format::manifest::TIMELINE;
use crate::format::{json, names};
use crate::write::open_files::{REDO, REDO_NEW};
use antiphon_core::private_files;

/// The first line: where in the timeline the others begin.
#[derive(Debug, Serialize, Deserialize)]
struct Place {
    at: u64,
}

/// Lines that are to stand at the timeline's end.
#[derive(Debug)]
pub(super) struct Redo<'a> {
    dir: &'a Path,
    lines: Option<BufWriter<File>>,
}

impl<'a> Redo<'a> {
    pub(super) fn new(dir: &'a Path) -> Self {
        Self { dir, lines: None }
    }

    /// Takes the next line. `at` is where the first of all belongs.
    pub(super) fn put(&mut self, at: u64, line: &TimelineLine) -> Result<()> {
        let path = self.dir.join(REDO_NEW);
        let lines = match &mut self.lines {
            Some(lines) => lines,
            none => {
                let mut lines = BufWriter::new(private_files::create(&path).doing("create", &path)?);
                json_line(&mut lines, &Place { at }).doing("write", &path)?;
                none.insert(lines)
            }
        };
        json_line(lines, line).doing("write", &path)
    }

    /// From now on the lines count, whatever happens.
    pub(super) fn ready(self) -> Result<()> {
        let Some(lines) = self.lines else { return Ok(()) };
        let path = self.dir.join(REDO_NEW);
        let file = lines.into_inner().map_err(io::IntoInnerError::into_error).doing("write", &path)?;
        file.sync_all().doing("write", &path)?;
        fs::rename(&path, self.dir.join(REDO)).doing("rename", &path)?;
        sync_dir(self.dir)
    }
}

fn json_line(to: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}

/// Puts lines that count in their place, those of an earlier attempt as well. Cut off, it can be done again.
pub(super) fn apply(dir: &Path) -> Result<()> {
    let redo = dir.join(REDO);
    if redo.symlink_metadata().is_err() {
        return Ok(());
    }
    let (redo, _) = names::regular_file(dir, REDO)?;
    let mut lines = BufReader::new(File::open(&redo).doing("open", &redo)?);
    let mut first = Vec::new();
    lines.read_until(b'\n', &mut first).doing("read", &redo)?;
    let Place { at } = json::parse(REDO, 1, &first)?;
    let path = dir.join(TIMELINE);
    let mut file = File::options().write(true).open(&path).doing("open", &path)?;
    let there = file.metadata().doing("look at", &path)?.len();
    file.set_len(at.min(there)).doing("cut", &path)?;
    file.seek(SeekFrom::End(0)).doing("write", &path)?;
    io::copy(&mut lines, &mut file).and_then(|_| file.sync_all()).doing("write", &path)?;
    fs::remove_file(&redo).doing("remove", &redo)?;
    sync_dir(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use antiphon_core::ids::UserId;
    use antiphon_core::time::Timestamp;

    fn left(user: u64) -> TimelineLine {
        TimelineLine::Left { at: Timestamp(7), user: UserId(user) }
    }

    fn written(lines: &[TimelineLine]) -> Vec<u8> {
        let mut bytes = Vec::new();
        lines.iter().for_each(|line| json_line(&mut bytes, line).unwrap());
        bytes
    }

    #[test]
    fn lines_are_synced_before_the_timeline_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let timeline = dir.path().join(TIMELINE);
        let before = written(&[left(1), left(2), left(3)]);
        fs::write(&timeline, &before).unwrap();
        let at = written(&[left(1)]).len() as u64;
        let redo = || {
            let mut redo = Redo::new(dir.path());
            redo.put(at, &left(8)).unwrap();
            redo.put(at, &left(3)).unwrap();
            redo
        };
        // Killed while they are written: nothing has changed.
        drop(redo());
        apply(dir.path()).unwrap();
        assert_eq!(fs::read(&timeline).unwrap(), before);
        let after = written(&[left(1), left(8), left(3)]);
        // Killed behind that, at whatever length the timeline has by then.
        for length in at..after.len() as u64 {
            redo().ready().unwrap();
            assert_eq!(fs::read(&timeline).unwrap(), before, "nothing has changed yet");
            fs::write(&timeline, &after[..length as usize]).unwrap();
            apply(dir.path()).unwrap();
            assert_eq!(fs::read(&timeline).unwrap(), after);
            fs::write(&timeline, &before).unwrap();
        }
        assert!(!dir.path().join(REDO).exists());
    }
}
