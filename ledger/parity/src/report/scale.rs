//! The time axis: where a moment stands on the page.
use serde::Serialize;

/// Pixels that a page shows without scrolling.
const NARROWEST: f64 = 1_080.0;
/// Pixels of the longest session: beyond, time is squeezed.
const WIDEST: f64 = 16_000.0;
/// Pixels a second where there is room.
const A_SECOND: f64 = 16.0;

/// From milliseconds to pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) millis: u64,
    pub(super) width: f64,
}

/// A mark of the axis.
#[derive(Debug, Serialize)]
pub(super) struct Tick {
    pub(super) x: String,
    pub(super) label: String,
}

impl Scale {
    pub(super) fn new(millis: u64) -> Self {
        let millis = millis.max(1_000);
        Self { millis, width: (millis as f64 / 1_000.0 * A_SECOND).clamp(NARROWEST, WIDEST).round() }
    }

    pub(super) fn x(&self, ms: u64) -> f64 {
        ms.min(self.millis) as f64 / self.millis as f64 * self.width
    }

    /// Marks at round times, about 80 pixels apart.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        const STEPS: [u64; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600];
        let wanted = self.millis as f64 / 1_000.0 * 80.0 / self.width;
        // Whole hours where the table ends.
        let hours = || (wanted / 3_600.0).ceil() as u64 * 3_600;
        let step = STEPS.into_iter().find(|step| *step as f64 >= wanted).unwrap_or_else(hours) * 1_000;
        (0..=self.millis / step)
            .map(|n| Tick { x: px(self.x(n * step)), label: clock(n * step, false) })
            .collect()
    }
}

/// A pixel position for SVG: a tenth of a pixel is enough.
pub(super) fn px(x: f64) -> String {
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// `1:02` or `1:02.3`; hours only when there are any.
pub(super) fn clock(ms: u64, tenths: bool) -> String {
    let (s, tenth) = (ms / 1_000, ms / 100 % 10);
    let text = match s / 3_600 {
        0 => format!("{}:{:02}", s / 60, s % 60),
        hours => format!("{hours}:{:02}:{:02}", s / 60 % 60, s % 60),
    };
    if tenths { format!("{text}.{tenth}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_never_crowded() {
        for seconds in [1, 7, 20, 61, 600, 3_600, 6 * 3_600, 48 * 3_600, 31 * 86_400] {
            let scale = Scale::new(seconds * 1_000);
            let ticks = scale.ticks();
            let apart = scale.width / (ticks.len().max(2) - 1) as f64;
            assert!(apart >= 60.0, "{seconds} s: {} ticks, {apart} px apart", ticks.len());
        }
        assert_eq!(clock(3_723_400, true), "1:02:03.4");
        assert_eq!(px(12.04), "12");
    }
}
