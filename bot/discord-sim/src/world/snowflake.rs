//! Mints ids as Discord does: milliseconds since 2015 in the upper 42 bits, then a counter.
//! <https://docs.discord.com/developers/reference#snowflakes>
use jiff::Timestamp;

/// The first millisecond of 2015, Discord's epoch.
const DISCORD_EPOCH_MS: i64 = 1_420_070_400_000;

/// Gives out ids that never repeat and never go back.
#[derive(Clone, Debug, Default)]
pub struct SnowflakeMint {
    last: u64,
}

impl SnowflakeMint {
    /// The next id, for something made at `at`.
    pub fn next(&mut self, at: Timestamp) -> u64 {
        let ms = u64::try_from(at.as_millisecond() - DISCORD_EPOCH_MS).unwrap_or(0);
        self.last = (self.last + 1).max(ms << 22);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_within_a_millisecond_and_when_clocks_go_back() {
        let mut mint = SnowflakeMint::default();
        let now = Timestamp::from_millisecond(1_800_000_000_000).unwrap();
        let earlier = Timestamp::from_millisecond(1_700_000_000_000).unwrap();
        let ids = [mint.next(now), mint.next(now), mint.next(earlier)];
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        assert_eq!(ids[0] >> 22, 1_800_000_000_000 - 1_420_070_400_000);
    }
}
