//! Turns longer than the model's window are cut before: whisper.cpp drops what lies past it without a word.
use std::ops::Range;

/// One step of the search for a quiet place: 20 ms at 16 kHz.
const STEP: usize = 320;
/// A pause is looked for in the last part of each window.
const SEARCH_FROM: f64 = 0.55;

/// Cuts `samples` into pieces of at most `window` samples, each cut at the quietest 100 ms that its last part has.
/// Nothing is lost and nothing comes twice.
pub fn cut(samples: &[f32], window: usize) -> Vec<Range<usize>> {
    let window = window.max(STEP * 10);
    let mut out = Vec::new();
    let mut start = 0;
    while samples.len() - start > window {
        let from = start + (window as f64 * SEARCH_FROM) as usize;
        let end = quietest(samples, from, start + window);
        out.push(start..end);
        start = end;
    }
    if start < samples.len() {
        out.push(start..samples.len());
    }
    out
}

/// Silence left before the first sound of a piece, and behind its last: 300 and 600 ms. About what voice activity
/// detection leaves around a turn, and so what models know.
const BEFORE: usize = 4_800;
const BEHIND: usize = 9_600;
/// Silence is what stays this far below the piece's loudest 20 ms, in energy: 40 dB.
const QUIET: f32 = 1e-4;

/// A piece without the long silences at its ends.
pub fn trim(samples: &[f32], piece: Range<usize>) -> Range<usize> {
    let energy: Vec<f32> = samples[piece.clone()]
        .chunks(STEP)
        .map(|c| c.iter().map(|s| s * s).sum::<f32>() / c.len() as f32)
        .collect();
    let loudest = energy.iter().copied().fold(0.0, f32::max);
    let loud = |e: &f32| *e > loudest * QUIET;
    let (Some(first), Some(last)) = (energy.iter().position(loud), energy.iter().rposition(loud)) else {
        return piece;
    };
    let start = piece.start + (first * STEP).saturating_sub(BEFORE);
    let end = piece.end.min(piece.start + (last + 1) * STEP + BEHIND);
    start..end
}

/// The middle of the quietest 100 ms between two places; the last of several.
fn quietest(samples: &[f32], from: usize, to: usize) -> usize {
    let energy: Vec<f32> =
        samples[from..to].chunks_exact(STEP).map(|c| c.iter().map(|s| s * s).sum()).collect();
    let mut best = (f32::INFINITY, to);
    for (n, five) in energy.windows(5).enumerate() {
        let sum: f32 = five.iter().sum();
        if sum <= best.0 {
            best = (sum, from + n * STEP + STEP * 5 / 2);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_cut_falls_into_the_pause() {
        let mut samples = vec![0.3; 16_000 * 15];
        samples[16_000 * 8..16_000 * 8 + 4_800].fill(0.0);
        let pieces = cut(&samples, 16_000 * 10);
        assert_eq!(pieces.len(), 2);
        assert!((16_000 * 8..16_000 * 8 + 4_800).contains(&pieces[0].end), "{pieces:?}");
    }

    #[test]
    fn what_fits_is_left_whole() {
        assert_eq!(cut(&vec![0.1; 1000], 16_000), Vec::from([Range { start: 0, end: 1000 }]));
        assert!(cut(&[], 16_000).is_empty());
    }

    #[test]
    fn long_silences_are_trimmed_and_noise_is_left() {
        let mut samples = vec![0.0; 16_000 * 10];
        samples[48_000..64_000].fill(0.2);
        assert_eq!(trim(&samples, 0..160_000), 48_000 - BEFORE..64_000 + BEHIND);
        assert_eq!(trim(&samples, 46_000..66_000), 46_000..66_000);
        let hum = vec![0.01; 16_000 * 10];
        assert_eq!(trim(&hum, 0..160_000), 0..160_000);
        assert_eq!(trim(&[0.0; 640], 0..640), 0..640);
    }

    proptest! {
        #[test]
        fn pieces_fit_and_join_up(length in 0usize..200_000, window in 3_200usize..50_000, seed in 1u32..1000) {
            let mut x = seed;
            let samples: Vec<f32> = (0..length)
                .map(|_| { x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223); (x >> 16) as f32 / 65536.0 })
                .collect();
            let pieces = cut(&samples, window);
            prop_assert!(pieces.iter().all(|p| !p.is_empty() && p.len() <= window));
            prop_assert_eq!(pieces.iter().map(ExactSizeIterator::len).sum::<usize>(), length);
            prop_assert!(pieces.windows(2).all(|w| w[0].end == w[1].start));
        }
    }
}
