//! What was not sent yet, on the disk: it outlives the process. One JSON object a line; only this user may read it, since
//! jobs hold what people said. It is emptied as soon as everything in it is sent.
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::entry::OutboxEntry;

/// Bound on bytes of the file; beyond that, entries are kept in memory only.
const MAX_BYTES: u64 = 64 << 20;
/// Bound on bytes of one line: a longer one was not written here.
const MAX_LINE_BYTES: usize = 4 << 20;

/// The file.
#[derive(Debug)]
pub(super) struct Spool {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Spool {
    /// Opens the file, and gives what an earlier process left in it, the oldest first, with how many lines could not be
    /// read (the last one may have been cut off).
    pub(super) fn open(path: &Path) -> std::io::Result<(Self, Vec<OutboxEntry>, usize)> {
        if let Some(folder) = path.parent() {
            antiphon_core::private_files::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let bytes = file.metadata()?.len();
        let (mut entries, mut unreadable) = (Vec::new(), 0);
        let mut reader = BufReader::new(&file).split(b'\n');
        while let Some(line) = reader.next().transpose()? {
            match serde_json::from_slice(&line) {
                Ok(entry) if line.len() <= MAX_LINE_BYTES => entries.push(entry),
                _ if line.is_empty() => {}
                _ => unreadable += 1,
            }
        }
        drop(reader);
        let mut spool = Self { path: path.to_owned(), file, bytes };
        if unreadable > 0 {
            // What follows must begin on a line of its own.
            spool.write(b"\n")?;
        }
        Ok((spool, entries, unreadable))
    }

    /// Adds an entry. `false` when there is no room.
    pub(super) fn add(&mut self, entry: &OutboxEntry) -> std::io::Result<bool> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        if self.bytes + line.len() as u64 > MAX_BYTES || line.len() > MAX_LINE_BYTES {
            return Ok(false);
        }
        self.write(&line)?;
        self.file.sync_data()?;
        Ok(true)
    }

    fn write(&mut self, line: &[u8]) -> std::io::Result<()> {
        if let Err(error) = self.file.write_all(line) {
            // Half a line would spoil the next one, and hold words that nothing clears away. Should this fail as well, the
            // next process passes over that line.
            self.file.set_len(self.bytes).unwrap_or_else(|error| {
                tracing::warn!(%error, "half a line stays in the outbox's file");
            });
            return Err(error);
        }
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Everything is sent.
    pub(super) fn clear(&mut self) -> std::io::Result<()> {
        if self.bytes > 0 {
            self.file.set_len(0)?;
            self.file.sync_data()?;
            self.bytes = 0;
        }
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use antiphon_core::ids::{CorrelationId, GuildId, SessionId, TurnId};

    use super::*;
    use crate::keys::WorkQueue;
    use crate::queue::Job;

    fn entry(turn: u32) -> OutboxEntry {
        let session = SessionId(uuid::Uuid::nil());
        let job = Job {
            id: uuid::Uuid::nil(),
            guild: GuildId(1),
            session,
            turn: TurnId(turn),
            correlation: CorrelationId::new(session, Some(TurnId(turn))),
            traceparent: None,
            deadline_ms: 5,
            payload: serde_json::json!({ "text": "line\nbreak" }),
        };
        OutboxEntry { queue: WorkQueue::Tts, once: turn.to_string(), job }
    }

    #[test]
    fn the_next_process_finds_entries_despite_a_cut_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/outbox.spool");
        let (mut spool, left, _) = Spool::open(&path).unwrap();
        assert!(left.is_empty());
        assert!(spool.add(&entry(1)).unwrap() && spool.add(&entry(2)).unwrap());
        drop(spool);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut whole = std::fs::read(&path).unwrap();
        whole.extend_from_slice(br#"{"queue":"tt"#);
        std::fs::write(&path, whole).unwrap();
        let (mut spool, left, unreadable) = Spool::open(&path).unwrap();
        assert_eq!((left, unreadable), (vec![entry(1), entry(2)], 1));
        assert!(spool.add(&entry(3)).unwrap());
        drop(spool);
        let (mut spool, left, unreadable) = Spool::open(&path).unwrap();
        assert_eq!((left.len(), unreadable), (3, 1));
        spool.clear().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    }
}
