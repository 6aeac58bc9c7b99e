//! Reads a track's Ogg file: each Opus packet with the sample at which it begins.
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ogg::reading::{BasePacketReader, OggPage, PageParser};

use super::ogg_track::{CODEC_DELAY, LEAD_IN, PageEnd};
use super::opus;
use crate::format::error::{BundleError, Doing, Result};
use antiphon_core::audio::SLOT_SAMPLES_48K;

/// Pages that a packet may take to end. Ours take at most two; without a limit a file that never ends a packet would
/// be gathered in memory as a whole.
const PAGES_A_PACKET: usize = 3;

/// An Opus packet and where it begins.
pub(crate) struct PlacedPacket {
    /// The first sample at 48 kHz, counted from slot 0.
    pub(crate) sample: u64,
    /// How many samples it has.
    pub(crate) samples: usize,
    /// The packet.
    pub(crate) data: Vec<u8>,
    /// How many of its last samples are not to be played: the stream's end lies before its end.
    pub(crate) cut: usize,
    /// Whether its page ends with it.
    pub(crate) last_in_page: bool,
}

/// The packets of one Ogg Opus file as bundles have them: one stream, stereo or mono, 80 ms in front of slot 0.
pub(crate) struct OggPackets<R = BufReader<File>> {
    name: String,
    from: R,
    pages: BasePacketReader,
    serial: u32,
    delay: u16,
    /// Samples so far, the skipped ones included.
    sample: u64,
    ended: bool,
    /// Bytes and pages taken in.
    offset: u64,
    page_count: u32,
    /// Whether the last page taken in ends with a packet's end.
    clean: bool,
    headers_end: PageEnd,
    skipped: Vec<(Vec<u8>, usize)>,
}

impl OggPackets {
    pub(crate) fn open(path: &Path, name: &str) -> Result<Self> {
        let file = File::open(path).doing("open", path)?;
        Self::over(BufReader::with_capacity(64 * 1024, file), name)
    }
}

impl<R: Read> OggPackets<R> {
    /// Of a file that is open.
    pub(crate) fn over(from: R, name: &str) -> Result<Self> {
        let pages = BasePacketReader::new();
        let mut packets = Self {
            name: name.to_owned(),
            from,
            pages,
            serial: 0,
            delay: 0,
            sample: 0,
            ended: false,
            offset: 0,
            page_count: 0,
            clean: false,
            headers_end: PageEnd { offset: 0, pages: 0, samples: 0 },
            skipped: Vec::new(),
        };
        let head = packets.read()?.ok_or_else(|| packets.fault("empty"))?;
        packets.serial = head.stream_serial();
        if !head.data.starts_with(b"OpusHead") || head.data.len() < 19 {
            return Err(packets.fault("does not begin with an OpusHead packet"));
        }
        let (version, pre_skip) = (head.data[8], u16::from_le_bytes([head.data[10], head.data[11]]));
        // The first tracks did not take off what the codec delays.
        packets.delay = match pre_skip.checked_sub(LEAD_IN) {
            Some(delay @ (0 | CODEC_DELAY)) if version == 1 && head.data[18] == 0 => delay,
            _ => {
                return Err(packets.fault(
                    "its OpusHead is not of a bundle's track (version 1, pre-skip 4152 or 3840, mapping 0)",
                ));
            }
        };
        let tags = packets.read()?.ok_or_else(|| packets.fault("ends after the OpusHead packet"))?;
        if !tags.data.starts_with(b"OpusTags") {
            return Err(packets.fault("its second packet is not OpusTags"));
        }
        if !(tags.last_in_page() && packets.clean) {
            return Err(packets.fault("its OpusTags do not end a page"));
        }
        packets.headers_end = PageEnd { offset: packets.offset, pages: packets.page_count, samples: 0 };
        while packets.sample < u64::from(LEAD_IN) {
            match packets.advance()? {
                Some(packet) => packets.skipped.push((packet.data, packet.samples)),
                None => return Err(packets.fault("ends before slot 0")),
            }
        }
        if packets.sample != u64::from(LEAD_IN) {
            return Err(packets.fault("no packet begins with slot 0"));
        }
        Ok(packets)
    }

    /// Where the page ends that the packet just given ended, if it ended one.
    pub(crate) fn page_end(&self, last_in_page: bool) -> Option<PageEnd> {
        (last_in_page && self.clean).then_some(PageEnd {
            offset: self.offset,
            pages: self.page_count,
            samples: self.sample,
        })
    }

    /// Where the two header packets end, each of them in pages of its own (RFC 7845, section 3).
    pub(crate) fn headers_end(&self) -> PageEnd {
        self.headers_end
    }

    /// The packets in front of slot 0, with their lengths.
    pub(crate) fn skipped(&mut self) -> Vec<(Vec<u8>, usize)> {
        std::mem::take(&mut self.skipped)
    }

    /// Whether everything of a file of so many bytes was taken in, with no packet left open.
    pub(crate) fn ends_whole(&self, bytes: u64) -> bool {
        self.offset == bytes && self.clean
    }

    /// The stream's serial number.
    pub(crate) fn serial(&self) -> u32 {
        self.serial
    }

    /// By how many samples what is heard comes later than its packet: what the pre-skip takes off beyond the packets in
    /// front of slot 0.
    pub(crate) fn delay(&self) -> u16 {
        self.delay
    }

    /// Samples so far, counted from slot 0.
    pub(crate) fn samples(&self) -> u64 {
        self.sample - u64::from(LEAD_IN)
    }

    /// The next packet. The file's granule positions must agree with the packets' lengths.
    pub(crate) fn next_packet(&mut self) -> Result<Option<PlacedPacket>> {
        let sample = self.samples();
        Ok(self.advance()?.map(|packet| PlacedPacket { sample, ..packet }))
    }

    fn advance(&mut self) -> Result<Option<PlacedPacket>> {
        if self.ended {
            return Ok(None);
        }
        let Some(packet) = self.read()? else {
            return Err(self.fault(format!("truncated: no end of stream after sample {}", self.sample)));
        };
        if packet.stream_serial() != self.serial {
            return Err(self.fault("has a second stream"));
        }
        let samples = opus::packet_samples(&packet.data)
            .ok_or_else(|| self.fault(format!("at sample {}: not an Opus packet", self.sample)))?;
        self.sample += samples as u64;
        let (last_in_page, mut cut) = (packet.last_in_page(), 0);
        if last_in_page && packet.absgp_page() != self.sample {
            // Only the end may be cut, and by less than the packet that was put there for it.
            let over = self.sample.checked_sub(packet.absgp_page());
            match over.and_then(|over| usize::try_from(over).ok()) {
                Some(over) if packet.last_in_stream() && over < samples.min(SLOT_SAMPLES_48K) => cut = over,
                _ => {
                    return Err(self.fault(format!(
                        "granule position {} where the packets end at sample {}",
                        packet.absgp_page(),
                        self.sample
                    )));
                }
            }
        }
        self.ended = packet.last_in_stream();
        Ok(Some(PlacedPacket { sample: self.sample, samples, data: packet.data, cut, last_in_page }))
    }

    fn read(&mut self) -> Result<Option<ogg::Packet>> {
        for _ in 0..=PAGES_A_PACKET {
            if let Some(packet) = self.pages.read_packet() {
                return Ok(Some(packet));
            }
            let Some(page) = self.page()? else {
                return Ok(None);
            };
            self.pages.push_page(page).map_err(|error| self.at(error))?;
        }
        Err(self.at(format!("a packet goes on for more than {PAGES_A_PACKET} pages")))
    }

    /// The next page, with its checksum compared. Pages follow each other without anything in between.
    fn page(&mut self) -> Result<Option<OggPage>> {
        let mut header = [0; 27];
        let mut filled = 0;
        while filled < header.len() {
            match self.from.read(&mut header[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(self.at("truncated in the middle of a page")),
                Ok(n) => filled += n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.at(error)),
            }
        }
        if &header[..4] != b"OggS" {
            return Err(self.at("no Ogg page where one should begin"));
        }
        let (mut parser, segments) = PageParser::new(header).map_err(|error| self.at(error))?;
        let segments = self.bytes(segments)?;
        // A packet goes on over the page's end when its last segment is full (RFC 3533, section 5).
        self.clean = segments.last() != Some(&255);
        let head = header.len() + segments.len();
        let body = parser.parse_segments(segments);
        let body = self.bytes(body)?;
        let length = (head + body.len()) as u64;
        let page = parser.parse_packet_data(body).map_err(|error| self.at(error))?;
        self.offset += length;
        self.page_count += 1;
        Ok(Some(page))
    }

    fn bytes(&mut self, n: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; n];
        self.from.read_exact(&mut bytes).map_err(|_| self.at("truncated in the middle of a page"))?;
        Ok(bytes)
    }

    fn at(&self, what: impl std::fmt::Display) -> BundleError {
        self.fault(format!("at sample {}: {what}", self.sample))
    }

    fn fault(&self, message: impl Into<String>) -> BundleError {
        BundleError::Track { file: self.name.clone(), message: message.into() }
    }
}
