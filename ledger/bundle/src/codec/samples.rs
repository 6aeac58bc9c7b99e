//! Samples as bytes.
use std::io::Write;

/// The largest slot, of 192 kHz, in bytes of silence.
static SILENCE: [u8; 7_680] = [0; 7_680];

/// Little-endian samples. Most of a session's slots are silent, and those need no converting.
pub(crate) fn write_samples(
    out: &mut impl Write,
    samples: &[i16],
    bytes: &mut Vec<u8>,
) -> std::io::Result<()> {
    if let Some(silence) = SILENCE.get(..samples.len() * 2).filter(|_| is_silent(samples)) {
        return out.write_all(silence);
    }
    bytes.clear();
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    out.write_all(bytes)
}

/// Whether there is nothing but zeros, compared as one piece of memory.
pub(crate) fn is_silent(samples: &[i16]) -> bool {
    static ZEROS: [i16; 3_840] = [0; 3_840];
    ZEROS.get(..samples.len()).is_some_and(|zeros| zeros == samples)
}
