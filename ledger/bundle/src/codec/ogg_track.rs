//! A speaker's track: the Opus packets as they arrived, in Ogg (RFC 3533, RFC 7845).
//!
//! In front of slot 0 lie four packets of silence, the 80 ms that RFC 7845, section 4.2 recommends. What is spoken comes out
//! of a decoder later than it went into the encoder, and the pre-skip takes that off as well: so what is played begins with
//! what was spoken in slot 0, and slot `n` is samples `960 n` to `960 n + 959`, as in tracks of PCM. The last page's
//! granule position cuts the end to whole slots (section 4.4). Where no packet came the gap is filled, as section 4.1 demands, so that every player keeps the tracks aligned: silence where nothing was due or nothing
//! may be kept, a request for concealment where a packet was due and did not come. The timeline separates filled slots
//! from received ones.
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ogg::writing::{PacketWriteEndInfo, PacketWriter};

use super::opus;
use crate::files::Dirty;
use crate::format::error::{Doing, Result};
use antiphon_core::audio::{SLOT_SAMPLES_48K, SlotMark};
use antiphon_core::private_files;

/// Samples of the packets in front of slot 0's.
pub(crate) const LEAD_IN: u16 = 3_840;
/// By how many samples at 48 kHz sound comes out of libopus later than it went in, with the applications VOIP and AUDIO
/// (`OPUS_GET_LOOKAHEAD`: 2.5 ms of look-ahead, 4 ms in which SILK and CELT are kept in step), which Discord's clients and bots
/// use. An encoder built for low delay has 120.
pub(crate) const CODEC_DELAY: u16 = 312;

/// Packets in a page: half a second, so that a crash costs no more.
const PACKETS_A_PAGE: usize = 25;

/// Why a packet was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Not an Opus packet.
    Malformed,
    /// Its time is covered by a longer packet before it.
    Covered,
}

impl Refused {
    pub(crate) fn why(self) -> &'static str {
        match self {
            Refused::Malformed => "not an Opus packet",
            Refused::Covered => "its time is covered by a longer packet before it",
        }
    }
}

/// Where a page ends, with no packet left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageEnd {
    /// Bytes up to here.
    pub(crate) offset: u64,
    /// Pages up to here.
    pub(crate) pages: u32,
    /// Samples up to here, the skipped ones included.
    pub(crate) samples: u64,
}

/// Where pages go. Muted it swallows them: the packet writer counts pages, and cannot be set to begin elsewhere.
struct PageSink {
    to: BufWriter<File>,
    muted: bool,
}

impl Write for PageSink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.muted { Ok(bytes.len()) } else { self.to.write(bytes) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// Writes one track.
pub(crate) struct OggTrack {
    path: PathBuf,
    out: PacketWriter<'static, PageSink>,
    serial: u32,
    /// What the pre-skip is longer than the packets in front of slot 0.
    delay: u16,
    /// Samples written, the held packet included.
    samples: u64,
    in_page: usize,
    last_toc: Option<u8>,
    /// The last packet, held back because only the last one of all may carry the end-of-stream flag.
    held: Option<Vec<u8>>,
    dirty: Dirty,
}

impl OggTrack {
    /// Begins a track at slot 0.
    pub(crate) fn create(path: &Path, serial: u32, comments: &[(&str, &str)]) -> Result<Self> {
        let file = private_files::options().write(true).create_new(true).open(path).doing("create", path)?;
        let mut track = Self {
            path: path.to_path_buf(),
            out: PacketWriter::new(PageSink { to: BufWriter::new(file), muted: false }),
            serial,
            delay: CODEC_DELAY,
            samples: 0,
            in_page: 0,
            last_toc: None,
            held: None,
            dirty: Dirty::Created,
        };
        track.emit(opus_head(), PacketWriteEndInfo::EndPage, 0)?;
        track.emit(opus_tags(comments), PacketWriteEndInfo::EndPage, 0)?;
        track.fill_to(u64::from(LEAD_IN))?;
        Ok(track)
    }

    /// Takes up a track that broke off: what follows `at` is cut away, `packets` (with their lengths) follow. `delay` is what
    /// its pre-skip says.
    pub(crate) fn resume(
        path: &Path,
        (serial, delay): (u32, u16),
        at: PageEnd,
        packets: Vec<(Vec<u8>, usize)>,
    ) -> Result<Self> {
        let mut file = File::options().read(true).write(true).open(path).doing("open", path)?;
        file.set_len(at.offset).doing("write", path)?;
        file.seek(SeekFrom::End(0)).doing("write", path)?;
        let mut track = Self {
            path: path.to_path_buf(),
            out: PacketWriter::new(PageSink { to: BufWriter::new(file), muted: true }),
            serial,
            delay,
            samples: at.samples,
            in_page: 0,
            last_toc: None,
            held: None,
            dirty: Dirty::Written,
        };
        // The pages that stand are counted off: the next one carries the number after theirs.
        for _ in 0..at.pages {
            track.emit(Vec::new(), PacketWriteEndInfo::EndPage, 0)?;
        }
        track.out.inner_mut().muted = false;
        for (packet, samples) in packets {
            track.push(packet, samples)?;
        }
        Ok(track)
    }

    /// To disk with the pages written; gives whether the file is one that was not synced before.
    pub(crate) fn sync(&mut self) -> Result<bool> {
        self.dirty.sync(self.out.inner().to.get_ref()).doing("write", &self.path)
    }

    /// Writes a slot. Slots that were passed over are filled with silence.
    pub(crate) fn slot(
        &mut self,
        slot: u64,
        mark: SlotMark,
        payload: Option<&[u8]>,
    ) -> Result<Option<Refused>> {
        let begins = begin_of(slot);
        self.fill_to(begins)?;
        if let (SlotMark::Received, Some(payload)) = (mark, payload) {
            if self.samples >= begins + SLOT_SAMPLES_48K as u64 {
                return Ok(Some(Refused::Covered));
            }
            if let Some(samples) = opus::packet_samples(payload) {
                self.last_toc = payload.first().copied();
                self.push(payload.to_vec(), samples)?;
                return Ok(None);
            }
            self.push(opus::conceal_20ms(self.last_toc).to_vec(), SLOT_SAMPLES_48K)?;
            return Ok(Some(Refused::Malformed));
        }
        // A longer packet before may cover this slot already, wholly or in part.
        if self.samples > begins {
            return Ok(None);
        }
        match mark {
            SlotMark::Concealed | SlotMark::Undecryptable => {
                self.push(opus::conceal_20ms(self.last_toc).to_vec(), SLOT_SAMPLES_48K)?;
            }
            SlotMark::Received | SlotMark::Silent | SlotMark::Withheld => {
                self.fill_to(begins + SLOT_SAMPLES_48K as u64)?;
            }
        }
        Ok(None)
    }

    /// Writes another packet of the slot written last, one of several shorter than a slot. Without room for it there, or when
    /// it is no Opus packet, it is left out.
    pub(crate) fn shared(&mut self, slot: u64, payload: &[u8]) -> Result<()> {
        match opus::packet_samples(payload) {
            Some(samples) if self.samples < begin_of(slot + 1) => {
                self.last_toc = payload.first().copied();
                self.push(payload.to_vec(), samples)
            }
            _ => Ok(()),
        }
    }

    /// Silence up to `slot`, for a speaker who is away: so that ending the track takes no more room than its last seconds do.
    pub(crate) fn keep_up(&mut self, slot: u64) -> Result<()> {
        self.fill_to(begin_of(slot))
    }

    /// Ends the track at `end_slot`.
    pub(crate) fn finish(mut self, end_slot: u64) -> Result<()> {
        let end = begin_of(end_slot);
        self.fill_to(end)?;
        let mut granule = self.samples;
        let heard = end + u64::from(self.delay);
        if granule < heard {
            // What was said at the very end comes out of this packet; its rest is cut off.
            self.push(opus::SILENCE_20MS.to_vec(), SLOT_SAMPLES_48K)?;
            granule = heard;
        }
        let last = self.held.take().unwrap_or_default();
        self.emit(last, PacketWriteEndInfo::EndStream, granule)?;
        let file = self.out.into_inner().to.into_inner().map_err(std::io::IntoInnerError::into_error);
        file.and_then(|file| file.sync_all()).doing("write", &self.path)
    }

    /// Silence up to a sample. What is shorter than the shortest frame (2.5 ms) stays open and is made up later.
    fn fill_to(&mut self, sample: u64) -> Result<()> {
        while let Some((samples, packet)) =
            opus::silence_within(usize::try_from(sample.saturating_sub(self.samples)).unwrap_or(usize::MAX))
        {
            self.push(packet.to_vec(), samples)?;
        }
        Ok(())
    }

    fn push(&mut self, packet: Vec<u8>, samples: usize) -> Result<()> {
        let before = self.samples;
        if let Some(previous) = self.held.replace(packet) {
            self.in_page += 1;
            let end = if self.in_page >= PACKETS_A_PAGE {
                self.in_page = 0;
                PacketWriteEndInfo::EndPage
            } else {
                PacketWriteEndInfo::NormalPacket
            };
            self.emit(previous, end, before)?;
        }
        self.samples = before + samples as u64;
        Ok(())
    }

    fn emit(&mut self, packet: Vec<u8>, end: PacketWriteEndInfo, granule: u64) -> Result<()> {
        self.out.write_packet(packet, self.serial, end, granule).doing("write", &self.path)?;
        if end != PacketWriteEndInfo::NormalPacket {
            self.out.inner_mut().flush().doing("write", &self.path)?;
            self.dirty.touch();
        }
        Ok(())
    }
}

/// Where a slot's packet begins, in the file's samples.
fn begin_of(slot: u64) -> u64 {
    u64::from(LEAD_IN) + slot * SLOT_SAMPLES_48K as u64
}

/// The identification header (RFC 7845, section 5.1): stereo, 48 kHz, no gain.
fn opus_head() -> Vec<u8> {
    let mut head = b"OpusHead".to_vec();
    head.extend([1, 2]);
    head.extend((LEAD_IN + CODEC_DELAY).to_le_bytes());
    head.extend(48_000u32.to_le_bytes());
    head.extend(0i16.to_le_bytes());
    head.push(0);
    head
}

/// The comment header (RFC 7845, section 5.2).
fn opus_tags(comments: &[(&str, &str)]) -> Vec<u8> {
    fn text(out: &mut Vec<u8>, text: &str) {
        out.extend(u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
        out.extend(text.as_bytes());
    }
    let mut tags = b"OpusTags".to_vec();
    text(&mut tags, "antiphon");
    tags.extend(u32::try_from(comments.len()).unwrap_or(0).to_le_bytes());
    for (key, value) in comments {
        text(&mut tags, &format!("{key}={value}"));
    }
    tags
}
