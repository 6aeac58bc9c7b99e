//! A file for each track: as WAV, or the Opus tracks as they are.
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::files::{file_name, with_sound, write_new};
use super::voice::Voice;
use crate::codec::samples::write_samples;
use crate::codec::wav::header;
use crate::format::error::{BundleError, Doing, Result};
use crate::format::manifest::TrackFormat;
use crate::read::reader::Reader;

/// The most bytes of a WAV file's samples: its sizes have 32 bits. 12.4 hours at 48 kHz mono.
const MAX_WAV: u64 = u32::MAX as u64 - 44;

/// Every track that has sound as a WAV file of its own in `folder`. `progress` gets slots done and slots in all.
pub fn wav(bundle: &Reader, folder: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Vec<PathBuf>> {
    let tracks = with_sound(bundle)?;
    let total = tracks.len() as u64 * bundle.manifest().end_slot();
    let (mut done, mut files) = (0, Vec::new());
    for track in tracks {
        let to = folder.join(file_name(track, "wav"));
        let voice = Voice::of(bundle, track)?;
        let (rate, slots) = (voice.rate(), voice.left());
        write_wav(&to, rate, slots, voice, || {
            done += 1;
            progress(done, total);
        })?;
        files.push(to);
    }
    Ok(files)
}

/// Every track as it is, in `folder`: Opus in Ogg, PCM in WAV or FLAC.
pub fn ogg(bundle: &Reader, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for track in with_sound(bundle)? {
        let from = bundle.path(bundle.blob_of(track)?)?;
        let extension = match track.format {
            Some(TrackFormat::OggOpus) => "ogg",
            Some(TrackFormat::Flac) => "flac",
            Some(TrackFormat::Wav) | None => "wav",
        };
        let to = folder.join(file_name(track, extension));
        write_new(&to, |out| {
            let mut file = File::open(&from).doing("open", &from)?;
            std::io::copy(&mut file, out).doing("copy", &from).map(|_| ())
        })?;
        files.push(to);
    }
    Ok(files)
}

/// Writes slots of mono 16-bit samples as they come.
pub(super) fn write_wav(
    to: &Path,
    rate: u32,
    slots: u64,
    pcm: impl Iterator<Item = Result<Vec<i16>>>,
    mut progress: impl FnMut(),
) -> Result<()> {
    let samples = slots * u64::from(rate / 50);
    if samples * 2 > MAX_WAV {
        return Err(BundleError::TooLarge {
            file: to.display().to_string(),
            what: "the size of its samples in bytes (FLAC has no such limit)",
            found: samples * 2,
            limit: MAX_WAV,
        });
    }
    write_new(to, |out| {
        out.write_all(&header(rate, samples)).doing("write", to)?;
        let mut bytes = Vec::new();
        for slot in pcm {
            write_samples(out, &slot?, &mut bytes).doing("write", to)?;
            progress();
        }
        Ok(())
    })
}
