//! Decoded sound, and one channel made of it.
use std::fmt;
use std::ops::Range;

use super::samples::Layout;

/// The most seconds of one file: an hour.
pub const MAX_SECONDS: u64 = 3_600;

/// Something about a file that was worked around, for the person who gave it.
#[derive(Debug, Clone, PartialEq)]
pub enum Remark {
    /// Less is there than the file promises.
    CutOff {
        /// Seconds there.
        there: f64,
        /// Seconds promised.
        promised: f64,
    },
    /// The stream has no end: it was cut off, or is still being written.
    Unfinished {
        /// Seconds there.
        there: f64,
    },
    /// Samples that are not numbers were taken for silence.
    NotNumbers {
        /// How many.
        samples: u64,
    },
    /// Mixed together, the channels would nearly silence each other: the loudest is used alone.
    LoudestChannel {
        /// Which, counted from 1.
        channel: u16,
        /// Of how many.
        channels: u16,
    },
    /// Packets that could not be decoded were left out.
    Damaged {
        /// How many.
        packets: u64,
    },
    /// The rate or the channels change within the file: what follows was left out.
    Changes,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remark::CutOff { there, promised } => {
                write!(f, "it is cut off: {there:.1} of {promised:.1} s are there and were read")
            }
            Remark::Unfinished { there } => {
                write!(
                    f,
                    "its stream has no end (was it cut off?); the {there:.1} s that are there were read"
                )
            }
            Remark::NotNumbers { samples } => {
                write!(f, "{samples} samples are not numbers (NaN or infinity) and were read as silence")
            }
            Remark::LoudestChannel { channel, channels } => write!(
                f,
                "mixed together, its {channels} channels would nearly silence each other: channel {channel}, the loudest, was used alone"
            ),
            Remark::Damaged { packets } => {
                write!(f, "{packets} of its packets are damaged and were left out")
            }
            Remark::Changes => f.write_str("its rate or channels change midway; what follows was left out"),
        }
    }
}

/// Where the samples are.
#[derive(Debug)]
pub(super) enum Samples {
    /// In a file's bytes.
    Bytes { bytes: Vec<u8>, sound: Range<usize>, layout: Layout },
    /// Interleaved.
    Floats(Vec<f32>),
}

/// A sound file's content.
#[derive(Debug)]
pub struct Sound {
    /// Samples a second of each channel.
    pub rate: u32,
    /// Channels.
    pub channels: u16,
    /// What it is, such as `WAV, 24-bit PCM`.
    pub form: String,
    /// What had to be worked around.
    pub remarks: Vec<Remark>,
    pub(super) samples: Samples,
}

/// Sound of one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Mono {
    /// Samples a second.
    pub rate: u32,
    /// The samples, in -1..1 but for what was louder in the file.
    pub samples: Vec<f32>,
    /// What had to be worked around.
    pub remarks: Vec<Remark>,
}

/// Below this share of the loudest channel's energy, a mix has lost what was said. The mean of three channels, one of
/// which has all the sound, lies just above.
const LOST_SHARE: f64 = 0.1;

impl Sound {
    /// Samples of each channel.
    pub fn frames(&self) -> usize {
        let channels = usize::from(self.channels.max(1));
        match &self.samples {
            Samples::Bytes { sound, layout, .. } => sound.len() / (layout.container * channels),
            Samples::Floats(samples) => samples.len() / channels,
        }
    }

    /// One sample; what is not a number is silence.
    fn sample(&self, frame: usize, channel: usize) -> (f32, bool) {
        let at = frame * usize::from(self.channels.max(1)) + channel;
        let sample = match &self.samples {
            Samples::Floats(samples) => samples.get(at).copied().unwrap_or(0.0),
            Samples::Bytes { bytes, sound, layout } => {
                let start = sound.start + at * layout.container;
                bytes.get(start..start + layout.container).map_or(0.0, |bytes| layout.value(bytes))
            }
        };
        if sample.is_finite() { (sample, true) } else { (0.0, false) }
    }

    /// One channel of all: their mean, or the loudest alone where they would cancel each other out.
    pub fn into_mono(mut self) -> Mono {
        let (channels, frames) = (usize::from(self.channels.max(1)), self.frames());
        let mut not_numbers = 0u64;
        let mut energies = vec![0.0f64; channels];
        let mut mixed = Vec::with_capacity(frames);
        let mut mixed_energy = 0.0f64;
        for frame in 0..frames {
            let mut sum = 0.0f64;
            for (channel, energy) in energies.iter_mut().enumerate() {
                let (sample, is_number) = self.sample(frame, channel);
                let sample = f64::from(sample);
                *energy += sample * sample;
                sum += sample;
                not_numbers += u64::from(!is_number);
            }
            let mean = sum / channels as f64;
            mixed_energy += mean * mean;
            mixed.push(mean as f32);
        }
        if not_numbers > 0 {
            self.remarks.push(Remark::NotNumbers { samples: not_numbers });
        }
        let loudest = energies.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((channel, energy)) = loudest
            && mixed_energy < energy * LOST_SHARE
        {
            let number = u16::try_from(channel + 1).unwrap_or(u16::MAX);
            self.remarks.push(Remark::LoudestChannel { channel: number, channels: self.channels });
            for (frame, sample) in mixed.iter_mut().enumerate() {
                *sample = self.sample(frame, channel).0;
            }
        }
        Mono { rate: self.rate, samples: mixed, remarks: self.remarks }
    }
}
