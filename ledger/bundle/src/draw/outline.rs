//! The outline of a track's sound.
use super::scale::{LEFT, Scale};

/// Pixels of a column.
const COLUMN: f64 = 2.0;

/// The peaks and the mean power of each column of the page.
#[derive(Debug)]
pub(super) struct Outline {
    scale: Scale,
    columns: Vec<Column>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Column {
    low: i16,
    high: i16,
    squares: f64,
    samples: u32,
}

impl Outline {
    pub(super) fn new(scale: Scale) -> Self {
        Self { scale, columns: vec![Column::default(); (scale.width / COLUMN).ceil() as usize + 1] }
    }

    /// Takes a slot's samples in: each column those that lie in it.
    pub(super) fn add(&mut self, slot: u64, samples: &[i16]) {
        if samples.is_empty() || samples.iter().all(|sample| *sample == 0) {
            return;
        }
        let column = |ms: u64| ((self.scale.x(ms) - LEFT) / COLUMN) as usize;
        let begins = slot * 20;
        let (from, to) = (column(begins), column(begins + 20));
        let last = self.columns.len() - 1;
        let parts = to.saturating_sub(from).max(1);
        for (n, part) in samples.chunks(samples.len().div_ceil(parts)).enumerate() {
            let column = &mut self.columns[(from + n).min(last)];
            for sample in part {
                column.low = column.low.min(*sample);
                column.high = column.high.max(*sample);
                column.squares += f64::from(*sample).powi(2);
            }
            column.samples += part.len() as u32;
        }
    }

    /// Two SVG paths around `middle`, at most `reach` high to each side: the peaks, and inside them the mean power.
    /// None when there is no sound at all.
    pub(super) fn paths(&self, middle: f64, reach: f64) -> Option<(String, String)> {
        let loudest = self.columns.iter().map(|c| c.high.max(c.low.saturating_neg())).max()?;
        if loudest < 64 {
            return None;
        }
        // Quiet tracks are shown larger, as otherwise nothing is seen; but no more than eightfold.
        let gain = reach / f64::from(loudest.max(4_096));
        let (mut peaks, mut power) = (String::new(), String::new());
        for stretch in self.stretches() {
            let x = |column: usize| LEFT + (column as f64 + 0.5) * COLUMN;
            let mut top = Vec::new();
            for column in stretch {
                let of = self.columns[column];
                let mean = (of.squares / f64::from(of.samples.max(1))).sqrt();
                top.push((x(column), f64::from(of.high), f64::from(of.low), mean));
            }
            let outline = |top: &[(f64, f64, f64)]| {
                let up = top.iter().map(|(x, high, _)| (*x, middle - high * gain));
                let down = top.iter().rev().map(|(x, _, low)| (*x, middle - low * gain));
                let mut path = String::new();
                for (n, (x, y)) in up.chain(down).enumerate() {
                    path.push_str(&format!("{}{x:.0} {y:.1}", if n == 0 { 'M' } else { 'L' }));
                }
                path + "Z"
            };
            peaks.push_str(&outline(
                &top.iter().map(|(x, high, low, _)| (*x, *high, *low)).collect::<Vec<_>>(),
            ));
            power.push_str(&outline(
                &top.iter().map(|(x, _, _, mean)| (*x, *mean, -mean)).collect::<Vec<_>>(),
            ));
        }
        Some((peaks, power))
    }

    /// Columns with sound that stand side by side.
    fn stretches(&self) -> Vec<std::ops::Range<usize>> {
        let mut out: Vec<std::ops::Range<usize>> = Vec::new();
        for (n, _) in self.columns.iter().enumerate().filter(|(_, column)| column.samples > 0) {
            match out.last_mut() {
                Some(last) if last.end == n => last.end = n + 1,
                _ => out.push(n..n + 1),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_is_drawn_where_it_is_and_silence_not_at_all() {
        let scale = Scale::new(20_000);
        let mut outline = Outline::new(scale);
        outline.add(0, &[0; 960]);
        assert!(outline.paths(30.0, 28.0).is_none());
        for slot in 500..550 {
            outline.add(slot, &[20_000, -20_000, 10_000]);
        }
        let (peaks, power) = outline.paths(30.0, 28.0).unwrap();
        assert_eq!((peaks.matches('M').count(), power.matches('M').count()), (1, 1), "one stretch");
        let first: f64 = peaks[1..].split_whitespace().next().unwrap().parse().unwrap();
        assert!((first - scale.x(10_000)).abs() <= 2.0 * COLUMN, "begins at {first}");
        assert!(peaks.contains(" 2.0L"), "reaches the full height: {peaks}");
    }

    #[test]
    fn the_shortest_and_the_longest_sessions_stay_within_their_columns() {
        for seconds in [1, 86_400] {
            let mut outline = Outline::new(Scale::new(seconds * 1_000));
            for slot in [0, seconds * 50 - 1, seconds * 50 + 500] {
                outline.add(slot, &[1_000; 160]);
            }
            assert!(outline.paths(10.0, 10.0).is_some());
        }
    }
}
