//! A track's sound, 20 ms at a time, in constant memory.
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use opus2::{Channels, Decoder};

use crate::codec::flac::FlacBlocks;
use crate::codec::ogg_packets::OggPackets;
use crate::codec::wav;
use crate::format::error::{BundleError, Doing, Result};
use crate::format::manifest::{Track, TrackFormat};
use antiphon_core::audio::DISCORD_RATE;

/// The longest Opus packet is 120 ms: at 48 kHz so many samples.
const MAX_FRAME: usize = 5_760;

enum Source {
    /// `skip`: samples that are still to be taken off.
    Opus {
        packets: OggPackets,
        decoder: Decoder,
        skip: usize,
    },
    Wav {
        from: BufReader<File>,
        left: u64,
    },
    Flac(FlacBlocks<BufReader<File>>),
}

/// Yields a track's samples slot by slot from slot 0, mono, without what Opus delays.
pub struct Pcm {
    name: String,
    source: Source,
    rate: u32,
    slot: usize,
    ready: Vec<i16>,
    /// What a packet is decoded into.
    frame: Vec<i16>,
    failed: bool,
}

impl std::fmt::Debug for Pcm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pcm").field("file", &self.name).field("rate", &self.rate).finish_non_exhaustive()
    }
}

impl Pcm {
    pub(crate) fn open(path: &Path, name: &str, track: &Track, rate: u32) -> Result<Self> {
        let fault = |message: String| BundleError::Track { file: name.to_owned(), message };
        let (source, rate) = match track.format {
            Some(TrackFormat::OggOpus) => {
                // libopus mixes stereo down to mono by itself.
                let decoder = Decoder::new(rate, Channels::Mono)
                    .map_err(|error| fault(format!("cannot be decoded to {rate} Hz: {error}")))?;
                let packets = OggPackets::open(path, name)?;
                let skip = usize::from(packets.delay()) * rate as usize / DISCORD_RATE as usize;
                (Source::Opus { packets, decoder, skip }, rate)
            }
            Some(TrackFormat::Wav) => {
                let mut from = BufReader::new(File::open(path).doing("open", path)?);
                let info = wav::read_header(name, &mut from)?;
                if info.rate != track.rate {
                    return Err(fault(format!("has {} Hz, manifest.json says {}", info.rate, track.rate)));
                }
                (Source::Wav { from, left: info.samples }, info.rate)
            }
            Some(TrackFormat::Flac) => {
                let blocks =
                    FlacBlocks::open(BufReader::new(File::open(path).doing("open", path)?), name, false)?;
                let rate = blocks.rate();
                if rate != track.rate {
                    return Err(fault(format!("has {rate} Hz, manifest.json says {}", track.rate)));
                }
                (Source::Flac(blocks), rate)
            }
            None => return Err(fault("has no sound".into())),
        };
        let slot = (rate / 50) as usize;
        Ok(Self {
            name: name.to_owned(),
            source,
            rate,
            slot,
            ready: Vec::new(),
            frame: vec![0; MAX_FRAME],
            failed: false,
        })
    }

    /// Samples a second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    fn read(&mut self) -> Result<Option<Vec<i16>>> {
        let fault = |message: String| BundleError::Track { file: self.name.clone(), message };
        match &mut self.source {
            Source::Opus { packets, decoder, skip } => {
                while self.ready.len() < self.slot {
                    let Some(packet) = packets.next_packet()? else {
                        break;
                    };
                    // A request for concealment has no frame: an empty input makes libopus conceal, for as
                    // long as the output is.
                    let samples = packet.samples * self.slot / 960;
                    let got = if packet.data.len() <= 1 {
                        decoder.decode(&[], &mut self.frame[..samples], false)
                    } else {
                        decoder.decode(&packet.data, &mut self.frame, false)
                    };
                    // What libopus cannot decode sounds like nothing; the time passes all the same.
                    let got = got.unwrap_or_else(|_| {
                        self.frame[..samples].fill(0);
                        samples
                    });
                    let from = (*skip).min(got);
                    *skip -= from;
                    let to = got.saturating_sub(packet.cut * self.slot / 960).max(from);
                    self.ready.extend_from_slice(&self.frame[from..to]);
                }
                Ok(take_slot(&mut self.ready, self.slot))
            }
            Source::Flac(blocks) => {
                while self.ready.len() < self.slot {
                    match blocks.next().transpose()? {
                        Some(block) => self.ready.extend(block),
                        None => break,
                    }
                }
                Ok(take_slot(&mut self.ready, self.slot))
            }
            Source::Wav { from, left } => {
                let take = (*left).min(self.slot as u64) as usize;
                if take == 0 {
                    return Ok(None);
                }
                let mut bytes = vec![0; take * 2];
                from.read_exact(&mut bytes)
                    .map_err(|_| fault("truncated: fewer samples than its header says".into()))?;
                *left -= take as u64;
                let mut slot: Vec<i16> =
                    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
                slot.resize(self.slot, 0);
                Ok(Some(slot))
            }
        }
    }
}

/// The next slot's samples, with silence for what its end lacks; none when there is nothing.
fn take_slot(ready: &mut Vec<i16>, samples: usize) -> Option<Vec<i16>> {
    if ready.is_empty() {
        return None;
    }
    let mut slot: Vec<i16> = ready.drain(..samples.min(ready.len())).collect();
    slot.resize(samples, 0);
    Some(slot)
}

impl Iterator for Pcm {
    type Item = Result<Vec<i16>>;

    /// Ends after the first error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.read();
        self.failed = next.is_err();
        next.transpose()
    }
}
