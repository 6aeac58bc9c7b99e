//! How much may come out of an archive: counted while it comes.
use std::io::{self, Read};

use super::Limits;

/// A small archive may hold this much, whatever the ratio.
const FREE: u64 = 16 << 20;
/// Zeros are separated from the rest by the block.
const BLOCK: usize = 4096;

/// Reads from a decoder until it gives more than it may.
pub(super) struct Budget<R> {
    from: R,
    total: u64,
    dense: u64,
    limit_total: u64,
    limit_dense: u64,
}

/// What was exceeded.
#[derive(Debug, thiserror::Error)]
pub(super) enum Exceeded {
    #[error("unpacks to more than the {0} bytes allowed in all")]
    Total(u64),
    #[error(
        "unpacks to more than {0} bytes, which is more than an honest archive of its size holds: a decompression bomb"
    )]
    Ratio(u64),
}

impl<R: Read> Budget<R> {
    /// For an archive of `packed` bytes.
    pub(super) fn new(from: R, packed: u64, limits: &Limits) -> Self {
        let limit_dense = packed.saturating_mul(limits.ratio).max(FREE);
        Self { from, total: 0, dense: 0, limit_total: limits.total, limit_dense }
    }
}

impl<R: Read> Read for Budget<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.total += n as u64;
        for block in buffer[..n].chunks(BLOCK) {
            if block.iter().any(|byte| *byte != 0) {
                self.dense += block.len() as u64;
            }
        }
        if self.total > self.limit_total {
            return Err(io::Error::other(Exceeded::Total(self.limit_total)));
        }
        if self.dense > self.limit_dense {
            return Err(io::Error::other(Exceeded::Ratio(self.limit_dense)));
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: impl Read, packed: u64, limits: Limits) -> io::Result<u64> {
        io::copy(&mut Budget::new(bytes, packed, &limits), &mut io::sink())
    }

    #[test]
    fn zeros_escape_the_ratio_but_not_the_total() {
        let limits = Limits { total: 64 << 20, ratio: 10 };
        assert_eq!(read(io::repeat(0).take(60 << 20), 1_000, limits).unwrap(), 60 << 20);
        let error = read(io::repeat(0), 1_000, limits).unwrap_err();
        assert!(error.to_string().contains("allowed in all"), "{error}");
        let error = read(io::repeat(7), 1_000, limits).unwrap_err();
        assert!(error.to_string().contains("bomb"), "{error}");
        assert_eq!(read(io::repeat(7).take(20 << 20), 2 << 20, limits).unwrap(), 20 << 20);
    }
}
