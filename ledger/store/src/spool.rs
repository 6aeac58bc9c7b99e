//! Where chained rows wait on disk while the store does not answer: JSON Lines, drained from the front, cut to nothing
//! when drained. Draining the same rows again after a crash does no harm: the store passes over rows it has.
use std::collections::HashMap;
use std::io::SeekFrom;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader};

use super::error::StoreError;
use antiphon_core::chain::{ChainedRow, Digest, Proof};
use antiphon_core::ids::SessionId;
use antiphon_core::private_files;

/// The waiting rows.
#[derive(Debug)]
pub(super) struct Spool {
    path: PathBuf,
    file: File,
    limit: u64,
    /// Bytes in the file.
    bytes: u64,
    /// Bytes drained from its front.
    drained: u64,
    /// Rows not drained yet.
    rows: u64,
    /// How far the sessions go of which an earlier process left rows.
    ends: HashMap<SessionId, Proof>,
}

/// What of a spooled row says how far its session goes.
#[derive(Deserialize)]
struct RowEnd {
    session: SessionId,
    seq: u64,
    hash: Digest,
}

/// Some rows from the front, and how many bytes and lines they took.
pub(super) struct Taken {
    pub(super) rows: Vec<ChainedRow>,
    bytes: u64,
    lines: u64,
}

impl Spool {
    /// Opens the file, with the rows that an earlier process left. A last line without an end was torn by a crash and is
    /// cut off.
    pub(super) async fn open(path: &Path, limit: u64) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent() {
            private_files::create_dir_all(folder)
                .map_err(|error| fault("create the folder of", path, &error))?;
        }
        let opened = private_files::options().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = opened
            .and_then(|file| private_files::restrict(&file).map(|()| File::from_std(file)))
            .map_err(|error| fault("open", path, &error))?;
        let (mut rows, mut bytes, mut ends) = (0, 0, HashMap::new());
        let mut lines = BufReader::new(&mut file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let n = lines.read_until(b'\n', &mut line).await.map_err(|error| fault("read", path, &error))?;
            if line.last() != Some(&b'\n') {
                break;
            }
            rows += 1;
            bytes += n as u64;
            if let Ok(row) = serde_json::from_slice::<RowEnd>(&line) {
                ends.insert(row.session, Proof { rows: row.seq + 1, head: row.hash });
            }
        }
        file.set_len(bytes).await.map_err(|error| fault("cut", path, &error))?;
        Ok(Self { path: path.to_path_buf(), file, limit, bytes, drained: 0, rows, ends })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Rows waiting.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// How far the sessions go of which an earlier process left rows. Given once.
    pub(super) fn take_ends(&mut self) -> HashMap<SessionId, Proof> {
        std::mem::take(&mut self.ends)
    }

    /// Whether more may be written.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < self.limit
    }

    /// Adds rows to the end, all or none. Rows already chained are taken beyond the limit, so that the chain has no gap; the
    /// caller looks at [`Spool::has_room`] before it chains more.
    pub(super) async fn push(&mut self, rows: &[ChainedRow]) -> Result<(), StoreError> {
        let mut text = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut text, row)
                .map_err(|error| fault("write", &self.path, &std::io::Error::from(error)))?;
            text.push(b'\n');
        }
        let written = async {
            self.file.seek(SeekFrom::Start(self.bytes)).await?;
            self.file.write_all(&text).await?;
            self.file.flush().await
        };
        if let Err(error) = written.await {
            // What was written in part would be read as rows, and its room is needed.
            if let Err(error) = self.file.set_len(self.bytes).await {
                tracing::error!(%error, spool = %self.path.display(), "what was written in part cannot be cut off the ledger's spool");
            }
            return Err(fault("write", &self.path, &error));
        }
        self.bytes += text.len() as u64;
        self.rows += rows.len() as u64;
        Ok(())
    }

    /// Reads up to `limit` rows from the front. Lines that are no rows are passed over, and counted.
    pub(super) async fn front(&mut self, limit: usize) -> Result<Taken, StoreError> {
        let path = self.path.clone();
        let read = async {
            self.file.seek(SeekFrom::Start(self.drained)).await?;
            let mut lines = BufReader::new((&mut self.file).take(self.bytes - self.drained));
            let mut taken = Taken { rows: Vec::new(), bytes: 0, lines: 0 };
            let mut line = Vec::new();
            while taken.rows.len() < limit {
                line.clear();
                let n = lines.read_until(b'\n', &mut line).await?;
                if n == 0 {
                    break;
                }
                taken.bytes += n as u64;
                taken.lines += 1;
                match serde_json::from_slice(&line) {
                    Ok(row) => taken.rows.push(row),
                    Err(error) => {
                        metrics::counter!("antiphon_ledger_rejected_total").increment(1);
                        tracing::error!(spool = %path.display(), %error, "a line of the ledger's spool is no row");
                    }
                }
            }
            Ok::<_, std::io::Error>(taken)
        };
        read.await.map_err(|error| fault("read", &self.path, &error))
    }

    /// Forgets what was taken.
    pub(super) async fn done(&mut self, taken: &Taken) -> Result<(), StoreError> {
        self.drained += taken.bytes;
        self.rows = self.rows.saturating_sub(taken.lines);
        // Nothing to take although rows should wait: another process cut the file. Better no row than waiting for ever.
        if self.drained >= self.bytes || taken.lines == 0 {
            (self.drained, self.rows) = (self.bytes, 0);
            self.file.set_len(0).await.map_err(|error| fault("cut", &self.path, &error))?;
            (self.bytes, self.drained) = (0, 0);
        }
        Ok(())
    }
}

/// Rows that the store refused for good, kept next to the spool for somebody to look into.
pub(super) async fn set_aside(spool: &Path, rows: &[ChainedRow]) -> Result<PathBuf, StoreError> {
    let path = spool.with_extension("rejected.jsonl");
    let mut text = Vec::new();
    for row in rows {
        if serde_json::to_writer(&mut text, row).is_ok() {
            text.push(b'\n');
        }
    }
    let written = async {
        let file = private_files::options().append(true).create(true).open(&path)?;
        private_files::restrict(&file)?;
        let mut file = File::from_std(file);
        file.write_all(&text).await?;
        file.flush().await
    };
    written.await.map_err(|error| fault("write", &path, &error))?;
    Ok(path)
}

fn fault(doing: &'static str, path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Spool { doing, path: path.display().to_string(), why: error.to_string() }
}
