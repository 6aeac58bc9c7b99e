//! PCM tracks as FLAC, when a bundle is sealed. While recording they are WAV, which outlives a crash wherever it is cut off.
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use crate::codec::flac::{BLOCK, FlacBlocks, Stream};
use crate::codec::wav;
use crate::format::error::{BundleError, Doing, Result};
use crate::format::manifest::{Track, TrackFormat};
use antiphon_core::private_files;

/// How PCM tracks are kept in sealed bundles: those of mirrored speakers, and the bot's voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PcmForm {
    /// As they were recorded. Sealing takes no time.
    #[default]
    Wav,
    /// Without loss, in a third of the room or less. Sealing reads and writes every track again.
    Flac,
}

/// Puts a track into FLAC. Gives the name of the WAV file that is no longer needed once the manifest stands; none when it is
/// kept, for it is no PCM, FLAC would not be smaller, or there was no room to write it.
pub(crate) fn compress(dir: &Path, track: &mut Track) -> Option<String> {
    let wav = track.blob.clone().filter(|_| track.format == Some(TrackFormat::Wav))?;
    let name = format!("{}.flac", wav.strip_suffix(".wav")?);
    let (from, to) = (dir.join(&wav), dir.join(&name));
    match convert(&from, &to, &wav, &name) {
        Ok((before, after)) if after < before => {
            (track.format, track.blob) = (Some(TrackFormat::Flac), Some(name));
            return Some(wav);
        }
        Ok(_) => {}
        Err(error) => {
            metrics::counter!("antiphon_bundle_errors_total").increment(1);
            tracing::warn!(%error, track = wav, "a track is kept as WAV: it could not be put into FLAC");
        }
    }
    // What is left of it is a file that the manifest does not name, no more.
    if let Err(error) = fs::remove_file(&to).or_else(ignore_missing) {
        tracing::warn!(%error, file = %to.display(), "a file that is not needed could not be removed");
    }
    None
}

/// Removes what a manifest that stands has no use for.
pub(crate) fn remove(dir: &Path, superseded: &[String]) -> Result<()> {
    for name in superseded {
        let path = dir.join(name);
        fs::remove_file(&path).or_else(ignore_missing).doing("remove", &path)?;
    }
    Ok(())
}

fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Writes a FLAC file with a WAV file's samples, down to the disk, and reads it again. Gives both sizes.
fn convert(from: &Path, to: &Path, wav: &str, flac: &str) -> Result<(u64, u64)> {
    let file = File::open(from).doing("open", from)?;
    let before = file.metadata().doing("look at", from)?.len();
    let mut samples = BufReader::with_capacity(256 * 1024, file);
    let info = wav::read_header(wav, &mut samples)?;
    let slot = (info.rate / 50) as usize;
    let mut out = BufWriter::with_capacity(256 * 1024, private_files::create(to).doing("create", to)?);
    let mut stream = Stream::begin(to, &mut out, info.rate, (BLOCK / slot).max(1) * slot)?;
    let (mut left, mut bytes) = (info.samples, vec![0; slot * 2]);
    let mut pcm = Vec::with_capacity(slot);
    while left > 0 {
        let take = left.min(slot as u64) as usize;
        samples.read_exact(&mut bytes[..take * 2]).doing("read", from)?;
        pcm.clear();
        pcm.extend(bytes[..take * 2].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
        stream.take(&pcm)?;
        left -= take as u64;
    }
    stream.end()?;
    out.flush().doing("write", to)?;
    out.get_ref().sync_all().doing("write", to)?;
    // The sum in its head is of what went in: read again, it is held to that.
    let written = BufReader::with_capacity(256 * 1024, File::open(to).doing("open", to)?);
    let mut blocks = FlacBlocks::open(written, flac, true)?;
    let found = blocks.try_fold(0, |n, block| block.map(|block| n + block.len() as u64))?;
    if found != info.samples {
        let message = format!("{found} samples of {} came back", info.samples);
        return Err(BundleError::Track { file: flac.to_owned(), message });
    }
    Ok((before, to.metadata().doing("look at", to)?.len()))
}
