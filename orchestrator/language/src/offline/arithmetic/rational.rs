//! Exact fractions, checked against overflow.

/// A fraction in lowest terms, its denominator positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rational {
    over: i128,
    under: i128,
}

impl Rational {
    pub(super) const ZERO: Self = Self { over: 0, under: 1 };

    pub(super) fn whole(n: i128) -> Self {
        Self { over: n, under: 1 }
    }

    pub(super) fn new(over: i128, under: i128) -> Option<Self> {
        if under == 0 {
            return None;
        }
        let divisor = gcd(over.unsigned_abs(), under.unsigned_abs());
        let divisor = i128::try_from(divisor).ok()?.max(1);
        let sign = if under < 0 { -1 } else { 1 };
        Some(Self { over: (over / divisor).checked_mul(sign)?, under: (under / divisor).checked_mul(sign)? })
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let over = self.over.checked_mul(other.under)?.checked_add(other.over.checked_mul(self.under)?)?;
        Self::new(over, self.under.checked_mul(other.under)?)
    }

    pub(super) fn negated(self) -> Option<Self> {
        Some(Self { over: self.over.checked_neg()?, under: self.under })
    }

    pub(super) fn minus(self, other: Self) -> Option<Self> {
        self.plus(other.negated()?)
    }

    pub(super) fn times(self, other: Self) -> Option<Self> {
        Self::new(self.over.checked_mul(other.over)?, self.under.checked_mul(other.under)?)
    }

    /// None for a zero divisor too: ask [`Rational::is_zero`] first.
    pub(super) fn divided_by(self, other: Self) -> Option<Self> {
        Self::new(self.over.checked_mul(other.under)?, self.under.checked_mul(other.over)?)
    }

    pub(super) fn is_zero(self) -> bool {
        self.over == 0
    }

    /// In digits, with at most four places; and whether that is all of it.
    pub(super) fn spoken(self) -> (String, bool) {
        const PLACES: u128 = 10_000;
        let (over, under) = (self.over.unsigned_abs(), self.under.unsigned_abs().max(1));
        let (whole, rest) = (over / under, over % under);
        let scaled = rest.checked_mul(PLACES);
        let (mut places, exact, mut whole) = match scaled {
            Some(scaled) => {
                let (quotient, left) = (scaled / under, scaled % under);
                (quotient + u128::from(left.saturating_mul(2) >= under && left > 0), left == 0, whole)
            }
            // A denominator beyond all speaking: the whole part will do.
            None => (0, false, whole),
        };
        if places >= PLACES {
            (places, whole) = (0, whole.saturating_add(1));
        }
        let sign = if self.over < 0 && (whole > 0 || places > 0) { "-" } else { "" };
        if places == 0 {
            return (format!("{sign}{whole}"), exact);
        }
        let digits = format!("{places:04}");
        (format!("{sign}{whole}.{}", digits.trim_end_matches('0')), exact)
    }
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_spoken_with_at_most_four_places() {
        let spoken = |over, under| Rational::new(over, under).unwrap().spoken();
        assert_eq!(spoken(10, 4), ("2.5".into(), true));
        assert_eq!(spoken(-7, 2), ("-3.5".into(), true));
        assert_eq!(spoken(2, 3), ("0.6667".into(), false));
        assert_eq!(spoken(99_999_999, 100_000_000), ("1".into(), false));
        assert_eq!(spoken(-1, 100_000), ("0".into(), false));
        assert!(!spoken(i128::MAX, i128::MAX - 1).1);
    }

    #[test]
    fn what_overflows_is_refused() {
        let huge = Rational::whole(i128::MAX);
        assert_eq!(huge.plus(Rational::whole(1)), None);
        assert_eq!(huge.times(huge), None);
        assert_eq!(Rational::whole(i128::MIN).negated(), None);
        assert_eq!(Rational::new(1, 0), None);
    }
}
