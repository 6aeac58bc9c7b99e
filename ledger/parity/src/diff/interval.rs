//! Confidence interval of a share.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A range of shares.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

/// The 95 % quantile of the normal distribution, two-sided.
const Z: f64 = 1.959_964;

/// Wilson's score interval at 95 % (E. B. Wilson, 1927): sound for few turns and for shares near 0 and 1, where the
/// usual formula is not.
pub fn wilson(hits: u64, of: u64) -> Interval {
    if of == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let (n, share) = (of as f64, hits as f64 / of as f64);
    let middle = share + Z * Z / (2.0 * n);
    let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    // At the ends the bound is the end itself, whatever rounding says.
    Interval {
        low: if hits == 0 { 0.0 } else { ((middle - spread) / scale).max(0.0) },
        high: if hits >= of { 1.0 } else { ((middle + spread) / scale).min(1.0) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_agrees_with_published_values() {
        // R: prop.test(8, 10, correct = FALSE)$conf.int
        let of_ten = wilson(8, 10);
        assert!(
            (of_ten.low - 0.490_162).abs() < 1e-4 && (of_ten.high - 0.943_318).abs() < 1e-4,
            "{of_ten:?}"
        );
        let all = wilson(4, 4);
        assert!((all.low - 0.510_110).abs() < 1e-4 && all.high == 1.0, "{all:?}");
        assert_eq!(wilson(0, 0), Interval { low: 0.0, high: 1.0 });
    }
}
