//! Sound as speech providers take and give it: 16 kHz mono floats in, 48 kHz mono 16-bit out.
use std::path::Path;

use crate::sound::{self, Mono, Remark};
use antiphon_core::audio::{DISCORD_RATE, SPEECH_RATE};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _, WindowFunction};

/// Samples of one second at [`SPEECH_RATE`].
pub const SECOND_16K: usize = SPEECH_RATE as usize;
/// Samples of one second at [`DISCORD_RATE`], mono.
pub const SECOND_48K: usize = DISCORD_RATE as usize;
/// Samples of one piece of speech on its way to playback: 200 ms at 48 kHz.
pub const CHUNK_48K: usize = SECOND_48K / 5;
/// Sound that could not be read, written or resampled.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// The file is not there, or not sound that can be read.
    #[error("{file}: {why}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
    #[error("cannot resample from {from} Hz to {to} Hz: {why}")]
    Rate { from: u32, to: u32, why: String },
}

/// 16-bit samples as floats in -1..1.
pub fn to_f32(pcm: &[i16]) -> Vec<f32> {
    pcm.iter().map(|&s| f32::from(s) / 32768.0).collect()
}

/// Floats as 16-bit samples; what is too loud is clipped, what is not a number is silence.
pub fn to_i16(pcm: &[f32]) -> Vec<i16> {
    pcm.iter().map(|&s| (s * 32768.0).round().clamp(-32768.0, 32767.0) as i16).collect()
}

/// 16-bit samples as little-endian bytes, the form in which speech travels.
pub fn to_bytes(pcm: &[i16]) -> Vec<u8> {
    pcm.iter().flat_map(|s| s.to_le_bytes()).collect()
}

/// Little-endian bytes as 16-bit samples; an odd last byte is left out.
pub fn from_bytes(bytes: &[u8]) -> Vec<i16> {
    bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

/// The length of mono 48 kHz samples in milliseconds, rounded up.
pub fn millis_48k(samples: u64) -> u32 {
    u32::try_from(samples.div_ceil(48)).unwrap_or(u32::MAX)
}

/// The loudest 20 ms of 16 kHz sound: its root mean square.
pub fn loudest_frame(pcm: &[f32]) -> f32 {
    pcm.chunks(320)
        .map(|frame| frame.iter().map(|s| s * s).sum::<f32>() / frame.len() as f32)
        .fold(0.0, f32::max)
        .sqrt()
}

/// Changes the rate of mono sound as it comes. The filter's delay is taken off the start and made up for at the
/// end, so what comes out lines up with what went in and is exactly as long.
pub struct Resampler {
    engine: Option<Fft<f32>>,
    ratio: f64,
    pending: Vec<f32>,
    to_trim: usize,
    fed: u64,
    given: u64,
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resampler").field("ratio", &self.ratio).finish_non_exhaustive()
    }
}

impl Resampler {
    /// From one rate to another, in samples a second.
    pub fn new(from: u32, to: u32) -> Result<Self, AudioError> {
        let ratio = f64::from(to) / f64::from(from.max(1));
        if from == to {
            return Ok(Self { engine: None, ratio, pending: Vec::new(), to_trim: 0, fed: 0, given: 0 });
        }
        let engine = Fft::new_custom(
            from as usize,
            to as usize,
            block(from, to),
            1,
            1,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .map_err(|e| AudioError::Rate { from, to, why: e.to_string() })?;
        let to_trim = engine.output_delay();
        Ok(Self { engine: Some(engine), ratio, pending: Vec::new(), to_trim, fed: 0, given: 0 })
    }

    /// Takes more sound and appends what is ready to `out`.
    pub fn push(&mut self, pcm: &[f32], out: &mut Vec<f32>) {
        self.fed += pcm.len() as u64;
        let Some(engine) = &self.engine else {
            self.given += pcm.len() as u64;
            out.extend_from_slice(pcm);
            return;
        };
        let block = engine.input_frames_next();
        self.pending.extend_from_slice(pcm);
        let mut used = 0;
        while self.pending.len() - used >= block {
            let input = self.pending[used..used + block].to_vec();
            self.block(&input, out);
            used += block;
        }
        self.pending.drain(..used);
    }

    /// Gives what is left.
    pub fn finish(mut self, out: &mut Vec<f32>) {
        let Some(engine) = &self.engine else { return };
        let due = (self.fed as f64 * self.ratio).round() as u64;
        let block = engine.input_frames_next();
        let mut last = std::mem::take(&mut self.pending);
        while self.given < due {
            last.resize(block, 0.0);
            let before = out.len();
            self.block(&last, out);
            let extra = self.given.saturating_sub(due) as usize;
            out.truncate(out.len().saturating_sub(extra).max(before));
            last.clear();
        }
    }

    fn block(&mut self, input: &[f32], out: &mut Vec<f32>) {
        let Some(engine) = &mut self.engine else { return };
        // Both sizes are fixed and the slice has exactly the size asked for: neither call can fail.
        let Ok(adapter) = InterleavedSlice::new(input, 1, input.len()) else { return };
        let Ok(made) = engine.process(&adapter, None::<&Indexing>) else { return };
        let made = made.take_data();
        let skip = self.to_trim.min(made.len());
        self.to_trim -= skip;
        self.given += (made.len() - skip) as u64;
        out.extend_from_slice(&made[skip..]);
    }
}

/// Samples that the filter takes at a time: about 1024, a multiple of what the two rates need, and even, because the
/// delay is half of it.
fn block(from: u32, to: u32) -> usize {
    let (mut a, mut b) = (from, to);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let least = (from / a.max(1)) as usize;
    let count = 1024usize.div_ceil(least.max(1));
    if (least * count).is_multiple_of(2) { least * count } else { least * (count + 1) }
}

/// Changes the rate of a whole piece of mono sound.
pub fn resample(pcm: &[f32], from: u32, to: u32) -> Result<Vec<f32>, AudioError> {
    let mut engine = Resampler::new(from, to)?;
    let mut out = Vec::with_capacity((pcm.len() as f64 * engine.ratio) as usize + 2048);
    engine.push(pcm, &mut out);
    engine.finish(&mut out);
    Ok(out)
}

/// Reads a sound file (`-` for the standard input) as mono of a rate, with what had to be worked around.
pub fn read_mono(path: &Path, rate: u32) -> Result<(Vec<f32>, Vec<Remark>), AudioError> {
    let Mono { rate: from, samples, remarks } = sound::read(path)?.into_mono();
    Ok((resample(&samples, from, rate)?, remarks))
}

/// Writes 48 kHz mono 16-bit sound as a WAV file.
pub fn write_wav_48k(path: &Path, pcm: &[i16]) -> Result<(), AudioError> {
    let fault = |e: hound::Error| AudioError::File { file: path.display().to_string(), why: e.to_string() };
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: DISCORD_RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).map_err(fault)?;
    for &sample in pcm {
        writer.write_sample(sample).map_err(fault)?;
    }
    writer.finalize().map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(rate: u32, hz: f32, samples: usize) -> Vec<f32> {
        (0..samples).map(|n| (n as f32 * hz * std::f32::consts::TAU / rate as f32).sin() * 0.5).collect()
    }

    #[test]
    fn resampling_keeps_length_place_and_pitch() {
        for (from, to) in [(22_050, 48_000), (48_000, 16_000), (16_000, 48_000), (24_000, 48_000)] {
            let input = sine(from, 440.0, from as usize);
            let out = resample(&input, from, to).unwrap();
            assert_eq!(out.len(), to as usize, "{from} -> {to}");
            let ideal = sine(to, 440.0, to as usize);
            // Away from the edges it is the same wave, sample by sample.
            for n in 2000..to as usize - 2000 {
                assert!((out[n] - ideal[n]).abs() < 0.01, "{from} -> {to} at {n}");
            }
        }
    }

    #[test]
    fn the_same_sound_comes_out_however_it_is_cut() {
        let input = sine(22_050, 300.0, 10_001);
        let whole = resample(&input, 22_050, 48_000).unwrap();
        let mut engine = Resampler::new(22_050, 48_000).unwrap();
        let mut out = Vec::new();
        for piece in input.chunks(73) {
            engine.push(piece, &mut out);
        }
        engine.finish(&mut out);
        assert_eq!(out, whole);
    }

    #[test]
    fn loud_and_broken_samples_are_clipped_not_wrapped() {
        assert_eq!(to_i16(&[2.0, -2.0, f32::NAN, 0.0]), [32767, -32768, 0, 0]);
        assert_eq!(from_bytes(&to_bytes(&[1, -2, 300])), [1, -2, 300]);
        assert_eq!(from_bytes(&[1, 0, 9]), [1]);
    }
}
