//! A PCM track in WAV, written by position: what was passed over stays a hole in the file and reads as silence.
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::files::Dirty;
use crate::format::error::{BundleError, Doing, Result};
use antiphon_core::private_files;

/// Bytes in front of the samples: RIFF, fmt and data headers of plain 16-bit PCM.
pub(crate) const HEADER: u64 = 44;
/// WAV's sizes have 32 bits.
const MAX_DATA: u64 = u32::MAX as u64 - HEADER;

/// What a WAV file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WavInfo {
    pub(crate) rate: u32,
    pub(crate) channels: u16,
    pub(crate) samples: u64,
}

/// Writes mono 16-bit PCM.
pub(crate) struct WavTrack {
    path: PathBuf,
    file: File,
    rate: u32,
    /// Samples up to the end of the file.
    samples: u64,
    /// Samples when the header was last brought up to date.
    stated: u64,
    dirty: Dirty,
}

impl WavTrack {
    pub(crate) fn create(path: &Path, rate: u32) -> Result<Self> {
        let file = private_files::options().write(true).create_new(true).open(path).doing("create", path)?;
        let mut track =
            Self { path: path.to_path_buf(), file, rate, samples: 0, stated: 0, dirty: Dirty::Created };
        track.state()?;
        Ok(track)
    }

    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// Writes samples at a place. The header follows once a second, so that a crash costs no more.
    pub(crate) fn write_at(&mut self, sample: u64, pcm: &[i16]) -> Result<()> {
        let end = sample + pcm.len() as u64;
        if end * 2 > MAX_DATA {
            return Err(BundleError::TooLarge {
                file: self.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                what: "the WAV track's data",
                found: end * 2,
                limit: MAX_DATA,
            });
        }
        let bytes: Vec<u8> = pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        self.file.seek(SeekFrom::Start(HEADER + sample * 2)).doing("write", &self.path)?;
        self.file.write_all(&bytes).doing("write", &self.path)?;
        self.samples = self.samples.max(end);
        self.dirty.touch();
        if self.samples - self.stated >= u64::from(self.rate) { self.state() } else { Ok(()) }
    }

    /// Removes everything after a sample.
    pub(crate) fn take_back_to(&mut self, samples: u64) -> Result<()> {
        self.file.set_len(HEADER + samples * 2).doing("write", &self.path)?;
        self.samples = samples;
        self.dirty.touch();
        self.state()
    }

    /// Takes up a track that broke off.
    pub(crate) fn resume(path: &Path, rate: u32, samples: u64) -> Result<Self> {
        let file = File::options().write(true).open(path).doing("open", path)?;
        file.set_len(HEADER + samples * 2).doing("write", path)?;
        Ok(Self { path: path.to_path_buf(), file, rate, samples, stated: 0, dirty: Dirty::Written })
    }

    /// To disk with what was written; gives whether the file is one that was not synced before.
    pub(crate) fn sync(&mut self) -> Result<bool> {
        self.dirty.sync(&self.file).doing("write", &self.path)
    }

    /// Ends the track at a sample.
    pub(crate) fn finish(mut self, end: u64) -> Result<()> {
        self.samples = self.samples.max(end.min(MAX_DATA / 2));
        self.file.set_len(HEADER + self.samples * 2).doing("write", &self.path)?;
        self.state()?;
        self.file.sync_all().doing("write", &self.path)
    }

    fn state(&mut self) -> Result<()> {
        self.file.seek(SeekFrom::Start(0)).doing("write", &self.path)?;
        self.file.write_all(&header(self.rate, self.samples)).doing("write", &self.path)?;
        self.stated = self.samples;
        Ok(())
    }
}

/// The header of a mono 16-bit file with so many samples.
pub(crate) fn header(rate: u32, samples: u64) -> [u8; HEADER as usize] {
    let data = u32::try_from(samples * 2).unwrap_or(u32::MAX);
    let mut out = [0; HEADER as usize];
    let parts: [&[u8]; 13] = [
        b"RIFF",
        &data.saturating_add(36).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16u32.to_le_bytes(),
        &1u16.to_le_bytes(),
        &1u16.to_le_bytes(),
        &rate.to_le_bytes(),
        &rate.saturating_mul(2).to_le_bytes(),
        &2u16.to_le_bytes(),
        &16u16.to_le_bytes(),
        b"data",
        &data.to_le_bytes(),
    ];
    let mut at = 0;
    for part in parts {
        out[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    out
}

/// Reads the header of a WAV file as this module writes them, and stands at the first sample.
pub(crate) fn read_header(name: &str, from: &mut impl Read) -> Result<WavInfo> {
    let bad = |message: String| BundleError::Track { file: name.to_owned(), message };
    let mut bytes = [0; HEADER as usize];
    from.read_exact(&mut bytes).map_err(|_| bad("too short for a WAV header".into()))?;
    let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    if &bytes[0..4] != b"RIFF" || &bytes[8..16] != b"WAVEfmt " || &bytes[36..40] != b"data" {
        return Err(bad("not a WAV file as bundles have them (RIFF, fmt, data)".into()));
    }
    let (format, channels, bits, rate) = (u16_at(20), u16_at(22), u16_at(34), u32_at(24));
    if format != 1 || channels != 1 || bits != 16 {
        return Err(bad(format!(
            "expected 16-bit mono PCM, found format {format}, {channels} channels, {bits} bits"
        )));
    }
    if rate % 50 != 0 || !(8_000..=192_000).contains(&rate) {
        return Err(bad(format!("{rate} samples a second don't make 20 ms slots")));
    }
    Ok(WavInfo { rate, channels, samples: u64::from(u32_at(40)) / 2 })
}
