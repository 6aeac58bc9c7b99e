//! WAV files in and sample rates: everything that is spoken becomes 48 kHz mono.
use std::io::Cursor;
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};

/// The rate of everything on the wire.
pub const RATE: u32 = 48_000;
/// The longest clip that is read, in seconds: a script that names a film is a mistake.
pub const MAX_SECONDS: u64 = 3600;
/// Frames that the resampler takes at a time.
const CHUNK: usize = 1024;

/// Audio that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WavError {
    /// The file cannot be read.
    #[error("cannot read {path} as WAV: {why}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It is longer than [`MAX_SECONDS`].
    #[error("{path} lasts {seconds} s, more than the {MAX_SECONDS} s a clip may last", path = path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        seconds: u64,
    },
    /// The resampler refused the rate.
    #[error("cannot resample from {from} Hz to {RATE} Hz: {why}")]
    Rate {
        /// The rate of the audio.
        from: u32,
        /// What the resampler said.
        why: String,
    },
}

/// Reads a WAV file (8 to 32 bit integer or 32 bit float, any channels, any rate) as 48 kHz mono in -1..1.
pub fn read(path: &Path) -> Result<Vec<f32>, WavError> {
    let bytes = std::fs::read(path)
        .map_err(|error| WavError::Unreadable { path: path.to_owned(), why: error.to_string() })?;
    parse(&bytes, path)
}

/// As [`read`], from memory; `path` is for errors.
pub fn parse(bytes: &[u8], path: &Path) -> Result<Vec<f32>, WavError> {
    let unreadable = |why: String| WavError::Unreadable { path: path.to_owned(), why };
    let reader = WavReader::new(Cursor::new(bytes)).map_err(|error| unreadable(error.to_string()))?;
    let spec = reader.spec();
    if spec.channels == 0 || spec.sample_rate == 0 {
        return Err(unreadable("its header names no channels or no rate".to_owned()));
    }
    let seconds = u64::from(reader.duration()) / u64::from(spec.sample_rate);
    if seconds > MAX_SECONDS {
        return Err(WavError::TooLong { path: path.to_owned(), seconds });
    }
    let interleaved: Vec<f32> = match spec.sample_format {
        SampleFormat::Float => reader.into_samples::<f32>().collect::<Result<_, _>>(),
        SampleFormat::Int => {
            let scale = 1.0 / 2_f32.powi(i32::from(spec.bits_per_sample) - 1);
            reader.into_samples::<i32>().map(|sample| sample.map(|value| value as f32 * scale)).collect()
        }
    }
    .map_err(|error| unreadable(error.to_string()))?;
    let channels = usize::from(spec.channels);
    let mono: Vec<f32> =
        interleaved.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect();
    to_48k(mono, spec.sample_rate)
}

/// Resamples mono audio to 48 kHz, without delay.
pub fn to_48k(samples: Vec<f32>, from: u32) -> Result<Vec<f32>, WavError> {
    if from == RATE || samples.is_empty() {
        return Ok(samples);
    }
    let failed = |why: String| WavError::Rate { from, why };
    let len = samples.len();
    let mut resampler = Fft::<f32>::new(from as usize, RATE as usize, CHUNK, 1, FixedSync::Input)
        .map_err(|error| failed(error.to_string()))?;
    let input = InterleavedSlice::new(&samples, 1, len).map_err(|error| failed(error.to_string()))?;
    let output = resampler.process_all(&input, len, None).map_err(|error| failed(error.to_string()))?;
    let mut resampled = output.take_data();
    // The ratio's rounding may have added a sample.
    resampled.truncate((len as u64 * u64::from(RATE)).div_ceil(u64::from(from)) as usize);
    Ok(resampled)
}

/// Writes 48 kHz mono as a 16-bit WAV file.
pub fn write(path: &Path, samples: &[f32]) -> Result<(), WavError> {
    let failed = |error: hound::Error| WavError::Unreadable { path: path.to_owned(), why: error.to_string() };
    let mut writer = WavWriter::create(path, spec()).map_err(failed)?;
    for sample in samples {
        writer.write_sample(to_i16(*sample)).map_err(failed)?;
    }
    writer.finalize().map_err(failed)
}

/// The format of everything that is written: 48 kHz, mono, 16 bit.
pub(super) const fn spec() -> WavSpec {
    WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: SampleFormat::Int }
}

/// A sample in -1..1 as 16 bit, clipped.
pub(super) fn to_i16(sample: f32) -> i16 {
    (sample * 32768.0).round().clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(rate: u32, hertz: f32, seconds: f32) -> Vec<f32> {
        (0..(rate as f32 * seconds) as usize)
            .map(|n| (n as f32 / rate as f32 * hertz * std::f32::consts::TAU).sin() * 0.5)
            .collect()
    }

    fn wav(spec: WavSpec, samples: &[f32]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        for sample in samples {
            match spec.sample_format {
                SampleFormat::Float => writer.write_sample(*sample).unwrap(),
                SampleFormat::Int => {
                    let scale = 2_f32.powi(i32::from(spec.bits_per_sample) - 1) - 1.0;
                    writer.write_sample((sample * scale) as i32).unwrap();
                }
            }
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn any_wav_format_becomes_48_khz_mono_in_place() {
        for (rate, bits, format, channels) in [
            (22_050, 16, SampleFormat::Int, 1),
            (44_100, 24, SampleFormat::Int, 2),
            (8_000, 8, SampleFormat::Int, 1),
            (16_000, 32, SampleFormat::Float, 2),
            (48_000, 16, SampleFormat::Int, 1),
        ] {
            let mono = sine(rate, 440.0, 0.5);
            let interleaved: Vec<f32> = mono.iter().flat_map(|s| vec![*s; channels]).collect();
            let spec = WavSpec {
                channels: channels as u16,
                sample_rate: rate,
                bits_per_sample: bits,
                sample_format: format,
            };
            let read = parse(&wav(spec, &interleaved), Path::new("test.wav")).unwrap();
            assert_eq!(read.len(), 24_000, "{rate} Hz {bits} bit");
            let wanted = sine(RATE, 440.0, 0.5);
            // Away from the edges, where the filter rings.
            let error: f32 = read[2400..21_600]
                .iter()
                .zip(&wanted[2400..21_600])
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(error < 0.02, "{rate} Hz {bits} bit: off by {error}");
        }
    }

    #[test]
    fn what_is_no_wav_is_refused_with_its_name() {
        let error = parse(b"RIFFnonsense", Path::new("odd.wav")).unwrap_err();
        assert!(error.to_string().contains("odd.wav"), "{error}");
        assert!(read(Path::new("/nowhere/x.wav")).unwrap_err().to_string().contains("/nowhere/x.wav"));
    }

    #[test]
    fn a_file_cut_short_is_refused() {
        let whole = wav(spec(), &sine(RATE, 440.0, 0.1));
        assert!(parse(&whole[..whole.len() - 101], Path::new("cut.wav")).is_err());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.wav");
        let samples = sine(RATE, 100.0, 0.1);
        write(&path, &samples).unwrap();
        let again = read(&path).unwrap();
        assert_eq!(again.len(), samples.len());
        assert!(again.iter().zip(&samples).all(|(a, b)| (a - b).abs() < 1e-4));
        assert_eq!((to_i16(2.0), to_i16(-2.0)), (i16::MAX, i16::MIN));
    }
}
