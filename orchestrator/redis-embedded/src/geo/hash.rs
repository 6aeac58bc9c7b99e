//! Geohashes (`geohash.c`): the bits of latitude and longitude, interleaved.

/// Longitudes and latitudes that can be held (EPSG:900913).
pub(crate) const MAX_LONGITUDE: f64 = 180.0;
pub(crate) const MAX_LATITUDE: f64 = 85.051_128_78;
/// Bits of each coordinate in a score.
pub(crate) const MAX_STEP: u32 = 26;

const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// Longitude and latitude, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) longitude: f64,
    pub(crate) latitude: f64,
}

/// A box, by its first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    bits: u64,
    step: u32,
}

/// What a box covers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) west: f64,
    pub(crate) east: f64,
    pub(crate) south: f64,
    pub(crate) north: f64,
}

const X_BITS: u64 = 0xAAAA_AAAA_AAAA_AAAA;
const Y_BITS: u64 = 0x5555_5555_5555_5555;

impl Point {
    /// Whether it can be held at all.
    pub(crate) fn is_valid(self) -> bool {
        self.longitude.abs() <= MAX_LONGITUDE && self.latitude.abs() <= MAX_LATITUDE
    }

    /// The score it is held as.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn score(self) -> f64 {
        Cell::of(self, MAX_STEP).aligned() as f64
    }

    /// The middle of what a score stands for.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(crate) fn from_score(score: f64) -> Self {
        let bounds = Cell { bits: score as u64, step: MAX_STEP }.bounds();
        Self {
            longitude: f64::midpoint(bounds.west, bounds.east).clamp(-MAX_LONGITUDE, MAX_LONGITUDE),
            latitude: f64::midpoint(bounds.south, bounds.north).clamp(-MAX_LATITUDE, MAX_LATITUDE),
        }
    }

    /// The geohash in its common form, in which latitudes go to 90 degrees. Its last digit has no bits left.
    pub(crate) fn text(self) -> String {
        let bits = encode(self, MAX_STEP, 90.0);
        let digit = |at: u32| ALPHABET[usize::try_from(bits >> (52 - (at + 1) * 5) & 0x1F).unwrap_or(0)];
        (0..10).map(|at| char::from(digit(at))).chain(['0']).collect()
    }
}

/// The interleaved bits of a point, where latitudes go up to `max_latitude`.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn encode(point: Point, step: u32, max_latitude: f64) -> u64 {
    let scale = (1_u64 << step) as f64;
    let latitude = (point.latitude + max_latitude) / (2.0 * max_latitude) * scale;
    let longitude = (point.longitude + MAX_LONGITUDE) / (2.0 * MAX_LONGITUDE) * scale;
    spread(latitude as u32) | spread(longitude as u32) << 1
}

/// Puts a zero in front of each bit.
fn spread(bits: u32) -> u64 {
    let mut spread = u64::from(bits);
    for (shift, mask) in [
        (16, 0x0000_FFFF_0000_FFFF),
        (8, 0x00FF_00FF_00FF_00FF),
        (4, 0x0F0F_0F0F_0F0F_0F0F),
        (2, 0x3333_3333_3333_3333),
        (1, Y_BITS),
    ] {
        spread = (spread | spread << shift) & mask;
    }
    spread
}

/// Takes every second bit.
fn gather(bits: u64) -> u32 {
    let mut gathered = bits & Y_BITS;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0F0F_0F0F_0F0F_0F0F),
        (4, 0x00FF_00FF_00FF_00FF),
        (8, 0x0000_FFFF_0000_FFFF),
        (16, 0x0000_0000_FFFF_FFFF),
    ] {
        gathered = (gathered | gathered >> shift) & mask;
    }
    u32::try_from(gathered).unwrap_or(u32::MAX)
}

impl Cell {
    pub(crate) fn of(point: Point, step: u32) -> Self {
        Self { bits: encode(point, step, MAX_LATITUDE), step }
    }

    fn aligned(self) -> u64 {
        self.bits << (52 - self.step * 2)
    }

    /// Scores of what lies in it: from the first, up to but not including the second.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn scores(self) -> (f64, f64) {
        let next = Self { bits: self.bits + 1, ..self };
        (self.aligned() as f64, next.aligned() as f64)
    }

    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn bounds(self) -> Bounds {
        let scale = (1_u64 << self.step) as f64;
        let latitude = |at: f64| -MAX_LATITUDE + at / scale * (2.0 * MAX_LATITUDE);
        let longitude = |at: f64| -MAX_LONGITUDE + at / scale * (2.0 * MAX_LONGITUDE);
        let (y, x) = (f64::from(gather(self.bits)), f64::from(gather(self.bits >> 1)));
        Bounds { west: longitude(x), east: longitude(x + 1.0), south: latitude(y), north: latitude(y + 1.0) }
    }

    /// The box so many steps to the east and to the north (each -1, 0 or 1); beyond an edge it goes on at the other one.
    pub(crate) fn neighbor(self, east: i8, north: i8) -> Self {
        self.moved(east, X_BITS, Y_BITS).moved(north, Y_BITS, X_BITS)
    }

    fn moved(self, by: i8, along: u64, across: u64) -> Self {
        if by == 0 {
            return self;
        }
        let unused = 64 - self.step * 2;
        let (moving, rest, gaps) = (self.bits & along, self.bits & across, across >> unused);
        // The gaps are filled with ones, so that a carry runs through them.
        let moved =
            if by > 0 { moving.wrapping_add(gaps + 1) } else { (moving | gaps).wrapping_sub(gaps + 1) };
        Self { bits: (moved & along >> unused) | rest, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn palermo_has_the_geohash_of_the_manual() {
        let palermo = Point { longitude: 13.361_389, latitude: 38.115_556 };
        assert_eq!(palermo.score(), 3_479_099_956_230_698.0);
        assert_eq!(Point::from_score(palermo.score()).text(), "sqc8b49rny0");
    }

    #[test]
    fn neighbors_touch_and_go_round_the_world() {
        let cell = Cell::of(Point { longitude: 10.0, latitude: 50.0 }, 10);
        let (here, east) = (cell.bounds(), cell.neighbor(1, 0).bounds());
        assert!((here.east - east.west).abs() < 1e-9 && (here.north - east.north).abs() < 1e-9);
        assert_eq!(cell.neighbor(1, 1).neighbor(-1, -1), cell);
        let edge = Cell::of(Point { longitude: 179.99, latitude: 0.0 }, 10);
        assert!(edge.neighbor(1, 0).bounds().west < -179.0);
    }
}
