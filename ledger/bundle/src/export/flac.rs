//! A FLAC file for each track (RFC 9639), sample for sample what the WAV export has.
use std::path::{Path, PathBuf};

use super::files::{file_name, with_sound, write_new};
use super::voice::Voice;
use crate::codec::flac::{BLOCK, Stream};
use crate::format::error::Result;
use crate::read::reader::Reader;

/// Every track that has sound as a FLAC file of its own in `folder`. `progress` gets slots done and slots in all.
pub fn flac(bundle: &Reader, folder: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Vec<PathBuf>> {
    let tracks = with_sound(bundle)?;
    let total = tracks.len() as u64 * bundle.manifest().end_slot();
    let (mut done, mut files) = (0, Vec::new());
    for track in tracks {
        let to = folder.join(file_name(track, "flac"));
        let voice = Voice::of(bundle, track)?;
        write_flac(&to, voice, || {
            done += 1;
            progress(done, total);
        })?;
        files.push(to);
    }
    Ok(files)
}

pub(super) fn write_flac(to: &Path, voice: Voice, mut progress: impl FnMut()) -> Result<()> {
    let slots = (BLOCK / voice.slot()).max(1);
    write_new(to, |out| {
        let mut stream = Stream::begin(to, out, voice.rate(), slots * voice.slot())?;
        for slot in voice {
            stream.take(&slot?)?;
            progress();
        }
        stream.end()
    })
}
