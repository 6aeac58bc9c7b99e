//! The outline of a track's sound.
use super::scale::{Scale, px};
use antiphon_core::audio::SLOT_MS;

/// Pixels of a column of the outline.
const COLUMN: f64 = 2.0;

/// The loudest and the softest sample of each column of the page.
#[derive(Debug)]
pub(super) struct Outline {
    scale: Scale,
    columns: Vec<(i16, i16)>,
}

impl Outline {
    pub(super) fn new(scale: Scale) -> Self {
        Self { scale, columns: vec![(0, 0); (scale.width / COLUMN).ceil() as usize + 1] }
    }

    /// Takes a slot's samples in.
    pub(super) fn add(&mut self, slot: u64, samples: &[i16]) {
        if samples.is_empty() {
            return;
        }
        let begins = slot * u64::from(SLOT_MS);
        // A slot may be wider than a column or narrower: each column takes the samples that lie in it.
        let column = |ms: u64| (self.scale.x(ms) / COLUMN) as usize;
        let (from, to) = (column(begins), column(begins + u64::from(SLOT_MS)));
        let last = self.columns.len() - 1;
        let parts = to.saturating_sub(from).max(1);
        for (n, part) in samples.chunks(samples.len().div_ceil(parts)).enumerate() {
            let (low, high) = &mut self.columns[(from + n).min(last)];
            for sample in part {
                *low = (*low).min(*sample);
                *high = (*high).max(*sample);
            }
        }
    }

    /// As an SVG path around `middle`, at most `reach` high to each side; nothing when there is no sound at all.
    pub(super) fn path(&self, middle: f64, reach: f64) -> Option<String> {
        let loudest =
            self.columns.iter().map(|(low, high)| high.max(&low.saturating_neg()).unsigned_abs()).max()?;
        if loudest < 64 {
            return None;
        }
        // Quiet tracks are shown larger, as otherwise nothing is seen; but no more than eightfold.
        let gain = reach / f64::from(loudest.max(4_096));
        let y = |sample: i16| px(middle - f64::from(sample) * gain);
        let mut path = String::new();
        let mut stretch: Vec<usize> = Vec::new();
        let mut close = |stretch: &mut Vec<usize>| {
            let (Some(first), Some(last)) = (stretch.first(), stretch.last()) else {
                return;
            };
            path.push_str(&format!("M{} {}", px(*first as f64 * COLUMN), px(middle)));
            for i in stretch.iter() {
                path.push_str(&format!("L{} {}", px((*i as f64 + 0.5) * COLUMN), y(self.columns[*i].1)));
            }
            path.push_str(&format!("L{} {}", px((*last as f64 + 1.0) * COLUMN), px(middle)));
            for i in stretch.iter().rev() {
                path.push_str(&format!("L{} {}", px((*i as f64 + 0.5) * COLUMN), y(self.columns[*i].0)));
            }
            path.push('Z');
            stretch.clear();
        };
        for (i, (low, high)) in self.columns.iter().enumerate() {
            if (*low, *high) == (0, 0) {
                close(&mut stretch);
            } else {
                stretch.push(i);
            }
        }
        close(&mut stretch);
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_is_drawn_where_it_is_and_silence_not_at_all() {
        let scale = Scale::new(20_000);
        let mut outline = Outline::new(scale);
        assert_eq!(outline.path(30.0, 28.0), None);
        for slot in 500..550 {
            outline.add(slot, &[20_000, -20_000, 10_000]);
        }
        let path = outline.path(30.0, 28.0).unwrap();
        assert_eq!(path.matches('M').count(), 1, "one stretch");
        let first: f64 = path[1..].split_whitespace().next().unwrap().parse().unwrap();
        assert!((first - scale.x(10_000)).abs() <= COLUMN, "begins at {first}");
        assert!(path.contains("L541 2"), "reaches the full height: {path}");
    }

    #[test]
    fn the_shortest_and_the_longest_sessions_stay_within_their_columns() {
        for seconds in [1, 86_400] {
            let mut outline = Outline::new(Scale::new(seconds * 1_000));
            for slot in [0, seconds * 50 - 1, seconds * 50 + 500] {
                outline.add(slot, &[1_000; 160]);
            }
            assert!(outline.path(10.0, 10.0).is_some());
        }
    }
}
