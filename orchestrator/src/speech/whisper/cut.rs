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
        assert_eq!(cut(&vec![0.1; 1000], 16_000), [0..1000]);
        assert_eq!(cut(&[], 16_000), []);
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
