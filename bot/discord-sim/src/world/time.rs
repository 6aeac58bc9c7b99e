//! Times as Discord writes them: ISO 8601 with microseconds and an offset.
//! <https://docs.discord.com/developers/reference#iso8601-datetime>
use jiff::Timestamp;

/// `2026-11-29T11:16:36.120000+00:00`. Python before 3.11 reads neither nanoseconds nor `Z`.
pub(crate) fn iso8601(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_six_digits_and_an_offset() {
        let at: Timestamp = "2026-11-29T11:16:36.123456789Z".parse().unwrap();
        assert_eq!(iso8601(at), "2026-11-29T11:16:36.123456+00:00");
        let whole: Timestamp = "2026-11-29T11:16:36Z".parse().unwrap();
        assert_eq!(iso8601(whole), "2026-11-29T11:16:36.000000+00:00");
    }
}
