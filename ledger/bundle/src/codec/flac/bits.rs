//! Bits from a reader, most significant first, with the checksums that FLAC's frames carry.
use std::io::{self, Read};

/// Reads bits. Bytes that were begun count as read.
#[derive(Debug)]
pub(super) struct Bits<R> {
    from: R,
    byte: u8,
    left: u32,
    crc8: u8,
    crc16: u16,
    bytes: u64,
}

impl<R: Read> Bits<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, byte: 0, left: 0, crc8: 0, crc16: 0, bytes: 0 }
    }

    /// Bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Begins new checksums.
    pub(super) fn restart(&mut self) {
        (self.crc8, self.crc16) = (0, 0);
    }

    /// Of all bytes since the last restart: polynomial x^8 + x^2 + x + 1.
    pub(super) fn crc8(&self) -> u8 {
        self.crc8
    }

    /// Of all bytes since the last restart: polynomial x^16 + x^15 + x^2 + 1.
    pub(super) fn crc16(&self) -> u16 {
        self.crc16
    }

    /// The next byte, or none at the end.
    fn next(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        loop {
            match self.from.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let byte = byte[0];
        self.crc8 = CRC8[usize::from(self.crc8 ^ byte)];
        self.crc16 = self.crc16 << 8 ^ CRC16[usize::from((self.crc16 >> 8) as u8 ^ byte)];
        self.bytes += 1;
        Ok(Some(byte))
    }

    /// Whether nothing is left. To be asked between frames.
    pub(super) fn at_end(&mut self) -> io::Result<bool> {
        if self.left > 0 {
            return Ok(false);
        }
        match self.next()? {
            None => Ok(true),
            Some(byte) => {
                (self.byte, self.left) = (byte, 8);
                Ok(false)
            }
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.byte = self.next()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.left = 8;
        Ok(())
    }

    /// Up to 32 bits.
    pub(super) fn bits(&mut self, mut n: u32) -> io::Result<u32> {
        let mut value = 0u64;
        while n > 0 {
            if self.left == 0 {
                self.fill()?;
            }
            let take = n.min(self.left);
            let part = u32::from(self.byte) >> (self.left - take) & ((1 << take) - 1);
            value = value << take | u64::from(part);
            self.left -= take;
            n -= take;
        }
        Ok(value as u32)
    }

    /// Up to 32 bits in two's complement.
    pub(super) fn signed(&mut self, n: u32) -> io::Result<i32> {
        if n == 0 {
            return Ok(0);
        }
        let shift = 32 - n;
        Ok((self.bits(n)? << shift) as i32 >> shift)
    }

    /// How many zeros stand before the next one; an error when they are more than any sample needs.
    pub(super) fn unary(&mut self) -> io::Result<u32> {
        let mut zeros = 0;
        loop {
            if self.left == 0 {
                self.fill()?;
            }
            let rest = self.byte & ((1u16 << self.left) - 1) as u8;
            let leading = rest.leading_zeros() - (8 - self.left);
            if leading < self.left {
                self.left -= leading + 1;
                return Ok(zeros + leading);
            }
            zeros += self.left;
            self.left = 0;
            if zeros > 1 << 18 {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a residual beyond any sample"));
            }
        }
    }

    /// To the next byte's beginning. What is passed over must be zeros.
    pub(super) fn align(&mut self) -> io::Result<bool> {
        let left = self.left;
        Ok(self.bits(left)? == 0)
    }
}

const CRC8: [u8; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let (mut crc, mut bit) = (n as u8, 0);
        while bit < 8 {
            crc = if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 };
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
};

const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let (mut crc, mut bit) = ((n as u16) << 8, 0);
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x8005 };
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_out_as_they_went_in_however_they_lie() {
        let mut bits = Bits::new(&[0b1010_0000, 0b0000_0001, 0xFF, 0x80][..]);
        assert_eq!(bits.bits(3).unwrap(), 0b101);
        assert_eq!(bits.unary().unwrap(), 12);
        assert_eq!(bits.signed(8).unwrap(), -1);
        assert_eq!(bits.unary().unwrap(), 0);
        assert!(bits.align().unwrap() && bits.at_end().unwrap());
        assert_eq!(bits.bytes(), 4);
        assert!(bits.bits(1).is_err());
    }

    #[test]
    fn checksums_are_those_of_the_catalogue() {
        // Check values of CRC-8/SMBUS and CRC-16/UMTS for these nine digits.
        let mut bits = Bits::new(&b"123456789"[..]);
        for _ in 0..9 {
            bits.bits(8).unwrap();
        }
        assert_eq!((bits.crc8(), bits.crc16()), (0xF4, 0xFEE8));
    }
}
