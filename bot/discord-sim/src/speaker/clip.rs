//! Something to say, encoded: 20 ms Opus frames at 48 kHz, each marked voiced or not. Mono sound goes out in stereo
//! packets, as from Discord's own clients: some libraries' decoders take no other.
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use opus2::{Application, Bitrate, Channels, Encoder};

use super::wav::{self, RATE, WavError};
use crate::client::Frame;

/// Samples of one frame.
pub const FRAME_SAMPLES: usize = 960;
/// Discord's default bit rate for a voice channel.
const BITRATE: i32 = 64_000;
/// No Opus frame is longer (RFC 6716, section 3.4).
const MAX_OPUS: usize = 1275;
/// The level, in dB relative to full scale, from which a frame counts as voice.
pub const VOICED_DBFS: f32 = -45.0;

/// A clip cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClipError {
    /// The audio cannot be used.
    #[error(transparent)]
    Wav(#[from] WavError),
    /// libopus refused.
    #[error("libopus cannot encode: {0}")]
    Opus(String),
}

impl From<opus2::Error> for ClipError {
    fn from(error: opus2::Error) -> Self {
        Self::Opus(error.to_string())
    }
}

/// Something to say.
#[derive(Debug, Clone)]
pub struct Clip {
    frames: Arc<[Frame]>,
}

impl Clip {
    /// Encodes 48 kHz mono in -1..1; the last frame is filled up with silence.
    pub fn from_pcm(samples: &[f32]) -> Result<Self, ClipError> {
        let mut encoder = Encoder::new(RATE, Channels::Stereo, Application::Voip)?;
        encoder.set_force_channels(Some(Channels::Stereo))?;
        encoder.set_bitrate(Bitrate::Bits(BITRATE))?;
        let threshold = amplitude(VOICED_DBFS);
        let mut frames = Vec::with_capacity(samples.len() / FRAME_SAMPLES + 1);
        let mut stereo = [0.0; FRAME_SAMPLES * 2];
        for chunk in samples.chunks(FRAME_SAMPLES) {
            stereo.fill(0.0);
            for (places, sample) in stereo.chunks_exact_mut(2).zip(chunk) {
                places.fill(*sample);
            }
            let opus = encoder.encode_vec_float(&stereo, MAX_OPUS)?;
            frames.push(Frame { opus, voiced: rms(&stereo) >= threshold });
        }
        Ok(Self { frames: frames.into() })
    }

    /// Reads and encodes a WAV file.
    pub fn from_wav(path: &Path) -> Result<Self, ClipError> {
        Self::from_pcm(&wav::read(path)?)
    }

    /// Its frames.
    pub fn frames(&self) -> &Arc<[Frame]> {
        &self.frames
    }

    /// How long it takes to say.
    pub fn duration(&self) -> Duration {
        Duration::from_millis(20) * u32::try_from(self.frames.len()).unwrap_or(u32::MAX)
    }

    /// How long after its start the first and the last voiced frame begin.
    pub fn voiced_span(&self) -> Option<(Duration, Duration)> {
        let at = |frame: usize| Duration::from_millis(20) * u32::try_from(frame).unwrap_or(u32::MAX);
        let first = self.frames.iter().position(|frame| frame.voiced)?;
        let last = self.frames.iter().rposition(|frame| frame.voiced)?;
        Some((at(first), at(last)))
    }

    /// What a receiver that loses nothing hears: its frames decoded, 48 kHz mono.
    pub fn decoded(&self) -> Result<Vec<f32>, ClipError> {
        let mut decoder = opus2::Decoder::new(RATE, Channels::Mono)?;
        let mut heard = Vec::with_capacity(self.frames.len() * FRAME_SAMPLES);
        let mut buffer = [0.0; FRAME_SAMPLES];
        for frame in self.frames.iter() {
            let len = decoder.decode_float(&frame.opus, &mut buffer, false)?;
            heard.extend_from_slice(buffer.get(..len).unwrap_or_default());
        }
        Ok(heard)
    }
}

/// The amplitude of a level.
pub(super) fn amplitude(dbfs: f32) -> f32 {
    10_f32.powf(dbfs / 20.0)
}

/// The root mean square of some samples.
pub(super) fn rms(samples: &[f32]) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32).sqrt()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A sound that has a recognisable course in time: a tone that glides and swells.
    pub(in crate::speaker) fn glide(seconds: f32) -> Vec<f32> {
        let mut phase = 0.0_f32;
        (0..(RATE as f32 * seconds) as usize)
            .map(|n| {
                let t = n as f32 / RATE as f32;
                phase += (200.0 + 300.0 * (t * 1.7).sin().abs()) / RATE as f32 * std::f32::consts::TAU;
                phase.sin() * (0.2 + 0.2 * (t * 5.0).sin())
            })
            .collect()
    }

    /// How alike two sounds are at the best lag within `reach` samples: 1 is the same up to loudness. And the lag.
    pub(in crate::speaker) fn likeness(a: &[f32], b: &[f32], reach: usize) -> (f32, isize) {
        let score = |lag: isize| {
            let (a, b) = if lag >= 0 {
                (a.get(lag as usize..).unwrap_or_default(), b)
            } else {
                (a, b.get(lag.unsigned_abs()..).unwrap_or_default())
            };
            let dot: f32 = a.iter().zip(b).map(|(x, y)| x * y).sum();
            let len = a.len().min(b.len());
            let norm = |s: &[f32]| s[..len].iter().map(|x| x * x).sum::<f32>().sqrt();
            dot / (norm(a) * norm(b)).max(1e-9)
        };
        let reach = reach as isize;
        (-reach..=reach)
            .map(|lag| (score(lag), lag))
            .fold((f32::MIN, 0), |best, this| if this.0 > best.0 { this } else { best })
    }

    #[test]
    fn a_clips_frames_decode_to_what_was_said() {
        let said = glide(1.01);
        let clip = Clip::from_pcm(&said).unwrap();
        assert_eq!(clip.frames().len(), 51, "the last frame is filled up");
        assert_eq!(clip.duration(), Duration::from_millis(1020));
        assert!(
            clip.frames().iter().all(|frame| frame.opus[0] & 4 != 0),
            "the TOC's stereo bit (RFC 6716, 3.1)"
        );
        let (alike, _) = likeness(&clip.decoded().unwrap(), &said, 960);
        assert!(alike > 0.95, "only {alike} alike");
    }

    #[test]
    fn frames_know_whether_they_are_voiced() {
        let mut samples = vec![0.0; RATE as usize / 2];
        samples.extend(glide(0.5));
        samples.extend(vec![0.0; RATE as usize / 2]);
        let clip = Clip::from_pcm(&samples).unwrap();
        let (first, last) = clip.voiced_span().unwrap();
        assert_eq!(first, Duration::from_millis(500));
        assert!(last >= Duration::from_millis(940) && last < Duration::from_millis(1000), "{last:?}");
        assert_eq!(Clip::from_pcm(&[0.0; 9600]).unwrap().voiced_span(), None);
        assert!(Clip::from_pcm(&[]).unwrap().frames().is_empty());
    }
}
