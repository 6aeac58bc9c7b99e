//! What can be wrong with a bundle, in words that name the file and the field.
use std::io;
use std::path::{Path, PathBuf};

use antiphon_core::ids::UserId;

/// A bundle that could not be written, read or exported.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The folder is there already and not empty.
    #[error("{} exists already and is not empty: name another folder for the bundle", .0.display())]
    Exists(PathBuf),
    /// No manifest.
    #[error("{} is not a bundle: it has no manifest.json", .0.display())]
    NotABundle(PathBuf),
    /// Recording did not end, or did not end well.
    #[error(
        "{} was never sealed: it is still being recorded, or the recording was cut off; what was written is \
         there, but it is not a whole bundle and cannot be used as one. When it was cut off, \
         `antiphon bundle recover {}` makes it whole",
        .0.display(), .0.display()
    )]
    Unsealed(PathBuf),
    /// A process that is alive writes it.
    #[error("{} is being recorded right now: end the session first", .0.display())]
    Recording(PathBuf),
    /// Whatever was done, the result does not agree with itself. The folder is as open as it was.
    #[error("{} cannot be made whole: {}", path.display(), problems.join("; "))]
    NotWhole {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        problems: Vec<String>,
    },
    /// An archive that is not one of a bundle, or not a safe one.
    #[error("{archive}: {entry}: {message}")]
    Archive {
        /// The archive.
        archive: String,
        /// Which entry of it.
        entry: String,
        /// What is wrong with it.
        message: String,
    },
    /// A version from the future, or none at all.
    #[error(
        "manifest.json: schema_version is {found}, but this build reads versions 1 to {newest}: use a newer antiphon"
    )]
    Schema {
        /// What the manifest says.
        found: String,
        /// The newest version that can be read.
        newest: u32,
    },
    /// JSON of the wrong shape.
    #[error("{file}, line {line}: field {field}: {message}")]
    Json {
        /// Which file of the bundle.
        file: String,
        /// Which line of it, from 1.
        line: u64,
        /// Path of the field.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// A field with a value that makes no sense.
    #[error("{file}: {field}: {message}")]
    Value {
        /// Which file of the bundle.
        file: String,
        /// Path of the field.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// A blob's name that leads out of the bundle, or would on another system.
    #[error("manifest.json: {field}: the name {name:?} is refused: {why}")]
    Name {
        /// Path of the field.
        field: String,
        name: String,
        /// Why it is refused.
        why: &'static str,
    },
    /// A blob that is a symlink, a folder or a device.
    #[error("{file}: is {what}, not a regular file: refused")]
    NotAFile {
        /// Which file of the bundle.
        file: String,
        /// What it is.
        what: &'static str,
    },
    /// A blob that the manifest names and that is not there.
    #[error("{file}: named in manifest.json (blobs), but missing from the bundle")]
    Missing {
        /// Which file of the bundle.
        file: String,
    },
    /// A blob of another size than the manifest says.
    #[error("{file}: has {found} bytes, manifest.json (blobs) says {expected}: {}", if found < expected { "truncated" } else { "grown" })]
    Size {
        /// Which file of the bundle.
        file: String,
        /// What the manifest says.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// A blob that was changed.
    #[error(
        "{file}: its SHA-256 is {found}, manifest.json (blobs) says {expected}: changed since it was sealed"
    )]
    Digest {
        /// Which file of the bundle.
        file: String,
        /// What the manifest says.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Something larger than any honest bundle has.
    #[error("{file}: {what} is {found}, more than the {limit} allowed")]
    TooLarge {
        /// Which file of the bundle.
        file: String,
        /// What is too large.
        what: &'static str,
        /// How large.
        found: u64,
        /// How large it may be.
        limit: u64,
    },
    /// Sound that cannot be read.
    #[error("{file}: {message}")]
    Track {
        /// Which file of the bundle.
        file: String,
        /// What is wrong with it.
        message: String,
    },
    /// A packet was handed over for a slot whose speaker has not consented. Nothing was written.
    #[error(
        "slot {slot} of user {user} is withheld, but a packet was handed over with it: nothing was written; \
         the caller must drop it"
    )]
    Withheld {
        /// Whose.
        user: UserId,
        /// Which slot.
        slot: u64,
    },
    /// A slot that lies before one already written. Nothing was written.
    #[error("slot {slot} of {track} comes after slot {last} was written: nothing was written")]
    OutOfOrder {
        /// Which track.
        track: String,
        /// Which slot.
        slot: u64,
        /// The last one written.
        last: u64,
    },
    /// The manifest names no such thing.
    #[error("the bundle has no {0}")]
    NoSuch(String),
}

/// What every function of this module returns.
pub type Result<T> = std::result::Result<T, BundleError>;

/// Adds what was being done to an I/O error.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| BundleError::Io { doing, path: path.to_path_buf(), source })
    }
}
