//! The fuzz targets' functions on mutated good input: no panic, no hang, and nothing that verifies and cannot be read.
//!
//! `make fuzz` runs the same functions under libFuzzer (`fuzz/README.md`).
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};

#[allow(unreachable_pub, reason = "public for the fuzz targets")]
#[path = "../../../../fuzz/src/bundle.rs"]
mod entries;

/// Good input, changed in one to four places.
fn mutated(seed: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(0..=bytes.len());
        let to = random.random_range(at..=bytes.len().min(at + 64));
        match random.random_range(0..7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = random.random(),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..to)),
            4 => {
                let piece = bytes[at..to].to_vec();
                bytes.splice(at..at, piece);
            }
            5 => bytes[at..to].fill(0),
            _ => {
                let numbers = ["0", "-1", "18446744073709551615", "1e999", "null", "[]", "\"\"", "\n"];
                let piece = numbers[random.random_range(0..numbers.len())];
                bytes.splice(at..at, piece.bytes());
            }
        }
    }
    bytes
}

fn many(target: &str, times: usize, entry: impl Fn(&[u8])) {
    let mut random = StdRng::seed_from_u64(5);
    let seeds = entries::seeds();
    for seed in &seeds[target] {
        entry(seed);
        for _ in 0..times.div_ceil(seeds[target].len()) {
            entry(&mutated(seed, &mut random));
        }
    }
}

#[test]
fn mutated_manifests() {
    many("manifest", 250, entries::manifest);
}

#[test]
fn mutated_timelines() {
    many("timeline", 200, entries::timeline);
}

#[test]
fn mutated_tracks() {
    many("ogg", 200, entries::ogg);
}

#[test]
fn mutated_archives() {
    many("archive", 100, entries::archive);
}

#[test]
fn mutated_recordings_that_broke_off() {
    many("recover", 48, entries::recover);
}
