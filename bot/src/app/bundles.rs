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
        Err(error) => format!("cannot be read: {error}"),
    }
}

/// The bundle in a folder as one archive, in memory: it is checked for size by whoever sends it.
pub(crate) fn archive(folder: &Path, session: SessionId) -> Result<Archive, String> {
    let temporary = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = temporary.path().join("bundle.tar.zst");
    let reader =
        ledger::bundle::Reader::open(folder).map_err(|_| "There is no such session here.".to_owned())?;
    ledger::bundle::export::archive(&reader, &path, |_, _| {}).map_err(|error| error.to_string())?;
    let bytes = std::fs::read(&path).map_err(|error| error.to_string())?;
    Ok(Archive { name: format!("{session}.tar.zst"), bytes })
}
