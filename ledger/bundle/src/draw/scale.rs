//! Where a moment lies on the page.

/// Pixels left of the time axis: the lanes' names.
pub(super) const LEFT: f64 = 150.0;
/// Pixels right of it.
pub(super) const RIGHT: f64 = 30.0;
/// The axis' width for short sessions.
const NARROW: f64 = 1_250.0;
/// The axis' width at the most. Browsers draw and scroll it well; beyond, columns stand for more time.
const WIDE: f64 = 14_000.0;
/// Pixels of a second, as long as there is room: enough to read a sentence under the time it took.
const A_SECOND: f64 = 32.0;

/// The time axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) ms: u64,
    pub(super) width: f64,
}

impl Scale {
    pub(super) fn new(ms: u64) -> Self {
        let ms = ms.max(1_000);
        Self { ms, width: (ms as f64 / 1e3 * A_SECOND).clamp(NARROW, WIDE).round() }
    }

    /// The place of a moment on the page.
    pub(super) fn x(&self, ms: u64) -> f64 {
        LEFT + ms.min(self.ms) as f64 / self.ms as f64 * self.width
    }

    /// Width of the whole page.
    pub(super) fn page(&self) -> f64 {
        LEFT + self.width + RIGHT
    }

    /// Moments that are worth a line, some 100 pixels apart.
    pub(super) fn ticks(&self) -> Vec<u64> {
        const STEPS: [u64; 13] = [
            100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
            3_600_000,
        ];
        let wanted = 90.0 / self.width * self.ms as f64;
        let step = STEPS.into_iter().find(|step| *step as f64 >= wanted).unwrap_or(6 * 3_600_000);
        (0..=self.ms / step).map(|n| n * step).collect()
    }
}

/// A tick's label.
pub(super) fn clock(ms: u64, fine: bool) -> String {
    let s = ms / 1_000;
    let tenth = if fine { format!(".{}", ms / 100 % 10) } else { String::new() };
    if s >= 3_600 {
        format!("{}:{:02}:{:02}{tenth}", s / 3_600, s / 60 % 60, s % 60)
    } else {
        format!("{}:{:02}{tenth}", s / 60, s % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_has_a_readable_axis() {
        for ms in [0, 900, 12_000, 300_000, 3_600_000, 86_400_000, 31 * 86_400_000] {
            let scale = Scale::new(ms);
            let ticks = scale.ticks();
            assert!((2..=200).contains(&ticks.len()), "{} ticks for {ms} ms", ticks.len());
            assert!(scale.x(ms) <= scale.page() && scale.x(0) >= LEFT);
        }
        assert_eq!(clock(3_725_400, true), "1:02:05.4");
        assert_eq!(clock(65_000, false), "1:05");
    }
}
