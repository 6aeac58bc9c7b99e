//! WAV and its kin: RIFF and RIFX, RF64 and BW64 (EBU Tech 3306, ITU-R BS.2088), Sony's Wave64.
//!
//! Sizes are believed as far as the bytes bear them out: programs that write into a pipe cannot go back to fill them in
//! and leave 0 or the largest number, and a file may be cut off.
use super::content::{Remark, Samples, Sound};
use super::samples::{Encoding, Layout};

/// From this size on, a 32-bit size stands for "unknown": what programs write into pipes.
const UNKNOWN_SIZE: u64 = 0x7FFF_0000;
/// Wave64's identifiers of its parts: four letters and the rest of a GUID.
const W64_RIFF: [u8; 16] = *b"riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB\x04\xC1\x00\x00";
const W64_TAIL: [u8; 12] = *b"\xF3\xAC\xD3\x11\x8C\xD1\x00\xC0\x4F\x8E\xDB\x8A";

/// Which of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kin {
    Wav,
    Rifx,
    /// RF64 and BW64.
    Rf64,
    Wave64,
}

impl Kin {
    /// The member of the family that begins so.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(&W64_RIFF) {
            return Some(Kin::Wave64);
        }
        (bytes.get(8..12)? == b"WAVE").then_some(())?;
        match bytes.get(..4)? {
            b"RIFF" => Some(Kin::Wav),
            b"RIFX" => Some(Kin::Rifx),
            b"RF64" | b"BW64" => Some(Kin::Rf64),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kin::Wav => "WAV",
            Kin::Rifx => "WAV (big-endian)",
            Kin::Rf64 => "RF64",
            Kin::Wave64 => "Wave64",
        }
    }

    /// Where the first chunk begins: the outer identifier, its size and the form's name lie before.
    fn first_chunk(self) -> usize {
        if self == Kin::Wave64 { 40 } else { 12 }
    }
}

/// One part of the file.
struct Chunk {
    id: [u8; 4],
    /// Where its content begins.
    start: usize,
    /// What its header says.
    size: u64,
}

/// What `fmt ` says.
#[derive(Debug, Clone, Copy)]
struct Format {
    channels: u16,
    rate: u32,
    layout: Layout,
}

struct Reader<'a> {
    bytes: &'a [u8],
    kin: Kin,
}

impl Reader<'_> {
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = self.array(at)?;
        Some(if self.kin == Kin::Rifx { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = self.array(at)?;
        Some(if self.kin == Kin::Rifx { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn u64(&self, at: usize) -> Option<u64> {
        Some(u64::from_le_bytes(self.array(at)?))
    }

    /// The chunk whose header is here.
    fn chunk(&self, at: usize) -> Option<Chunk> {
        let id: [u8; 4] = self.array(at)?;
        if self.kin == Kin::Wave64 {
            (self.array::<12>(at + 4)? == W64_TAIL || !id.starts_with(b"data")).then_some(())?;
            // Its size counts the header.
            return Some(Chunk { id, start: at + 24, size: self.u64(at + 16)?.saturating_sub(24) });
        }
        id.iter().all(|byte| (0x20..0x7F).contains(byte)).then_some(())?;
        Some(Chunk { id, start: at + 8, size: u64::from(self.u32(at + 4)?) })
    }

    /// Where the chunk after this one begins.
    fn after(&self, chunk: &Chunk) -> Option<usize> {
        let end = chunk.start.checked_add(usize::try_from(chunk.size).ok()?)?;
        if self.kin == Kin::Wave64 {
            return end.checked_next_multiple_of(8);
        }
        // An odd chunk has a byte of padding; some programs forget it.
        let padded = end.checked_add(end % 2)?;
        if padded != end && self.chunk(padded).is_none() && self.chunk(end).is_some() {
            return Some(end);
        }
        Some(padded)
    }

    /// Whether well-formed chunks fill the file from here to its end.
    fn chunks_fill(&self, mut at: usize) -> bool {
        while at + 8 <= self.bytes.len() {
            let next = self.chunk(at).and_then(|chunk| self.after(&chunk));
            match next {
                Some(next) if next <= self.bytes.len() + 1 && next > at => at = next,
                _ => return false,
            }
        }
        true
    }

    fn format(&self, chunk: &Chunk) -> Result<Format, String> {
        let field = |offset: usize| {
            let within = offset as u64 + 2 <= chunk.size;
            self.u16(chunk.start + offset).filter(|_| within).ok_or("its header ends too early")
        };
        let (mut tag, channels, block) = (field(0)?, field(2)?, field(12)?);
        // The oldest form ends before it.
        let bits = field(14).unwrap_or(8);
        let rate = self.u32(chunk.start + 4).ok_or("its header ends too early")?;
        if tag == 0xFFFE && chunk.size >= 26 {
            // The format proper is the first part of the extension's GUID.
            tag = field(24)?;
        }
        let encoding = match tag {
            1 | 0xFFFE => Encoding::Integer,
            3 => Encoding::Float,
            6 => Encoding::ALaw,
            7 => Encoding::MuLaw,
            other => {
                let name = match other {
                    2 | 0x11 => " (ADPCM)",
                    0x31 => " (GSM)",
                    0x50 | 0x55 => " (MP3)",
                    0xFF | 0x1600..=0x1610 => " (AAC)",
                    _ => "",
                };
                return Err(format!("its samples are in format {other:#06x}{name}, which is not read"));
            }
        };
        if channels == 0 {
            return Err("its header says that it has no channels".into());
        }
        // The container is what a frame's size says; without one, the next whole byte.
        let by_block = usize::from(block) / usize::from(channels);
        let by_bits = usize::from(bits).div_ceil(8);
        let fits = by_block >= by_bits && usize::from(block).is_multiple_of(usize::from(channels));
        let container = if fits && by_block > 0 { by_block } else { by_bits };
        let layout = Layout { encoding, container, big_endian: self.kin == Kin::Rifx };
        if !layout.is_known() {
            return Err(format!("its samples have {bits} bits, which are not read"));
        }
        Ok(Format { channels, rate, layout })
    }
}

/// Reads a file of the family. Errors say what is wrong with it.
pub(super) fn parse(kin: Kin, bytes: Vec<u8>) -> Result<Sound, String> {
    let reader = Reader { bytes: &bytes, kin };
    let (mut format, mut long_size, mut data) = (None, None, None);
    let mut at = kin.first_chunk();
    while let Some(chunk) = reader.chunk(at) {
        match &chunk.id {
            b"fmt " => format = Some(reader.format(&chunk)?),
            // RF64's sizes of 64 bits; that of the sound comes second.
            b"ds64" => long_size = reader.u64(chunk.start + 8),
            b"data" => {
                data = Some(chunk);
                break;
            }
            _ => {}
        }
        match reader.after(&chunk) {
            Some(next) if next > at => at = next,
            _ => break,
        }
    }
    let Some(format) = format else { return Err("it has no `fmt ` part before its sound".into()) };
    let Some(data) = data else { return Err("it has no `data` part: no sound is in it".into()) };
    let there = bytes.len().saturating_sub(data.start);
    let size = match (kin, data.size) {
        (Kin::Wave64, size) => Some(size).filter(|size| *size > 0 && *size < u64::MAX / 4),
        (_, 0xFFFF_FFFF) => long_size.filter(|size| *size > 0 && *size < u64::MAX / 4),
        (_, size) if size >= UNKNOWN_SIZE && size > there as u64 => None,
        (_, 0) if there > 0 && !reader.chunks_fill(data.start) => None,
        (_, size) => Some(size),
    };
    let mut remarks = Vec::new();
    let seconds = |bytes: u64| {
        let frame = format.layout.container as u64 * u64::from(format.channels);
        (bytes / frame) as f64 / f64::from(format.rate.max(1))
    };
    let length = match size {
        Some(size) if size > there as u64 => {
            remarks.push(Remark::CutOff { there: seconds(there as u64), promised: seconds(size) });
            there
        }
        Some(size) => usize::try_from(size).unwrap_or(there),
        None => there,
    };
    let sound = data.start.min(bytes.len())..(data.start + length).min(bytes.len());
    let bits = format.layout.container * 8;
    let name = match format.layout.encoding {
        Encoding::Integer => format!("{bits}-bit PCM"),
        Encoding::Float => format!("{bits}-bit float"),
        Encoding::ALaw => "A-law".into(),
        Encoding::MuLaw => "mu-law".into(),
    };
    Ok(Sound {
        rate: format.rate,
        channels: format.channels,
        form: format!("{}, {name}", kin.name()),
        remarks,
        samples: Samples::Bytes { bytes, sound, layout: format.layout },
    })
}
