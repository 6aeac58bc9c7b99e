//! What can go wrong with models, worded for the person who must fix it.
use std::path::Path;

/// Why a model could not be listed, fetched, checked or chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The list itself is broken.
    #[error("the model catalogue cannot be used: {why}")]
    Catalogue { why: String },
    /// Nothing of that name.
    #[error("there is no model {name:?}{}; `antiphon models list` shows all", similar(.near))]
    NoSuchModel {
        /// The name given.
        name: String,
        /// Similar names.
        near: String,
    },
    /// No way to the server.
    #[error(
        "{host} cannot be reached ({why}): are you offline? Check the network or proxy, name a mirror in \
         ANTIPHON_MODELS_MIRROR, or download {url} elsewhere and put it at {target}"
    )]
    Offline {
        /// Which server.
        host: String,
        /// What happened.
        why: String,
        url: String,
        /// Where it belongs.
        target: String,
    },
    /// The server refuses.
    #[error("{url} answers HTTP {status}: {hint}")]
    Status { url: String, status: u16, hint: &'static str },
    /// The file is of another size than the list says.
    #[error(
        "{url} has {got} bytes where {expected} are expected: the server or mirror has another file there"
    )]
    Size {
        url: String,
        /// The list's figure.
        expected: u64,
        got: u64,
    },
    /// The connection broke too often.
    #[error(
        "{url} broke off {attempts} times without getting further ({why}); {done} of {total} bytes are kept, run it again to go on"
    )]
    Broken { url: String, attempts: u32, why: String, done: u64, total: u64 },
    /// The content is not what the list says.
    #[error("{file} has SHA-256 {got} where {expected} is expected: {hint}")]
    Digest { file: String, expected: String, got: String, hint: &'static str },
    /// The disk is too full.
    #[error(
        "{folder} has {free} bytes free where {needed} are needed: make room, or name another folder in ANTIPHON_MODELS"
    )]
    NoRoom { folder: String, free: u64, needed: u64 },
    /// Another process is fetching the same file.
    #[error("{file} is being fetched by another process: wait for it")]
    Busy { file: String },
    /// The archive does not hold what it should.
    #[error("{archive} cannot be unpacked: {why}")]
    Archive { archive: String, why: String },
    /// A model that is to be used or checked is not there.
    #[error("{name} is not in {folder}: fetch it with `antiphon models fetch {name}`")]
    Absent {
        name: String,
        /// Where it was looked for.
        folder: String,
    },
    #[error("fetching {file} was cancelled; what came is kept, run it again to go on")]
    Cancelled { file: String },
    #[error("{path}: {why}")]
    Io { path: String, why: String },
}

fn similar(names: &str) -> String {
    if names.is_empty() { String::new() } else { format!(" (near: {names})") }
}

impl ModelError {
    pub(super) fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), why: error.to_string() }
    }
}
