//! The export formats by name, and the result of an export.
use std::path::{Path, PathBuf};

use crate::files::digest_file;
use crate::format::error::Result;
use crate::read::reader::Reader;
use antiphon_core::audio::SLOT_MS;
use antiphon_core::chain::Digest;

/// A form that a bundle can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Everything as one `tar.zst`.
    Archive,
    /// A WAV file for each track.
    Wav,
    /// A FLAC file for each track.
    Flac,
    /// The Opus tracks as they are.
    Ogg,
    /// Everybody in one WAV file.
    Mix,
    /// WebVTT.
    Vtt,
    /// SubRip.
    Srt,
    /// FLAC tracks, a list that opens them together, and labels.
    Audacity,
    /// One SVG drawing of the session.
    Plot,
}

impl Form {
    /// Whether several files come of it, in a folder.
    pub fn is_folder(self) -> bool {
        matches!(self, Form::Wav | Form::Flac | Form::Ogg | Form::Audacity)
    }

    /// What a file of this form is called after its bundle; a folder's name ends so.
    pub fn ending(self) -> &'static str {
        match self {
            Form::Archive => ".tar.zst",
            Form::Wav => "-wav",
            Form::Flac => "-flac",
            Form::Ogg => "-ogg",
            Form::Mix => "-mix.wav",
            Form::Vtt => ".vtt",
            Form::Srt => ".srt",
            Form::Audacity => "-audacity",
            Form::Plot => ".svg",
        }
    }
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    pub path: PathBuf,
    /// How long its sound is; none when it has none.
    pub duration_ms: Option<u64>,
}

impl Exported {
    /// Its size and SHA-256, by reading it.
    pub fn digest(&self) -> Result<(u64, Digest)> {
        digest_file(&self.path)
    }
}

/// Writes a bundle in a form: to a file, or into a folder. `progress` gets what is done and what there is in all.
pub fn write(
    bundle: &Reader,
    form: Form,
    to: &Path,
    progress: impl FnMut(u64, u64),
) -> Result<Vec<Exported>> {
    let one = |()| vec![to.to_path_buf()];
    let paths = match form {
        Form::Archive => super::archive(bundle, to, progress).map(one)?,
        Form::Wav => super::wav(bundle, to, progress)?,
        Form::Flac => super::flac(bundle, to, progress)?,
        Form::Ogg => super::ogg(bundle, to)?,
        Form::Mix => super::mix(bundle, to, progress).map(one)?,
        Form::Vtt => super::vtt(bundle, to).map(one)?,
        Form::Srt => super::srt(bundle, to).map(one)?,
        Form::Audacity => super::audacity(bundle, to, progress)?,
        Form::Plot => crate::draw::plot(bundle, to, progress).map(one)?,
    };
    let length = bundle.manifest().end_slot() * u64::from(SLOT_MS);
    let sounds = |path: &Path| {
        path.extension()
            .is_some_and(|extension| ["wav", "flac", "ogg"].iter().any(|sound| extension == *sound))
    };
    Ok(paths
        .into_iter()
        .map(|path| Exported { duration_ms: sounds(&path).then_some(length), path })
        .collect())
}
