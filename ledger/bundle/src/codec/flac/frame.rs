//! One FLAC frame: header, subframe, residual (RFC 9639, section 9).
use std::io::{self, Read};

use super::bits::Bits;

/// Bits of a sample.
const DEPTH: u32 = 16;

/// What of a frame is not as bundles have it.
fn wrong(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Reads the frame with this number, of at most `block` samples, into `out`.
pub(super) fn read<R: Read>(
    bits: &mut Bits<R>,
    number: u64,
    rate: u32,
    block: usize,
    out: &mut Vec<i16>,
) -> io::Result<()> {
    let samples = header(bits, number, rate)?;
    if samples > block {
        return Err(wrong("a block larger than STREAMINFO says"));
    }
    let begun = out.len();
    let decoded = subframe(bits, samples)?;
    for sample in decoded {
        out.push(i16::try_from(sample).map_err(|_| wrong("a sample beyond 16 bits"))?);
    }
    if out.len() - begun != samples {
        return Err(wrong("another number of samples than its header says"));
    }
    if !bits.align()? {
        return Err(wrong("padding that is not zero"));
    }
    let crc = bits.crc16();
    if bits.bits(16)? != u32::from(crc) {
        return Err(wrong("a wrong checksum"));
    }
    Ok(())
}

/// Gives the frame's number of samples.
fn header<R: Read>(bits: &mut Bits<R>, number: u64, rate: u32) -> io::Result<usize> {
    // The sync code, the reserved bit, and blocks of fixed size.
    if bits.bits(16)? != 0xFFF8 {
        return Err(wrong("no frame of a fixed block size where one should begin"));
    }
    let (block, rate_code) = (bits.bits(4)?, bits.bits(4)?);
    let (channels, depth, reserved) = (bits.bits(4)?, bits.bits(3)?, bits.bits(1)?);
    if channels != 0 || !matches!(depth, 0 | 4) || reserved != 0 {
        return Err(wrong("a frame that is not 16 bit mono"));
    }
    if coded_number(bits)? != number {
        return Err(wrong("a frame out of order"));
    }
    let samples = match block {
        1 => 192,
        2..=5 => 576 << (block - 2),
        6 => bits.bits(8)? + 1,
        7 => bits.bits(16)? + 1,
        8..=15 => 256 << (block - 8),
        _ => return Err(wrong("a reserved block size")),
    };
    let stated = match rate_code {
        0 => rate,
        1 => 88_200,
        2 => 176_400,
        3 => 192_000,
        4 => 8_000,
        5 => 16_000,
        6 => 22_050,
        7 => 24_000,
        8 => 32_000,
        9 => 44_100,
        10 => 48_000,
        11 => 96_000,
        12 => bits.bits(8)? * 1_000,
        13 => bits.bits(16)?,
        14 => bits.bits(16)? * 10,
        _ => return Err(wrong("a forbidden rate")),
    };
    if stated != rate {
        return Err(wrong("another rate than STREAMINFO's"));
    }
    let crc = bits.crc8();
    if bits.bits(8)? != u32::from(crc) {
        return Err(wrong("a wrong checksum of a frame's header"));
    }
    Ok(samples as usize)
}

/// A number coded as UTF-8 is, up to 36 bits (section 9.1.5).
fn coded_number<R: Read>(bits: &mut Bits<R>) -> io::Result<u64> {
    let first = bits.bits(8)?;
    let more = (first as u8).leading_ones();
    if more == 1 || more == 8 {
        return Err(wrong("a frame number that is none"));
    }
    let mut number = if more == 0 { u64::from(first) } else { u64::from(first & (0x7F >> more)) };
    for _ in 1..more {
        let next = bits.bits(8)?;
        if next >> 6 != 0b10 {
            return Err(wrong("a frame number that is none"));
        }
        number = number << 6 | u64::from(next & 0x3F);
    }
    Ok(number)
}

fn subframe<R: Read>(bits: &mut Bits<R>, samples: usize) -> io::Result<Vec<i64>> {
    if bits.bits(1)? != 0 {
        return Err(wrong("a subframe that begins with a one"));
    }
    let kind = bits.bits(6)?;
    let wasted = if bits.bits(1)? == 1 { bits.unary()? + 1 } else { 0 };
    let depth = DEPTH.checked_sub(wasted).filter(|depth| *depth > 0);
    let depth = depth.ok_or_else(|| wrong("more wasted bits than samples have"))?;
    let mut out = Vec::with_capacity(samples);
    match kind {
        0 => {
            let constant = i64::from(bits.signed(depth)?);
            out.resize(samples, constant);
        }
        1 => {
            for _ in 0..samples {
                out.push(i64::from(bits.signed(depth)?));
            }
        }
        8..=12 => {
            let order = (kind - 8) as usize;
            warm_up(bits, &mut out, order.min(samples), depth)?;
            let coefficients: &[i64] = [&[][..], &[1], &[2, -1], &[3, -3, 1], &[4, -6, 4, -1]][order];
            residual(bits, &mut out, samples, order, coefficients, 0)?;
        }
        32..=63 => {
            let order = (kind - 31) as usize;
            warm_up(bits, &mut out, order.min(samples), depth)?;
            let precision = bits.bits(4)? + 1;
            let shift = bits.signed(5)?;
            let shift = u32::try_from(shift).map_err(|_| wrong("a negative shift"))?;
            if precision == 16 {
                return Err(wrong("a forbidden precision"));
            }
            let mut coefficients = [0i64; 32];
            for coefficient in &mut coefficients[..order] {
                *coefficient = i64::from(bits.signed(precision)?);
            }
            residual(bits, &mut out, samples, order, &coefficients[..order], shift)?;
        }
        _ => return Err(wrong("a reserved subframe")),
    }
    if wasted > 0 {
        out.iter_mut().for_each(|sample| *sample <<= wasted);
    }
    Ok(out)
}

fn warm_up<R: Read>(bits: &mut Bits<R>, out: &mut Vec<i64>, order: usize, depth: u32) -> io::Result<()> {
    for _ in 0..order {
        out.push(i64::from(bits.signed(depth)?));
    }
    Ok(())
}

/// Coded residual over what the last samples foretell (sections 9.2.5 to 9.2.7).
fn residual<R: Read>(
    bits: &mut Bits<R>,
    out: &mut Vec<i64>,
    samples: usize,
    order: usize,
    coefficients: &[i64],
    shift: u32,
) -> io::Result<()> {
    let width = match bits.bits(2)? {
        0 => 4,
        1 => 5,
        _ => return Err(wrong("a reserved coding of residuals")),
    };
    let escape = (1 << width) - 1;
    let partitions = 1usize << bits.bits(4)?;
    let each = samples / partitions;
    if !samples.is_multiple_of(partitions) || each < order {
        return Err(wrong("partitions that do not divide the block"));
    }
    for partition in 0..partitions {
        let count = if partition == 0 { each - order } else { each };
        let parameter = bits.bits(width)?;
        let raw = if parameter == escape { Some(bits.bits(5)?) } else { None };
        for _ in 0..count {
            let residual = match raw {
                Some(depth) => i64::from(bits.signed(depth)?),
                None => {
                    let high = u64::from(bits.unary()?);
                    let folded = high << parameter | u64::from(bits.bits(parameter)?);
                    (folded >> 1) as i64 ^ -((folded & 1) as i64)
                }
            };
            let last = out.iter().rev();
            let predicted: i64 = coefficients.iter().zip(last).map(|(c, sample)| c * sample).sum();
            let sample = (predicted >> shift) + residual;
            // Beyond this nothing is a sample any more, and sums of it would overflow.
            if sample.unsigned_abs() > 1 << 24 {
                return Err(wrong("a sample beyond 16 bits"));
            }
            out.push(sample);
        }
    }
    Ok(())
}
