//! Bytes of raw PCM to 16 kHz mono.
use antiphon_core::audio::{SLOT_SAMPLES_16K, SPEECH_RATE};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};

use super::format::{Encoding, Format, FormatError};

/// What came of some bytes. Both parts lie in buffers that the next call uses again.
#[derive(Debug)]
pub struct Block<'a> {
    /// The bytes as they came, in whole sample frames.
    pub original: &'a [u8],
    /// 16 kHz mono. It lags behind the original by what the resampler holds, never by more than a few slots.
    pub speech: &'a [i16],
}

/// What remained at the end.
#[derive(Debug)]
pub struct Tail<'a> {
    /// The rest of the sound at 16 kHz mono, filled up with silence to a whole slot.
    pub speech: &'a [i16],
    /// Sample frames of the whole stream.
    pub frames: u64,
    /// Bytes left over because the stream ended within a sample frame. They are no sound.
    pub dangling_bytes: usize,
}

struct Resample {
    fft: Fft<f32>,
    chunk_in: Vec<f32>,
    filled: usize,
    chunk_out: Vec<f32>,
    /// Output still to be thrown away: the filter's delay.
    skip: usize,
}

/// Turns bytes of one format into 16 kHz mono, and keeps the originals in whole frames.
pub struct Front {
    format: Format,
    resample: Option<Resample>,
    partial: Vec<u8>,
    original: Vec<u8>,
    speech: Vec<i16>,
    frames: u64,
    produced: u64,
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").field("format", &self.format).field("frames", &self.frames).finish()
    }
}

impl Front {
    /// A front for this format.
    pub fn new(format: Format) -> Result<Self, FormatError> {
        format.validate()?;
        let resample = if format.rate == SPEECH_RATE { None } else { Some(Resample::new(format.rate)?) };
        Ok(Self {
            format,
            resample,
            partial: Vec::with_capacity(format.frame_bytes()),
            original: Vec::with_capacity(format.slot_bytes()),
            speech: Vec::new(),
            frames: 0,
            produced: 0,
        })
    }

    /// The format taken.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Takes some bytes, cut anywhere. Give bounded chunks: what comes out is as long as what went in.
    pub fn push(&mut self, bytes: &[u8]) -> Block<'_> {
        self.original.clear();
        self.original.append(&mut self.partial);
        self.original.extend_from_slice(bytes);
        let frame = self.format.frame_bytes();
        let whole = self.original.len() / frame * frame;
        self.partial.extend_from_slice(&self.original[whole..]);
        self.original.truncate(whole);
        self.speech.clear();
        for frame in self.original.chunks_exact(frame) {
            let sample = mono(self.format.encoding, frame);
            match &mut self.resample {
                Some(resample) => resample.push(sample, &mut self.speech),
                None => self.speech.push(to_i16(sample)),
            }
        }
        self.frames += (whole / frame) as u64;
        self.produced += self.speech.len() as u64;
        Block { original: &self.original, speech: &self.speech }
    }

    /// Gives out what is held, to the last sample; what is pushed next starts again, and does not follow without a gap.
    pub fn flush(&mut self) -> &[i16] {
        self.rest();
        (self.frames, self.produced) = (0, 0);
        self.partial.clear();
        if let Some(resample) = &mut self.resample {
            resample.reset();
        }
        &self.speech
    }

    /// Puts what is held into `speech`; gives how many samples there are in all.
    fn rest(&mut self) -> u64 {
        self.speech.clear();
        let due = (self.frames * u64::from(SPEECH_RATE)).div_ceil(u64::from(self.format.rate));
        let missing = due.saturating_sub(self.produced) as usize;
        if let Some(resample) = &mut self.resample {
            while self.speech.len() < missing {
                resample.push(0.0, &mut self.speech);
            }
        }
        self.speech.resize(missing, 0);
        due
    }

    /// The stream ended.
    pub fn finish(&mut self) -> Tail<'_> {
        let over = (self.rest() % SLOT_SAMPLES_16K as u64) as usize;
        if over > 0 {
            let whole = self.speech.len() + SLOT_SAMPLES_16K - over;
            self.speech.resize(whole, 0);
        }
        self.produced += self.speech.len() as u64;
        Tail { speech: &self.speech, frames: self.frames, dangling_bytes: self.partial.len() }
    }
}

impl Resample {
    fn new(rate: u32) -> Result<Self, FormatError> {
        let (from, to) = (rate as usize, SPEECH_RATE as usize);
        let fft = Fft::new(from, to, from.div_ceil(50), 1, FixedSync::Both)
            .map_err(|error| FormatError::Resampler(rate, error.to_string()))?;
        let (chunk_in, chunk_out) = (vec![0.0; fft.input_frames_next()], vec![0.0; fft.output_frames_next()]);
        let skip = fft.output_delay();
        Ok(Self { fft, chunk_in, filled: 0, chunk_out, skip })
    }

    /// As new, in the same memory.
    fn reset(&mut self) {
        self.fft.reset();
        self.filled = 0;
        self.skip = self.fft.output_delay();
    }

    /// Takes one sample; puts out a chunk whenever one is full.
    fn push(&mut self, sample: f32, out: &mut Vec<i16>) {
        self.chunk_in[self.filled] = sample;
        self.filled += 1;
        if self.filled == self.chunk_in.len() {
            self.filled = 0;
            // It fails only for chunks of another size than it asked for; if it ever did, time would still be kept.
            let written = self.chunk().unwrap_or_else(|| {
                self.chunk_out.fill(0.0);
                self.chunk_out.len()
            });
            let skipped = self.skip.min(written);
            self.skip -= skipped;
            out.extend(self.chunk_out[skipped..written].iter().map(|&sample| to_i16(sample)));
        }
    }

    fn chunk(&mut self) -> Option<usize> {
        let (frames_in, frames_out) = (self.chunk_in.len(), self.chunk_out.len());
        let from = InterleavedSlice::new(&self.chunk_in[..], 1, frames_in).ok()?;
        let mut to = InterleavedSlice::new_mut(&mut self.chunk_out[..], 1, frames_out).ok()?;
        self.fft.process_into_buffer(&from, &mut to, None).ok().map(|(_, written)| written)
    }
}

/// One sample frame as the mean of its channels, full scale 1.
pub(super) fn mono(encoding: Encoding, frame: &[u8]) -> f32 {
    let (sum, channels) = match encoding {
        Encoding::I16Le => {
            let samples =
                frame.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0);
            (samples.sum::<f32>(), frame.len() / 2)
        }
        Encoding::F32Le => {
            let samples = frame.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            // What is no number is no sound; it would poison the resampler for ever.
            (
                samples.map(|s| if s.is_finite() { s.clamp(-1.0, 1.0) } else { 0.0 }).sum::<f32>(),
                frame.len() / 4,
            )
        }
    };
    sum / channels.max(1) as f32
}

pub(super) fn to_i16(sample: f32) -> i16 {
    // `as` saturates.
    (sample * 32_768.0).round() as i16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sine(rate: u32, hz: f32, seconds: f32) -> impl Iterator<Item = f32> {
        let count = (rate as f32 * seconds) as usize;
        (0..count).map(move |k| (k as f32 * hz * std::f32::consts::TAU / rate as f32).sin() * 0.5)
    }

    fn convert(format: Format, bytes: &[u8], cut: usize) -> (Vec<i16>, Vec<u8>, usize) {
        let mut front = Front::new(format).unwrap();
        let (mut speech, mut original) = (Vec::new(), Vec::new());
        for chunk in bytes.chunks(cut) {
            let block = front.push(chunk);
            speech.extend_from_slice(block.speech);
            original.extend_from_slice(block.original);
        }
        let tail = front.finish();
        speech.extend_from_slice(tail.speech);
        (speech, original, tail.dangling_bytes)
    }

    #[test]
    fn a_tone_of_any_rate_comes_out_unchanged() {
        for rate in [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000] {
            let format = Format { rate, channels: 1, encoding: Encoding::F32Le };
            let bytes: Vec<u8> = sine(rate, 300.0, 1.0).flat_map(f32::to_le_bytes).collect();
            let (speech, original, _) = convert(format, &bytes, 777);
            assert_eq!(original, bytes);
            assert_eq!(speech.len(), 16_000, "{rate} Hz");
            let wanted: Vec<i16> = sine(16_000, 300.0, 1.0).map(to_i16).collect();
            let error: f64 =
                (800..15_200).map(|k| f64::from(speech[k] - wanted[k]).powi(2)).sum::<f64>() / 14_400.0;
            // A shift by more than half a sample of the input would show; the filter's delay is rounded to that.
            let half_sample = 16_384.0 * std::f64::consts::TAU * 300.0 / f64::from(rate) * 0.5 / 2f64.sqrt();
            assert!(error.sqrt() < half_sample * 1.1 + 25.0, "{rate} Hz: off by {}", error.sqrt());
        }
    }

    #[test]
    fn channels_are_mixed_down_to_their_mean() {
        let format = Format { rate: 16_000, channels: 2, encoding: Encoding::I16Le };
        let bytes: Vec<u8> = (0..320).flat_map(|_| [1_000i16, -400]).flat_map(i16::to_le_bytes).collect();
        let (speech, ..) = convert(format, &bytes, 5);
        assert_eq!(speech, [300; 320]);
    }

    #[test]
    fn a_stream_cut_within_a_frame_keeps_the_rest() {
        let format = Format { rate: 16_000, channels: 2, encoding: Encoding::I16Le };
        let (speech, original, dangling) = convert(format, &[1; 4 * 330 + 3], 100);
        assert_eq!((speech.len(), original.len(), dangling), (640, 4 * 330, 3));
        assert!(speech[..330].iter().all(|&s| s == 257) && speech[330..].iter().all(|&s| s == 0));
    }

    proptest! {
        #[test]
        fn any_bytes_cut_anywhere_keep_their_length_and_their_time(
            rate in prop_oneof![Just(8_000u32), Just(16_000), Just(22_050), Just(44_100), Just(48_000), 4_000u32..50_000],
            channels in 1u16..4,
            float in any::<bool>(),
            bytes in prop::collection::vec(any::<u8>(), 0..9_000),
            cut in 1usize..2_000,
        ) {
            let encoding = if float { Encoding::F32Le } else { Encoding::I16Le };
            let format = Format { rate, channels, encoding };
            let (speech, original, dangling) = convert(format, &bytes, cut);
            prop_assert_eq!(&original[..], &bytes[..bytes.len() - dangling]);
            prop_assert!(dangling < format.frame_bytes());
            let frames = original.len() / format.frame_bytes();
            let due = (frames as u64 * 16_000).div_ceil(u64::from(rate)) as usize;
            prop_assert_eq!(speech.len(), due.div_ceil(320) * 320);
        }
    }

    #[test]
    fn floats_that_are_no_numbers_are_silence() {
        let format = Format { rate: 48_000, channels: 1, encoding: Encoding::F32Le };
        let bytes: Vec<u8> = [f32::NAN, f32::INFINITY, -f32::INFINITY]
            .repeat(3_200)
            .into_iter()
            .flat_map(f32::to_le_bytes)
            .collect();
        let (speech, ..) = convert(format, &bytes, 960);
        assert!(speech.iter().all(|&s| s == 0));
    }
}
