//! A guild's recorded sessions on disk: `<data>/bundles/<guild>/<session>/`.
use std::io::Read;
use std::path::{Path, PathBuf};

use antiphon_core::ids::{GuildId, SessionId};

/// One recorded session, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub session: SessionId,
    /// When, how long, how many turns; or why it cannot be read.
    pub summary: String,
}

/// An archive on disk.
#[derive(Debug)]
pub(crate) struct Packed {
    /// Its file name.
    pub name: String,
    /// Its content; no longer named on the disk.
    pub file: std::fs::File,
    /// Its size in bytes.
    pub size: u64,
}

/// How a bundle is handed out.
#[derive(Debug)]
pub(crate) enum Export {
    /// As a file that fits.
    File(Archive),
    /// By a link, because it does not.
    Link {
        url: String,
        /// Seconds since 1970 until which it holds.
        expires: u64,
        /// The archive's size in bytes.
        size: u64,
    },
}

/// An archive ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    /// Its file name.
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Where a session's bundle is kept.
pub(crate) fn folder(data: &Path, guild: GuildId, session: SessionId) -> PathBuf {
    data.join("bundles").join(guild.to_string()).join(session.to_string())
}

/// A guild's bundles, newest first. Reads only the guild's own folder: one guild never sees another's.
pub(crate) fn list(data: &Path, guild: GuildId) -> Vec<Listed> {
    let folder = data.join("bundles").join(guild.to_string());
    let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
    let mut sessions: Vec<SessionId> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()))
        .collect();
    // Session ids are UUIDs of version 7: they sort by time.
    sessions.sort_unstable_by(|a, b| b.cmp(a));
    sessions
        .into_iter()
        .map(|session| Listed { session, summary: summary(&folder.join(session.to_string())) })
        .collect()
}

/// Recordings in the data folder that were cut off, in words; none when there is none.
pub(crate) fn cut_off(data: &Path) -> Option<String> {
    let found = bundle::recover::cut_off(&data.join("bundles"));
    let first = found.first()?;
    Some(format!(
        "{} cut off and not yet recovered, such as {}: run `antiphon bundle recover --all`",
        if found.len() == 1 {
            "1 recording was".to_owned()
        } else {
            format!("{} recordings were", found.len())
        },
        first.display()
    ))
}

fn summary(folder: &Path) -> String {
    match bundle::Reader::open(folder) {
        Ok(reader) => {
            let manifest = reader.manifest();
            let seconds = manifest.ended.since(manifest.started).as_secs();
            format!(
                "{}, {} min {} s, {} turns",
                manifest.started,
                seconds / 60,
                seconds % 60,
                manifest.counts.turns
            )
        }
        // Paths of the machine do not belong here.
        Err(bundle::BundleError::Unsealed(_)) if bundle::is_being_recorded(folder) => {
            "is being recorded".to_owned()
        }
        Err(bundle::BundleError::Unsealed(_)) => "was cut off and can be recovered".to_owned(),
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "a bundle cannot be read");
            "cannot be read; the log says why".to_owned()
        }
    }
}

/// Words for a session that is not there, or another guild's.
pub(crate) const UNKNOWN: &str = "There is no such session here. `/bundle list` names them.";

/// Why there is no archive of a session, in words for the person who asked: nothing of the machine is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotPacked {
    /// It is not there, or another guild's.
    #[error("{UNKNOWN}")]
    Unknown,
    /// It goes on.
    #[error("That session is still running.")]
    Running,
    /// It did not end well.
    #[error(
        "That session's recording was cut off. The operator can make it whole with `antiphon bundle recover`."
    )]
    CutOff,
    /// It cannot be read.
    #[error(
        "That session's recording is damaged; the log says how. The operator can look with `antiphon bundle verify`."
    )]
    Damaged,
    /// There is no room to pack it in.
    #[error("There is no room to pack it at the moment. Try again later, or report it to the operator.")]
    NoRoom,
    /// Something else went wrong.
    #[error("It could not be packed; the log says why. Try again later, or report it to the operator.")]
    Failed,
}

impl NotPacked {
    /// Whether it may be had later.
    pub(crate) fn passes(self) -> bool {
        matches!(self, Self::Running | Self::NoRoom | Self::Failed)
    }

    /// For an error of the file system's, which is logged.
    pub(crate) fn io(session: SessionId, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        tracing::error!(%session, %error, "a bundle could not be packed");
        if matches!(error.kind(), StorageFull | QuotaExceeded) { Self::NoRoom } else { Self::Failed }
    }

    fn packing(session: SessionId, error: &bundle::BundleError) -> Self {
        match error {
            bundle::BundleError::Io { source, .. } => {
                // The name of the file is in the outer error only.
                tracing::error!(%session, %error, "while packing");
                Self::io(session, source)
            }
            _ => {
                tracing::error!(%session, %error, "a bundle could not be packed");
                Self::Damaged
            }
        }
    }
}

/// The bundle in a folder as one archive. The file is removed from the disk when it is closed.
pub(crate) fn pack(folder: &Path, session: SessionId) -> Result<Packed, NotPacked> {
    if !folder.is_dir() {
        return Err(NotPacked::Unknown);
    }
    let reader = bundle::Reader::open(folder).map_err(|error| {
        tracing::warn!(%session, %error, "a bundle cannot be read");
        match error {
            bundle::BundleError::Unsealed(_) => {
                if bundle::is_being_recorded(folder) {
                    NotPacked::Running
                } else {
                    NotPacked::CutOff
                }
            }
            bundle::BundleError::Io { source, .. } => NotPacked::io(session, &source),
            _ => NotPacked::Damaged,
        }
    })?;
    let io = |error: std::io::Error| NotPacked::io(session, &error);
    let temporary = tempfile::tempdir().map_err(io)?;
    let path = temporary.path().join("bundle.tar.zst");
    bundle::export::archive(&reader, &path, |_, _| {})
        .map_err(|error| NotPacked::packing(session, &error))?;
    let file = std::fs::File::open(&path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    Ok(Packed { name: format!("{session}.tar.zst"), file, size })
}

/// The same in memory.
pub(crate) fn read(mut packed: Packed) -> std::io::Result<Archive> {
    let mut bytes = Vec::new();
    packed.file.read_to_end(&mut bytes)?;
    Ok(Archive { name: packed.name, bytes })
}

/// Stands before the name of a folder that is being deleted.
const DELETING: &str = ".deleted-";

/// Logs why a bundle was not deleted, and says so without the reason: paths of the machine do not belong in a chat.
pub(crate) fn not_deleted(guild: GuildId, session: SessionId, error: &dyn std::fmt::Display) -> String {
    tracing::error!(%guild, %session, %error, "a bundle could not be deleted");
    "It could not be deleted; the log says why. Please report it to the operator.".to_owned()
}

/// Deletes a bundle. It is out of sight at once; what a process that died left half deleted is deleted with the next.
pub(crate) fn delete(data: &Path, guild: GuildId, session: SessionId) -> Result<(), String> {
    let folder = folder(data, guild, session);
    if !folder.is_dir() {
        return Err(UNKNOWN.to_owned());
    }
    let failed = |error: &dyn std::fmt::Display| not_deleted(guild, session, error);
    bundle::delete(&folder).map_err(|error| failed(&error))?;
    // What an earlier attempt left behind goes, too.
    let guild_folder = data.join("bundles").join(guild.to_string());
    for entry in std::fs::read_dir(&guild_folder).map_err(|error| failed(&error))?.flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(DELETING)) {
            std::fs::remove_dir_all(entry.path()).map_err(|error| failed(&error))?;
        }
    }
    Ok(())
}

/// A size for people.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    // Exact up to 9 PB.
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_session_differs_from_a_damaged_one() {
        let folder = tempfile::tempdir().unwrap();
        let session = SessionId(uuid::Uuid::now_v7());
        assert_eq!(pack(&folder.path().join("none"), session).unwrap_err(), NotPacked::Unknown);
        std::fs::write(folder.path().join("manifest.json"), "{ nonsense").unwrap();
        assert_eq!(pack(folder.path(), session).unwrap_err(), NotPacked::Damaged);
    }

    #[test]
    fn messages_to_people_name_no_files() {
        let data = tempfile::tempdir().unwrap();
        let session = SessionId(uuid::Uuid::now_v7());
        let mine = folder(data.path(), GuildId(1), session);
        std::fs::create_dir_all(&mine).unwrap();
        // A manifest that is a folder: no file system can read it.
        std::fs::create_dir(mine.join("manifest.json")).unwrap();
        let listed = list(data.path(), GuildId(1)).remove(0).summary;
        let packed = pack(&mine, session).unwrap_err().to_string();
        for words in [listed, packed] {
            assert!(!words.contains(&data.path().display().to_string()), "{words}");
            assert!(words.contains("the log says"), "{words}");
        }
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let none = NotPacked::io(session, &full);
        assert!(none == NotPacked::NoRoom && none.passes() && !NotPacked::Damaged.passes());
    }

    #[test]
    fn a_bundle_is_deleted_from_its_own_guild_alone() {
        let data = tempfile::tempdir().unwrap();
        let (here, there, session) = (GuildId(1), GuildId(2), SessionId(uuid::Uuid::now_v7()));
        let mine = folder(data.path(), here, session);
        std::fs::create_dir_all(mine.join("tracks")).unwrap();
        std::fs::write(mine.join("manifest.json"), "{}").unwrap();
        let left = mine.with_file_name(".deleted-earlier");
        std::fs::create_dir_all(&left).unwrap();
        assert_eq!(delete(data.path(), there, session), Err(UNKNOWN.to_owned()));
        assert!(mine.is_dir());
        assert_eq!(delete(data.path(), here, session), Ok(()));
        assert!(!mine.exists() && !left.exists());
        assert_eq!(std::fs::read_dir(mine.parent().unwrap()).unwrap().count(), 0);
    }
}
