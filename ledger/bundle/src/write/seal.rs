//! The end of a bundle: digests, the manifest, and the name that makes it whole.
use std::fs;
use std::path::Path;

use super::open_files::MANIFEST_NEW;
use super::{compress, open_files};
use crate::files::{digest_file, sync_dir, write_json};
use crate::format::error::{Doing, Result};
use crate::format::manifest::{Attendance, Blob, Counts, Head, MANIFEST, Manifest, TRACKS, Tail, Track};

/// What was found out while recording.
#[derive(Debug)]
pub(crate) struct Content {
    /// The version of the format that it was written in.
    pub(crate) version: u32,
    pub(crate) members: Vec<Attendance>,
    pub(crate) tracks: Vec<Track>,
    pub(crate) counts: Counts,
    /// Every file but the manifest.
    pub(crate) blobs: Vec<String>,
}

/// Reads every file for its digest and puts the manifest together.
pub(crate) fn manifest(dir: &Path, head: Head, end: Tail, content: Content) -> Result<Manifest> {
    let Content { version, members, tracks, counts, blobs: mut names } = content;
    names.sort();
    let blobs = names
        .into_iter()
        .map(|name| {
            let (bytes, sha256) = digest_file(&dir.join(&name))?;
            Ok(Blob { name, bytes, sha256 })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Manifest {
        schema_version: version,
        session: head.session,
        guild: head.guild,
        channel: head.channel,
        bot: head.bot,
        started: head.started,
        ended: end.ended,
        end_reason: end.reason,
        flags: head.flags,
        settings: head.settings,
        providers: head.providers,
        policies: head.policies,
        versions: head.versions,
        members,
        tracks,
        counts,
        ledger: end.ledger,
        anonymized: None,
        blobs,
    })
}

/// Gives the manifest its name, when all it names is on disk. Before the rename the folder is an open bundle, after it a
/// sealed one; there is nothing in between. `superseded` are files that it has no use for.
pub(crate) fn publish(dir: &Path, manifest: &Manifest, superseded: &[String]) -> Result<()> {
    open_files::give_room(dir)?;
    sync_dir(&dir.join(TRACKS))?;
    replace(dir, manifest)?;
    compress::remove(dir, superseded)?;
    open_files::clear(dir)
}

/// Puts a manifest in place, whole or not at all.
pub(crate) fn replace(dir: &Path, manifest: &Manifest) -> Result<()> {
    let new = dir.join(MANIFEST_NEW);
    write_json(&new, manifest)?;
    sync_dir(dir)?;
    fs::rename(&new, dir.join(MANIFEST)).doing("rename", &new)?;
    sync_dir(dir)
}
