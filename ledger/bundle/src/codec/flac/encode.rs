//! Writes FLAC, a block at a time.
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr, StreamInfo};
use flacenc::config;
use flacenc::error::{Verified, Verify};
use flacenc::source::{Context, Fill, FrameBuf};

use crate::codec::samples::{is_silent, write_samples};
use crate::format::error::{BundleError, Doing, Result};

/// Samples of a block, or the whole slots next below: 80 ms at 48 kHz. The streamable subset allows 4608 (section 7).
pub(crate) const BLOCK: usize = 3_840;

/// A stream being written: one block is in memory, no more.
pub(crate) struct Stream<'a> {
    to: &'a Path,
    out: &'a mut BufWriter<File>,
    config: Verified<config::Encoder>,
    info: StreamInfo,
    rate: u32,
    block: usize,
    held: Vec<i32>,
    /// The same as bytes, for the digest.
    held_bytes: Vec<u8>,
    /// Counts samples and their MD5.
    context: Context,
    bytes: Vec<u8>,
    frames: usize,
    /// The smallest and the largest frame in bytes.
    sizes: (u32, u32),
}

impl<'a> Stream<'a> {
    pub(crate) fn begin(to: &'a Path, out: &'a mut BufWriter<File>, rate: u32, block: usize) -> Result<Self> {
        let fault = |message: String| BundleError::Track { file: to.display().to_string(), message };
        let config = config::Encoder::default();
        let config = config.into_verified().map_err(|(_, error)| fault(error.to_string()))?;
        let info = StreamInfo::new(rate as usize, 1, 16).map_err(|error| fault(error.to_string()))?;
        let mut stream = Self {
            to,
            out,
            config,
            info,
            rate,
            block,
            held: Vec::with_capacity(block),
            held_bytes: Vec::with_capacity(block * 2),
            context: Context::new(16, 1),
            bytes: Vec::new(),
            frames: 0,
            sizes: (u32::MAX, 0),
        };
        // Written again when the rest is known.
        stream.write_head()?;
        Ok(stream)
    }

    /// Takes a slot, or anything that fills blocks evenly.
    pub(crate) fn take(&mut self, slot: &[i16]) -> Result<()> {
        // Most of a session's slots are silent, and those need no converting.
        static SILENCE: [i32; BLOCK] = [0; BLOCK];
        match SILENCE.get(..slot.len()).filter(|_| is_silent(slot)) {
            Some(silence) => self.held.extend_from_slice(silence),
            None => self.held.extend(slot.iter().map(|sample| i32::from(*sample))),
        }
        write_samples(&mut self.held_bytes, slot, &mut self.bytes).doing("write", self.to)?;
        if self.held.len() >= self.block { self.write_block() } else { Ok(()) }
    }

    /// Writes what is left, and the head with what is known now.
    pub(crate) fn end(mut self) -> Result<()> {
        if !self.held.is_empty() {
            self.write_block()?;
        }
        self.out.seek(SeekFrom::Start(0)).doing("write", self.to)?;
        self.write_head()
    }

    fn write_block(&mut self) -> Result<()> {
        let to = self.to;
        let fault = |message: String| BundleError::Track { file: to.display().to_string(), message };
        self.context.fill_le_bytes(&self.held_bytes, 2).map_err(|error| fault(error.to_string()))?;
        let mut frame = FrameBuf::with_size(1, self.held.len()).map_err(|error| fault(error.to_string()))?;
        frame.fill_interleaved(&self.held).map_err(|error| fault(error.to_string()))?;
        let frame = flacenc::encode_fixed_size_frame(&self.config, &frame, self.frames, &self.info)
            .map_err(|error| fault(error.to_string()))?;
        let mut sink = ByteSink::new();
        frame.write(&mut sink).map_err(|error| fault(error.to_string()))?;
        self.bytes.clear();
        self.bytes.extend_from_slice(sink.as_slice());
        let size = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.sizes = (self.sizes.0.min(size), self.sizes.1.max(size));
        self.frames += 1;
        self.held.clear();
        self.held_bytes.clear();
        self.out.write_all(&self.bytes).doing("write", to)
    }

    /// The marker and the STREAMINFO block, the only metadata there is (RFC 9639, section 8.2).
    fn write_head(&mut self) -> Result<()> {
        let block = (self.block as u16).to_be_bytes();
        let samples = self.context.total_samples() as u64;
        let (least, most) = if self.frames == 0 { (0, 0) } else { self.sizes };
        // 20 bits of rate, 3 of channels less one (0), 5 of bits less one (15), 36 of samples.
        let packed = u64::from(self.rate) << 44 | 15 << 36 | (samples & 0xF_FFFF_FFFF);
        let mut head = b"fLaC".to_vec();
        head.extend([0x80, 0, 0, 34]);
        head.extend(block);
        head.extend(block);
        head.extend(&least.to_be_bytes()[1..]);
        head.extend(&most.to_be_bytes()[1..]);
        head.extend(packed.to_be_bytes());
        head.extend(if self.frames == 0 { [0; 16] } else { self.context.md5_digest() });
        self.out.write_all(&head).doing("write", self.to)
    }
}
