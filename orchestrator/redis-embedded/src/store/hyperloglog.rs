//! HyperLogLogs (`hyperloglog.c`): how many different things were seen, about, in at most 12 KiB.
//!
//! They are strings: a head with the number as last counted, and 16384 registers of six bits, in one of two forms.

use bytes::Bytes;

/// Bits of a hash that choose a register, and those that are left.
const INDEX_BITS: u32 = 14;
const RANK_BITS: u32 = 64 - INDEX_BITS;
const REGISTERS: usize = 1 << INDEX_BITS;
const HEAD: usize = 16;
const DENSE_BYTES: usize = HEAD + REGISTERS * 6 / 8;
/// The greatest value that the sparse form can hold.
const MAX_SPARSE_VALUE: u8 = 32;
/// Runs in the sparse form: of zeros in one byte and in two, and of a value.
const MAX_ZEROS: usize = 64;
const MAX_MANY_ZEROS: usize = 16384;
const MAX_SAME: usize = 4;

pub(crate) const NOT_ONE: &str = "WRONGTYPE Key is not a valid HyperLogLog string value.";
pub(crate) const CORRUPTED: &str = "INVALIDOBJ Corrupted HLL object detected";

/// A HyperLogLog, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct HyperLogLog {
    registers: Vec<u8>,
    /// It has, or had, to be in the large form.
    pub(crate) dense: bool,
    /// The number, if nothing changed since it was counted.
    counted: Option<u64>,
}

impl Default for HyperLogLog {
    fn default() -> Self {
        Self { registers: vec![0; REGISTERS], dense: false, counted: Some(0) }
    }
}

impl HyperLogLog {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let (Some((head, body)), true) = (bytes.split_first_chunk::<HEAD>(), bytes.starts_with(b"HYLL"))
        else {
            return Err(NOT_ONE);
        };
        let dense = match head[4] {
            0 if bytes.len() == DENSE_BYTES => true,
            1 => false,
            _ => return Err(NOT_ONE),
        };
        let registers = if dense { read_dense(body) } else { read_sparse(body).ok_or(CORRUPTED)? };
        let mut cached = [0; 8];
        cached.copy_from_slice(&head[8..]);
        let cached = u64::from_le_bytes(cached);
        // The highest bit says that it is out of date.
        Ok(Self { registers, dense, counted: (cached >> 63 == 0).then_some(cached) })
    }

    /// As a string; in the large form when the small one would take more than `max_sparse_bytes`.
    pub(crate) fn to_bytes(&self, max_sparse_bytes: usize) -> Bytes {
        let sparse = if self.dense { None } else { write_sparse(&self.registers) };
        let sparse = sparse.filter(|body| HEAD + body.len() <= max_sparse_bytes);
        let mut out = b"HYLL\0\0\0\0".to_vec();
        out[4] = u8::from(sparse.is_some());
        out.extend_from_slice(&self.counted.unwrap_or(1 << 63).to_le_bytes());
        out.extend(sparse.unwrap_or_else(|| write_dense(&self.registers)));
        Bytes::from(out)
    }

    /// Sees one thing; says whether that changes anything.
    pub(crate) fn add(&mut self, element: &[u8]) -> bool {
        let hash = murmur64a(element, 0xadc8_3b19);
        let index = usize::try_from(hash & (REGISTERS as u64 - 1)).unwrap_or(0);
        let rank = ((hash >> INDEX_BITS) | 1 << RANK_BITS).trailing_zeros() + 1;
        let rank = u8::try_from(rank).unwrap_or(u8::MAX);
        let changed = rank > self.registers[index];
        if changed {
            self.registers[index] = rank;
            self.counted = None;
        }
        changed
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.registers.iter_mut().zip(&other.registers) {
            *mine = (*mine).max(*theirs);
        }
        self.dense |= other.dense;
        self.counted = None;
    }

    /// The number is to be counted again.
    pub(crate) fn outdated(mut self) -> Self {
        self.counted = None;
        self
    }

    pub(crate) fn is_counted(&self) -> bool {
        self.counted.is_some()
    }

    /// How many different things were seen (Otmar Ertl, arXiv:1702.01284).
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(crate) fn count(&mut self) -> u64 {
        if let Some(counted) = self.counted {
            return counted;
        }
        let mut histogram = [0_u32; 64];
        for register in &self.registers {
            histogram[usize::from(*register & 63)] += 1;
        }
        let m = REGISTERS as f64;
        let last = RANK_BITS as usize + 1;
        let mut z = m * tau((m - f64::from(histogram[last])) / m);
        for count in histogram[1..last].iter().rev() {
            z += f64::from(*count);
            z *= 0.5;
        }
        z += m * sigma(f64::from(histogram[0]) / m);
        // 1 / (2 ln 2)
        let counted = (std::f64::consts::LN_2.recip() / 2.0 * m * m / z).round() as u64;
        self.counted = Some(counted);
        counted
    }

    /// The registers, for PFDEBUG.
    pub(crate) fn registers(&self) -> &[u8] {
        &self.registers
    }
}

// The sums go on until they change nothing.
#[allow(clippy::float_cmp)]
fn sigma(x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut x, mut y, mut z) = (x, 1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if before == z {
            return z;
        }
    }
}

#[allow(clippy::float_cmp)]
fn tau(x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut x, mut y, mut z) = (x, 1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if before == z {
            return z / 3.0;
        }
    }
}

fn read_dense(body: &[u8]) -> Vec<u8> {
    let at = |at: usize| u16::from(body.get(at).copied().unwrap_or(0));
    (0..REGISTERS)
        .map(|register| {
            let (byte, bit) = (register * 6 / 8, register * 6 % 8);
            u8::try_from((at(byte) | at(byte + 1) << 8) >> bit & 63).unwrap_or(0)
        })
        .collect()
}

fn write_dense(registers: &[u8]) -> Vec<u8> {
    let mut body = vec![0; DENSE_BYTES - HEAD];
    for (register, value) in registers.iter().enumerate() {
        let (byte, bit) = (register * 6 / 8, register * 6 % 8);
        let bits = u16::from(value & 63) << bit;
        body[byte] |= u8::try_from(bits & 0xFF).unwrap_or(0);
        if bits > 0xFF {
            body[byte + 1] |= u8::try_from(bits >> 8).unwrap_or(0);
        }
    }
    body
}

fn read_sparse(body: &[u8]) -> Option<Vec<u8>> {
    let mut registers = Vec::with_capacity(REGISTERS);
    let mut rest = body;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let (value, run) = match first >> 6 {
            0 => (0, usize::from(first & 63) + 1),
            1 => {
                let (second, after) = rest.split_first()?;
                rest = after;
                (0, (usize::from(first & 63) << 8 | usize::from(*second)) + 1)
            }
            _ => ((first >> 2 & 31) + 1, usize::from(first & 3) + 1),
        };
        if registers.len() + run > REGISTERS {
            return None;
        }
        registers.resize(registers.len() + run, value);
    }
    (registers.len() == REGISTERS).then_some(registers)
}

/// None when a value is too great for it.
fn write_sparse(registers: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let byte = |number: usize| u8::try_from(number & 0xFF).unwrap_or(0);
    for run in registers.chunk_by(|a, b| a == b) {
        let (value, mut left) = (run[0], run.len());
        if value > MAX_SPARSE_VALUE {
            return None;
        }
        while left > 0 {
            let taken = if value > 0 { left.min(MAX_SAME) } else { left.min(MAX_MANY_ZEROS) };
            match taken - 1 {
                more if value > 0 => body.push(0x80 | (value - 1) << 2 | byte(more)),
                more if taken <= MAX_ZEROS => body.push(byte(more)),
                more => body.extend([0x40 | byte(more >> 8), byte(more)]),
            }
            left -= taken;
        }
    }
    Some(body)
}

/// `MurmurHash64A`, read as little endian.
fn murmur64a(key: &[u8], seed: u64) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    const R: u32 = 47;
    let mut hash = seed ^ (key.len() as u64).wrapping_mul(M);
    let (blocks, rest) = key.as_chunks::<8>();
    for block in blocks {
        let mut k = u64::from_le_bytes(*block).wrapping_mul(M);
        k ^= k >> R;
        hash = (hash ^ k.wrapping_mul(M)).wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u64::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> R;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> R
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_hold_the_same_registers() {
        let mut seen = HyperLogLog::default();
        for n in 0..1000 {
            seen.add(format!("element {n}").as_bytes());
        }
        let count = seen.count();
        assert!((950..1050).contains(&count), "{count}");
        let sparse = seen.to_bytes(usize::MAX);
        let dense = seen.to_bytes(0);
        assert_eq!((sparse[4], dense[4], dense.len()), (1, 0, DENSE_BYTES));
        for bytes in [sparse, dense] {
            let read = HyperLogLog::parse(&bytes).unwrap();
            assert_eq!(read.registers, seen.registers);
            assert_eq!(read.outdated().count(), count);
        }
    }

    #[test]
    fn what_is_none_or_broken_is_refused() {
        assert_eq!(HyperLogLog::parse(b"text").unwrap_err(), NOT_ONE);
        assert_eq!(HyperLogLog::parse(b"HYLL\x05\0\0\0\0\0\0\0\0\0\0\0").unwrap_err(), NOT_ONE);
        assert_eq!(HyperLogLog::parse(b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f").unwrap_err(), CORRUPTED);
    }
}
