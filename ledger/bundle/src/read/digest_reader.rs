//! A reader that digests what passes through it, so that a file is read once for its content and its digest.
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use antiphon_core::chain::Digest;

/// Digests what is read; ends one byte behind the length that is expected, however long the file has become.
pub(crate) struct DigestReader<'a, R> {
    from: R,
    sha: Sha256,
    bytes: u64,
    limit: u64,
    /// Counts the bytes as well, for progress bars.
    progress: &'a AtomicU64,
}

impl<'a, R: Read> DigestReader<'a, R> {
    pub(crate) fn new(from: R, expected: u64, progress: &'a AtomicU64) -> Self {
        Self { from, sha: Sha256::new(), bytes: 0, limit: expected.saturating_add(1), progress }
    }

    /// Reads what is left; gives the length of all and its digest.
    pub(crate) fn finish(mut self) -> io::Result<(u64, Digest)> {
        let mut buffer = vec![0; 128 * 1024];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => return Ok((self.bytes, Digest(self.sha.finalize().into()))),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl<R: Read> Read for DigestReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.limit - self.bytes).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let n = self.from.read(&mut buffer[..room])?;
        self.sha.update(&buffer[..n]);
        self.bytes += n as u64;
        self.progress.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn read_and_unread_parts_make_the_whole_digest() {
        let data: Vec<u8> = (0..1_000_000u32).map(|n| ((n * 31) >> 3) as u8).collect();
        let progress = AtomicU64::new(0);
        let mut from = BufReader::new(DigestReader::new(&data[..], data.len() as u64, &progress));
        from.read_exact(&mut [0; 777]).unwrap();
        assert_eq!(from.into_inner().finish().unwrap(), (1_000_000, Digest::of(&data)));
        assert_eq!(progress.into_inner(), 1_000_000);
    }

    #[test]
    fn a_growing_file_is_read_one_byte_past_its_length() {
        let progress = AtomicU64::new(0);
        let endless = io::repeat(7);
        assert_eq!(DigestReader::new(endless, 4_000, &progress).finish().unwrap().0, 4_001);
    }
}
