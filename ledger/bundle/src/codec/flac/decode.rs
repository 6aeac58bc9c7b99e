//! Reads FLAC as bundles have it, block by block, in constant memory.
use std::io::Read;

use flacenc::source::{Context, Fill};

use super::bits::Bits;
use super::{HEAD, frame};
use crate::format::error::{BundleError, Result};

/// The most samples of a block: what the streamable subset allows (RFC 9639, section 7).
const MAX_BLOCK: usize = 4_608;

/// Yields the blocks of a FLAC file.
pub(crate) struct FlacBlocks<R> {
    name: String,
    bits: Bits<R>,
    rate: u32,
    block: usize,
    /// Samples in all, and those that are still to come.
    samples: u64,
    left: u64,
    frames: u64,
    md5: [u8; 16],
    /// Sums up what was decoded; none when nobody asked for it.
    sum: Option<Context>,
    bytes: Vec<u8>,
    failed: bool,
}

impl<R: Read> FlacBlocks<R> {
    /// Reads the head. With `check` the samples' MD5 is compared at the end.
    pub(crate) fn open(mut from: R, name: &str, check: bool) -> Result<Self> {
        let fault = |message: &str| BundleError::Track { file: name.to_owned(), message: message.to_owned() };
        let mut head = [0; HEAD];
        from.read_exact(&mut head).map_err(|_| fault("too short for a FLAC header"))?;
        // The last metadata block is the first: STREAMINFO, 34 bytes.
        if head[..8] != *b"fLaC\x80\0\0\x22" {
            return Err(fault("not a FLAC file as bundles have them (STREAMINFO alone before the frames)"));
        }
        let be = |range: std::ops::Range<usize>| {
            head[range].iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte))
        };
        let (least, block) = (be(8..10), be(10..12) as usize);
        let packed = be(18..26);
        let (rate, channels, depth) = ((packed >> 44) as u32, packed >> 41 & 7, packed >> 36 & 31);
        if channels != 0 || depth != 15 {
            return Err(fault("is not 16 bit mono"));
        }
        if block as u64 != least || !(16..=MAX_BLOCK).contains(&block) {
            return Err(fault("has blocks of another size than bundles have"));
        }
        if rate % 50 != 0 || !(8_000..=192_000).contains(&rate) {
            return Err(fault(&format!("{rate} samples a second don't make 20 ms slots")));
        }
        let samples = packed & 0xF_FFFF_FFFF;
        let mut md5 = [0; 16];
        md5.copy_from_slice(&head[26..42]);
        Ok(Self {
            name: name.to_owned(),
            bits: Bits::new(from),
            rate,
            block,
            samples,
            left: samples,
            frames: 0,
            md5,
            sum: check.then(|| Context::new(16, 1)),
            bytes: Vec::new(),
            failed: false,
        })
    }

    /// Samples a second.
    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// Samples in all, by the header.
    pub(crate) fn samples(&self) -> u64 {
        self.samples
    }

    fn read(&mut self) -> Result<Option<Vec<i16>>> {
        if self.left == 0 {
            return self.end().map(|()| None);
        }
        self.bits.restart();
        let mut block = Vec::with_capacity(self.block);
        let read = frame::read(&mut self.bits, self.frames, self.rate, self.block, &mut block);
        read.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.fault("truncated in the middle of a frame"),
            _ => self.fault(&error.to_string()),
        })?;
        self.frames += 1;
        // Only the last block may be shorter.
        let expected = self.left.min(self.block as u64);
        if block.len() as u64 != expected {
            return Err(self.fault(&format!("a block of {} samples where {expected} are due", block.len())));
        }
        self.left -= expected;
        if let Some(sum) = &mut self.sum {
            self.bytes.clear();
            self.bytes.extend(block.iter().flat_map(|sample| sample.to_le_bytes()));
            let summed = sum.fill_le_bytes(&self.bytes, 2).map_err(|error| error.to_string());
            summed.map_err(|error| self.fault(&error))?;
        }
        Ok(Some(block))
    }

    /// Nothing more may follow, and the samples must be those that were summed up.
    fn end(&mut self) -> Result<()> {
        self.bits.restart();
        if !self.bits.at_end().map_err(|error| self.fault(&error.to_string()))? {
            return Err(self.fault("goes on after the samples that its header states"));
        }
        match &self.sum {
            Some(sum) if self.samples > 0 && sum.md5_digest() != self.md5 => {
                Err(self.fault("its samples have another MD5 than its header says"))
            }
            _ => Ok(()),
        }
    }

    fn fault(&self, message: &str) -> BundleError {
        let (frame, byte) = (self.frames, HEAD as u64 + self.bits.bytes());
        BundleError::Track {
            file: self.name.clone(),
            message: format!("frame {frame}, at byte {byte}: {message}"),
        }
    }
}

impl<R: Read> Iterator for FlacBlocks<R> {
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
