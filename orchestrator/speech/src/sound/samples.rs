//! How a sample's bytes are a number.

/// How samples are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Whole numbers: one byte unsigned, more bytes signed. Fewer valid bits than the container has are its upper
    /// ones, so they need no thought.
    Integer,
    Float,
    ALaw,
    MuLaw,
}

/// How samples lie in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) encoding: Encoding,
    /// Bytes of one sample.
    pub(super) container: usize,
    pub(super) big_endian: bool,
}

impl Layout {
    /// Whether such samples can be read.
    pub(super) fn is_known(self) -> bool {
        match self.encoding {
            Encoding::Integer => (1..=8).contains(&self.container),
            Encoding::Float => matches!(self.container, 4 | 8),
            Encoding::ALaw | Encoding::MuLaw => self.container == 1,
        }
    }

    /// The sample in these bytes, as many as the container has.
    pub(super) fn value(self, bytes: &[u8]) -> f32 {
        match (self.encoding, bytes) {
            (Encoding::ALaw, &[byte]) => a_law(byte),
            (Encoding::MuLaw, &[byte]) => mu_law(byte),
            (Encoding::Integer, &[byte]) => (f32::from(byte) - 128.0) / 128.0,
            (Encoding::Integer, bytes) => {
                // Into the upper bytes of 64 bits: the sign is then in its place.
                let bits = self.bits(bytes) << (64 - 8 * bytes.len().clamp(1, 8));
                (bits.cast_signed() as f64 / 9_223_372_036_854_775_808.0) as f32
            }
            (Encoding::Float, bytes) if bytes.len() == 4 => f32::from_bits(self.bits(bytes) as u32),
            (Encoding::Float, bytes) => f64::from_bits(self.bits(bytes)) as f32,
            (Encoding::ALaw | Encoding::MuLaw, _) => 0.0,
        }
    }

    fn bits(self, bytes: &[u8]) -> u64 {
        let join = |bits: u64, byte: &u8| bits << 8 | u64::from(*byte);
        if self.big_endian { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
    }
}

/// ITU-T G.711, A-law.
fn a_law(byte: u8) -> f32 {
    let byte = byte ^ 0x55;
    let (segment, mantissa) = ((byte >> 4) & 7, i32::from(byte & 0x0F));
    let magnitude = match segment {
        0 => (mantissa << 4) + 8,
        segment => ((mantissa << 4) + 0x108) << (segment - 1),
    };
    (if byte & 0x80 == 0 { -magnitude } else { magnitude }) as f32 / 32_768.0
}

/// ITU-T G.711, µ-law.
fn mu_law(byte: u8) -> f32 {
    let byte = !byte;
    let (segment, mantissa) = ((byte >> 4) & 7, i32::from(byte & 0x0F));
    let magnitude = (((mantissa << 3) + 0x84) << segment) - 0x84;
    (if byte & 0x80 == 0 { magnitude } else { -magnitude }) as f32 / 32_768.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(encoding: Encoding, bytes: &[u8]) -> f32 {
        Layout { encoding, container: bytes.len(), big_endian: false }.value(bytes)
    }

    #[test]
    fn integers_of_any_width_are_parts_of_one() {
        assert_eq!(value(Encoding::Integer, &[0]), -1.0);
        assert_eq!(value(Encoding::Integer, &[0xC0]), 0.5);
        assert_eq!(value(Encoding::Integer, &[0, 0x40]), 0.5);
        assert_eq!(value(Encoding::Integer, &[0, 0, 0xC0]), -0.5);
        assert_eq!(value(Encoding::Integer, &[0, 0, 0, 0x40]), 0.5);
        assert_eq!(value(Encoding::Integer, &[0, 0, 0, 0, 0, 0, 0, 0x80]), -1.0);
        let big = Layout { encoding: Encoding::Integer, container: 2, big_endian: true };
        assert_eq!(big.value(&[0x40, 0]), 0.5);
    }

    #[test]
    fn floats_have_two_widths() {
        assert_eq!(value(Encoding::Float, &0.25f32.to_le_bytes()), 0.25);
        assert_eq!(value(Encoding::Float, &(-0.25f64).to_le_bytes()), -0.25);
    }

    #[test]
    fn the_companding_laws_have_the_standards_corners() {
        // G.711: the largest and smallest magnitudes of each sign.
        for (byte, a) in [(0x55, -8), (0xD5, 8), (0x2A, -32_256), (0xAA, 32_256)] {
            assert_eq!(value(Encoding::ALaw, &[byte]), a as f32 / 32_768.0, "A-law {byte:#x}");
        }
        for (byte, mu) in [(0xFF, 0), (0x7F, 0), (0x80, 32_124), (0x00, -32_124)] {
            assert_eq!(value(Encoding::MuLaw, &[byte]), mu as f32 / 32_768.0, "mu-law {byte:#x}");
        }
    }
}
