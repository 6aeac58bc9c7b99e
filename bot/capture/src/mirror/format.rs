//! What raw PCM doesn't say of itself.
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How one sample is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Signed 16-bit integers, little-endian.
    #[default]
    I16Le,
    /// 32-bit floats, little-endian, full scale 1.
    F32Le,
}

impl Encoding {
    /// Bytes of one sample.
    pub fn bytes(self) -> usize {
        match self {
            Encoding::I16Le => 2,
            Encoding::F32Le => 4,
        }
    }

    /// The name used on the command line and in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Encoding::I16Le => "i16le",
            Encoding::F32Le => "f32le",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Encoding {
    type Err = FormatError;
    fn from_str(text: &str) -> Result<Self, FormatError> {
        match text {
            "i16le" | "s16le" => Ok(Encoding::I16Le),
            "f32le" => Ok(Encoding::F32Le),
            _ => Err(FormatError::Encoding(text.chars().take(40).collect())),
        }
    }
}

/// Rate, channels and encoding of raw PCM; channels are interleaved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Format {
    /// Samples a second, a channel.
    pub rate: u32,
    pub channels: u16,
    /// How a sample is written.
    pub encoding: Encoding,
}

/// A format that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The rate is out of range.
    #[error("the PCM rate must lie between 4000 and 384000 Hz, not {0}: give the rate of the recording")]
    Rate(u32),
    /// The number of channels is out of range.
    #[error("the number of PCM channels must lie between 1 and 32, not {0}: give that of the recording")]
    Channels(u16),
    /// The encoding is unknown.
    #[error("the PCM encoding must be i16le or f32le, not {0:?}")]
    Encoding(String),
    /// The resampler refused the rates.
    #[error("no resampler from {0} Hz to 16000 Hz could be made: {1}")]
    Resampler(u32, String),
}

impl Format {
    /// Checks rate and channels.
    pub fn validate(&self) -> Result<(), FormatError> {
        if !(4_000..=384_000).contains(&self.rate) {
            return Err(FormatError::Rate(self.rate));
        }
        if !(1..=32).contains(&self.channels) {
            return Err(FormatError::Channels(self.channels));
        }
        Ok(())
    }

    /// Bytes of one sample of every channel.
    pub fn frame_bytes(&self) -> usize {
        self.encoding.bytes() * usize::from(self.channels)
    }

    /// Bytes of 20 ms, whole frames.
    pub fn slot_bytes(&self) -> usize {
        (self.rate as usize).div_ceil(50) * self.frame_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused_with_what_is_wrong() {
        let format = Format { rate: 0, channels: 1, encoding: Encoding::I16Le };
        assert!(format.validate().unwrap_err().to_string().contains("rate"));
        let format = Format { rate: 48_000, channels: 0, encoding: Encoding::I16Le };
        assert!(format.validate().unwrap_err().to_string().contains("channels"));
        assert!("u8".parse::<Encoding>().unwrap_err().to_string().contains("\"u8\""));
    }
}
