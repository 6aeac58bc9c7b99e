//! Which kind of file it is, and its bounds.
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::content::{MAX_SECONDS, Sound};
use super::riff::Kin;
use super::{opus, packets, riff};
use crate::audio::AudioError;

/// The most bytes of one file: an hour of 48 kHz stereo in 64-bit floats has 2.8 GB, in any usual form far less.
pub const MAX_BYTES: u64 = 3 << 30;
/// Rates that are read, in samples a second.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;
/// What is read, as errors name it.
const KNOWN: &str = "WAV, RF64, BW64, Wave64, AIFF, FLAC, MP3, and Opus or Vorbis in Ogg";

/// Reads a file, a pipe, or the standard input (`-`), whatever its form.
pub fn read(path: &Path) -> Result<Sound, AudioError> {
    let fault = |why: String| AudioError::File { file: path.display().to_string(), why };
    let mut bytes = Vec::new();
    let read = |from: &mut dyn Read, bytes: &mut Vec<u8>| from.take(MAX_BYTES + 1).read_to_end(bytes);
    let outcome = if path.as_os_str() == "-" {
        read(&mut std::io::stdin().lock(), &mut bytes)
    } else {
        File::open(path).and_then(|mut file| read(&mut file, &mut bytes))
    };
    outcome.map_err(|error| fault(format!("it cannot be read ({error})")))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(fault(format!("it has more than {MAX_BYTES} bytes; cut it first")));
    }
    parse(bytes).map_err(fault)
}

/// Reads a file's bytes. Errors say what is wrong with it.
pub fn parse(mut bytes: Vec<u8>) -> Result<Sound, String> {
    let tag = tags_length(&bytes);
    let behind_tag = bytes.get(tag..).unwrap_or_default();
    let sound = match kind(behind_tag, tag > 0)? {
        Kind::Riff(kin) => {
            bytes.drain(..tag);
            riff::parse(kin, bytes)?
        }
        Kind::Opus => opus::parse(behind_tag)?,
        Kind::Packets { ending, name } => {
            // FLAC does not expect a tag before it; MP3 does.
            if ending != "mp3" {
                bytes.drain(..tag);
            }
            packets::parse(ending, name, bytes)?
        }
    };
    check(&sound)?;
    Ok(sound)
}

fn check(sound: &Sound) -> Result<(), String> {
    if sound.rate == 0 {
        return Err("its header says a rate of 0 samples a second: it was not written to its end".into());
    }
    if !RATES.contains(&sound.rate) {
        let (low, high) = RATES.into_inner();
        return Err(format!("its header says {} samples a second; {low} to {high} are read", sound.rate));
    }
    if sound.frames() as u64 > MAX_SECONDS * u64::from(sound.rate) {
        return Err(format!("it is longer than {MAX_SECONDS} s; cut it first"));
    }
    Ok(())
}

enum Kind {
    Riff(Kin),
    Opus,
    Packets { ending: &'static str, name: &'static str },
}

fn kind(bytes: &[u8], had_tag: bool) -> Result<Kind, String> {
    if let Some(kin) = Kin::of(bytes) {
        return Ok(Kind::Riff(kin));
    }
    let packets = |ending, name| Ok(Kind::Packets { ending, name });
    let foreign =
        |name: &str| Err(format!("it is {name}; {KNOWN} are read. Convert it: ffmpeg -i FILE OUT.wav"));
    match bytes {
        [] => Err("it is empty".into()),
        [b'f', b'L', b'a', b'C', ..] => packets("flac", "FLAC"),
        [b'O', b'g', b'g', b'S', ..] => {
            // The first packet begins behind the first page's header of 27 bytes and one.
            let first = bytes.get(28..).unwrap_or_default();
            if first.starts_with(b"OpusHead") {
                Ok(Kind::Opus)
            } else if first.starts_with(b"\x7FFLAC") {
                packets("ogg", "FLAC in Ogg")
            } else {
                packets("ogg", "Vorbis")
            }
        }
        [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F' | b'C', ..] => packets("aiff", "AIFF"),
        [0xFF, second, ..] if second & 0xE0 == 0xE0 && second & 0x06 != 0 => packets("mp3", "MP3"),
        _ if had_tag => packets("mp3", "MP3"),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => foreign("MP4 or M4A"),
        [0x1A, 0x45, 0xDF, 0xA3, ..] => foreign("Matroska or WebM"),
        [b'c', b'a', b'f', b'f', ..] => foreign("CAF"),
        [b'.', b's', b'n', b'd', ..] => foreign("AU"),
        [b'R', b'I', b'F', b'F', ..] => foreign("RIFF, but not WAVE"),
        [0xFF, second, ..] if second & 0xF6 == 0xF0 => foreign("AAC"),
        _ => Err(format!("it is no sound file that is known; {KNOWN} are read")),
    }
}

/// The length of the ID3 tags in front.
fn tags_length(bytes: &[u8]) -> usize {
    let mut at = 0usize;
    while let Some(&[b'I', b'D', b'3', _, _, flags, a, b, c, d]) = bytes.get(at..at.saturating_add(10)) {
        // Four times seven bits; a footer repeats the header.
        let size = [a, b, c, d].iter().fold(0usize, |size, byte| size << 7 | usize::from(byte & 0x7F));
        at = at + 10 + size + if flags & 0x10 != 0 { 10 } else { 0 };
    }
    at.min(bytes.len())
}
