//! Downloads: resumed where they broke off, checked before they count, never left half-done under their name.
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::{CONTENT_RANGE, RANGE, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::catalogue::{Model, ModelFile};
use super::error::ModelError;
use super::{archive, disk};

/// How far a download is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Which model.
    pub model: String,
    /// Which of its files.
    pub file: String,
    pub done: u64,
    pub total: u64,
}

/// How long downloads wait, and how often they are tried.
#[derive(Debug, Clone)]
pub struct FetchTimeouts {
    /// Until connected.
    pub connect: Duration,
    /// Between two pieces of the stream.
    pub idle: Duration,
    /// Before the second attempt; doubled for each further one.
    pub pause: Duration,
    /// Attempts in a row that bring nothing new.
    pub attempts: u32,
}

impl Default for FetchTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            idle: Duration::from_secs(30),
            pause: Duration::from_millis(500),
            attempts: 5,
        }
    }
}

/// Downloads into one folder.
#[derive(Debug)]
pub struct Fetcher {
    client: reqwest::Client,
    folder: PathBuf,
    mirror: Option<Url>,
    timeouts: FetchTimeouts,
}

impl Fetcher {
    /// `mirror` takes the place of scheme and host of every address: the paths stay (`ANTIPHON_MODELS_MIRROR`).
    pub fn new(folder: &Path, mirror: Option<&str>, timeouts: FetchTimeouts) -> Result<Self, ModelError> {
        let mirror = match mirror {
            Some(text) => Some(Url::parse(text).ok().filter(|url| url.has_host()).ok_or_else(|| {
                ModelError::Catalogue {
                    why: format!(
                        "ANTIPHON_MODELS_MIRROR: {text:?} is not an address such as https://mirror.example"
                    ),
                }
            })?),
            None => None,
        };
        let client = reqwest::Client::builder()
            .user_agent(concat!("antiphon/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(timeouts.connect)
            .read_timeout(timeouts.idle)
            .build()
            .map_err(|e| ModelError::Catalogue { why: format!("no HTTP client: {e}") })?;
        Ok(Self { client, folder: folder.to_path_buf(), mirror, timeouts })
    }

    /// Fetches what is missing of a model. Returns its files. What is there already, whole and right, is left as it is.
    pub async fn fetch(
        &self,
        model: &Model,
        cancel: &CancellationToken,
        progress: &(dyn Fn(&Progress) + Send + Sync),
    ) -> Result<Vec<PathBuf>, ModelError> {
        std::fs::create_dir_all(&self.folder).map_err(|e| ModelError::io(&self.folder, &e))?;
        let mut missing = Vec::new();
        let mut needed = 0u64;
        for file in &model.files {
            let target = self.folder.join(&file.file);
            if target.is_file() && matches(&target, file.bytes, &file.sha256).await? {
                continue;
            }
            let there = std::fs::metadata(part_of(&target)).map_or(0, |m| m.len());
            let archive = file.archive.as_ref().map_or(0, |a| a.bytes);
            needed += (file.bytes + archive).saturating_sub(there);
            missing.push(file);
        }
        disk::check_room(&self.folder, needed)?;
        for file in missing {
            let report = |done, total| {
                progress(&Progress { model: model.name.clone(), file: file.file.clone(), done, total });
            };
            self.fetch_file(file, cancel, &report).await?;
        }
        Ok(model.files.iter().map(|f| self.folder.join(&f.file)).collect())
    }

    async fn fetch_file(
        &self,
        file: &ModelFile,
        cancel: &CancellationToken,
        report: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<(), ModelError> {
        let target = self.folder.join(&file.file);
        let part = part_of(&target);
        let (bytes, sha256) = match &file.archive {
            Some(archive) => (archive.bytes, archive.sha256.as_str()),
            None => (file.bytes, file.sha256.as_str()),
        };
        let url = self.address(&file.url)?;
        let download = Download { fetcher: self, url, part: &part, target: &target, bytes, cancel, report };
        let _lock = lock(&part)?;
        let resumed = download.there() > 0;
        download.run().await?;
        let mut got = digest(&part).await?;
        if got != sha256 && resumed {
            // What was there before may have been another version's beginning: again, from the start.
            remove(&part)?;
            download.run().await?;
            got = digest(&part).await?;
        }
        if got != sha256 {
            remove(&part)?;
            return Err(ModelError::Digest {
                file: download.url.to_string(),
                expected: sha256.into(),
                got,
                hint: "the server or mirror has another file there, nothing of it is kept; try another mirror",
            });
        }
        if let Some(inside) = &file.archive {
            let unpacked = self.folder.join(format!("{}.unpacked", file.file));
            archive::extract(&part, &inside.member, &unpacked, file.bytes)?;
            let got = digest(&unpacked).await?;
            if got != file.sha256 {
                remove(&unpacked)?;
                return Err(ModelError::Digest {
                    file: inside.member.clone(),
                    expected: file.sha256.clone(),
                    got,
                    hint: "the catalogue is wrong about it",
                });
            }
            std::fs::rename(&unpacked, &target).map_err(|e| ModelError::io(&target, &e))?;
            return remove(&part);
        }
        std::fs::rename(&part, &target).map_err(|e| ModelError::io(&target, &e))
    }

    /// The address to ask, on the mirror if there is one.
    fn address(&self, home: &str) -> Result<Url, ModelError> {
        let home = Url::parse(home).map_err(|e| ModelError::Catalogue { why: format!("{home}: {e}") })?;
        let Some(mirror) = &self.mirror else { return Ok(home) };
        let mut out = mirror.clone();
        out.set_path(&format!("{}{}", mirror.path().trim_end_matches('/'), home.path()));
        Ok(out)
    }
}

/// One file on its way.
struct Download<'a> {
    fetcher: &'a Fetcher,
    url: Url,
    part: &'a Path,
    target: &'a Path,
    bytes: u64,
    cancel: &'a CancellationToken,
    report: &'a (dyn Fn(u64, u64) + Send + Sync),
}

/// Why an attempt ended early.
enum Setback {
    /// It may work the next time.
    Passing { why: String, wait: Option<Duration> },
    /// It will not.
    Final(ModelError),
}

impl Download<'_> {
    fn there(&self) -> u64 {
        std::fs::metadata(self.part).map_or(0, |m| m.len())
    }

    /// Tries until the part is as long as it should be.
    async fn run(&self) -> Result<(), ModelError> {
        let timeouts = &self.fetcher.timeouts;
        let mut fruitless = 0;
        loop {
            let before = self.there();
            if before == self.bytes {
                (self.report)(before, self.bytes);
                return Ok(());
            }
            let (why, wait) = match self.attempt().await {
                Ok(()) => continue,
                Err(Setback::Final(error)) => return Err(error),
                Err(Setback::Passing { why, wait }) => (why, wait),
            };
            fruitless = if self.there() > before { 1 } else { fruitless + 1 };
            if fruitless >= timeouts.attempts {
                return Err(ModelError::Broken {
                    url: self.url.to_string(),
                    attempts: fruitless,
                    why,
                    done: self.there(),
                    total: self.bytes,
                });
            }
            let pause = wait.unwrap_or(timeouts.pause * 2u32.saturating_pow(fruitless - 1));
            tracing::debug!(url = %self.url, %why, ?pause, "download broke off, trying again");
            tokio::select! {
                () = self.cancel.cancelled() => return Err(self.cancelled()),
                () = tokio::time::sleep(pause.min(Duration::from_secs(60))) => {}
            }
        }
    }

    fn cancelled(&self) -> ModelError {
        ModelError::Cancelled { file: self.target.display().to_string() }
    }

    async fn attempt(&self) -> Result<(), Setback> {
        let mut done = self.there();
        if done > self.bytes {
            remove(self.part).map_err(Setback::Final)?;
            done = 0;
        }
        let mut request = self.fetcher.client.get(self.url.clone());
        if done > 0 {
            request = request.header(RANGE, format!("bytes={done}-"));
        }
        let response = tokio::select! {
            () = self.cancel.cancelled() => return Err(Setback::Final(self.cancelled())),
            response = request.send() => response.map_err(|e| self.unsent(&e))?,
        };
        let done = self.accept(&response, done)?;
        self.store(response, done).await
    }

    /// What a failed request means.
    fn unsent(&self, error: &reqwest::Error) -> Setback {
        let why = root(error);
        if error.is_connect() {
            return Setback::Final(ModelError::Offline {
                host: self.url.host_str().unwrap_or_default().to_owned(),
                why,
                url: self.url.to_string(),
                target: self.target.display().to_string(),
            });
        }
        Setback::Passing { why, wait: None }
    }

    /// Judges an answer; returns from which byte on it is to be stored.
    fn accept(&self, response: &Response, done: u64) -> Result<u64, Setback> {
        let status = response.status();
        let refused = |hint| {
            Setback::Final(ModelError::Status { url: self.url.to_string(), status: status.as_u16(), hint })
        };
        let start = match status {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT => match range(response) {
                Some((start, total)) if start == done && total.is_none_or(|t| t == self.bytes) => done,
                Some((start, Some(total))) if start == done => return Err(self.wrong_size(total)),
                _ => {
                    remove(self.part).map_err(Setback::Final)?;
                    return Err(passing("the server answered with another range than was asked for"));
                }
            },
            StatusCode::RANGE_NOT_SATISFIABLE => {
                remove(self.part).map_err(Setback::Final)?;
                return Err(passing("the server has less than was there before"));
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(refused(
                    "it is not there (any more): try a mirror, or a newer version of this program",
                ));
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(refused("the server wants credentials: try a mirror"));
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                return Err(Setback::Passing { why: format!("HTTP {status}"), wait: retry_after(response) });
            }
            other if other.is_server_error() => {
                return Err(Setback::Passing { why: format!("HTTP {other}"), wait: retry_after(response) });
            }
            _ => return Err(refused("this was not expected: try again later, or a mirror")),
        };
        match response.content_length() {
            Some(length) if start + length != self.bytes => Err(self.wrong_size(start + length)),
            _ => Ok(start),
        }
    }

    fn wrong_size(&self, got: u64) -> Setback {
        Setback::Final(ModelError::Size { url: self.url.to_string(), expected: self.bytes, got })
    }

    async fn store(&self, response: Response, start: u64) -> Result<(), Setback> {
        let io = |e: std::io::Error| Setback::Final(ModelError::io(self.part, &e));
        let mut file =
            OpenOptions::new().create(true).truncate(false).write(true).open(self.part).map_err(io)?;
        file.set_len(start).map_err(io)?;
        file.seek(SeekFrom::Start(start)).map_err(io)?;
        let mut done = start;
        let mut stream = response.bytes_stream();
        loop {
            let piece = tokio::select! {
                () = self.cancel.cancelled() => return Err(Setback::Final(self.cancelled())),
                piece = stream.next() => piece,
            };
            match piece {
                Some(Ok(piece)) => {
                    done += piece.len() as u64;
                    if done > self.bytes {
                        drop(file);
                        remove(self.part).map_err(Setback::Final)?;
                        return Err(self.wrong_size(done));
                    }
                    file.write_all(&piece).map_err(io)?;
                    (self.report)(done, self.bytes);
                }
                Some(Err(error)) => return Err(Setback::Passing { why: root(&error), wait: None }),
                None if done < self.bytes => return Err(passing("the connection ended early")),
                None => return file.sync_all().map_err(io),
            }
        }
    }
}

fn passing(why: &str) -> Setback {
    Setback::Passing { why: why.into(), wait: None }
}

/// The innermost cause: reqwest's own words say little.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// First byte and whole length by `Content-Range: bytes 5-9/10` (RFC 9110, 14.4).
fn range(response: &Response) -> Option<(u64, Option<u64>)> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    let (range, total) = text.split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, total.trim().parse().ok()))
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn part_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

fn remove(path: &Path) -> Result<(), ModelError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(ModelError::io(path, &e)),
        _ => Ok(()),
    }
}

/// Keeps other processes from fetching the same file; let go when dropped.
fn lock(part: &Path) -> Result<File, ModelError> {
    let mut name = part.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    let file = File::create(&path).map_err(|e| ModelError::io(&path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ModelError::Busy { file: part.display().to_string() }),
        Err(std::fs::TryLockError::Error(e)) => Err(ModelError::io(&path, &e)),
    }
}

/// A file's SHA-256, in hex.
pub(super) async fn digest(path: &Path) -> Result<String, ModelError> {
    let owned = path.to_path_buf();
    let task = tokio::task::spawn_blocking(move || {
        let mut file = File::open(&owned)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hex::encode(hasher.finalize())),
                n => hasher.update(&buffer[..n]),
            }
        }
    });
    let done: std::io::Result<String> = task.await.unwrap_or_else(|e| Err(std::io::Error::other(e)));
    done.map_err(|e| ModelError::io(path, &e))
}

/// Whether a file has this size and digest.
pub(super) async fn matches(path: &Path, bytes: u64, sha256: &str) -> Result<bool, ModelError> {
    let length = std::fs::metadata(path).map_err(|e| ModelError::io(path, &e))?.len();
    Ok(length == bytes && digest(path).await? == sha256)
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
