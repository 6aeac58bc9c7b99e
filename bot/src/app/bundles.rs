//! A guild's recorded sessions on disk: `<data>/bundles/<guild>/<session>/`.
use std::path::{Path, PathBuf};

use ledger::ids::{GuildId, SessionId};

/// One recorded session, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its session.
    pub session: SessionId,
    /// When, how long, how many turns; or why it cannot be read.
    pub summary: String,
}

/// An archive ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    /// Its file name.
    pub name: String,
    /// Its content.
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
    let found = ledger::bundle::recover::cut_off(&data.join("bundles"));
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
    match ledger::bundle::Reader::open(folder) {
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
        // Paths of the machine are nobody's business here.
        Err(ledger::bundle::BundleError::Unsealed(_)) if ledger::bundle::is_being_recorded(folder) => {
            "is being recorded".to_owned()
        }
        Err(ledger::bundle::BundleError::Unsealed(_)) => "was cut off and can be recovered".to_owned(),
        Err(error) => format!("cannot be read: {error}"),
    }
}

/// The bundle in a folder as one archive, in memory, unless it is larger than `limit` bytes.
pub(crate) fn archive(folder: &Path, session: SessionId, limit: u64) -> Result<Archive, String> {
    if !folder.is_dir() {
        return Err("There is no such session here. `/bundle list` names them.".to_owned());
    }
    let reader = ledger::bundle::Reader::open(folder).map_err(|error| {
        tracing::warn!(%session, %error, "a bundle cannot be read");
        match error {
            ledger::bundle::BundleError::Unsealed(_) => {
                if ledger::bundle::is_being_recorded(folder) {
                    "That session is still running.".to_owned()
                } else {
                    "That session's recording was cut off. Whoever runs me can make it whole with `antiphon bundle recover`.".to_owned()
                }
            }
            _ => "That session's recording is damaged; the log says how. Whoever runs me can look with `antiphon bundle verify`.".to_owned(),
        }
    })?;
    let temporary = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = temporary.path().join("bundle.tar.zst");
    ledger::bundle::export::archive(&reader, &path, |_, _| {}).map_err(|error| error.to_string())?;
    let size = std::fs::metadata(&path).map_err(|error| error.to_string())?.len();
    if size > limit {
        return Err(format!(
            "The archive has {:.1} MB and this server takes {:.1} MB. Whoever runs me can fetch it with `antiphon bundle export {session}`.",
            megabytes(size),
            megabytes(limit)
        ));
    }
    let bytes = std::fs::read(&path).map_err(|error| error.to_string())?;
    Ok(Archive { name: format!("{session}.tar.zst"), bytes })
}

fn megabytes(bytes: u64) -> f64 {
    // Exact up to 9 PB.
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_not_there_is_told_from_one_that_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let session = SessionId(uuid::Uuid::now_v7());
        let missing = archive(&folder.path().join("none"), session, 1).unwrap_err();
        assert!(missing.contains("no such session"), "{missing}");
        std::fs::write(folder.path().join("manifest.json"), "{ nonsense").unwrap();
        let damaged = archive(folder.path(), session, 1).unwrap_err();
        assert!(damaged.contains("damaged"), "{damaged}");
    }
}
