//! When a server wants to be asked again.
use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// The longest wait that is obeyed: a longer one is taken for this.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(300);

/// The wait that an answer's headers ask for: `retry-after-ms` (OpenAI's), or `Retry-After` as seconds or as a date
/// (RFC 9110, section 10.2.3), which is compared with the server's own clock where it says the time.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    let wait = headers
        .get("retry-after-ms")
        .and_then(|value| number(value.to_str().ok()?.trim()))
        .map(|ms| ms / 1000.0)
        .or_else(|| {
            let after = text(RETRY_AFTER)?;
            number(after).or_else(|| {
                let now = text(DATE).and_then(date).unwrap_or_else(|| jiff::Timestamp::now().as_second());
                Some((date(after)? - now).max(0) as f64)
            })
        })?;
    Some(Duration::from_secs_f64(wait.min(MAX_WAIT.as_secs_f64())))
}

/// An HTTP date in seconds of Unix time.
fn date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(pairs: &[(&'static str, &'static str)]) -> Option<Duration> {
        retry_after(&pairs.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect())
    }

    #[test]
    fn every_form_of_the_header_is_read() {
        assert_eq!(wait(&[("retry-after", " 7 ")]), Some(Duration::from_secs(7)));
        assert_eq!(wait(&[("retry-after", "0.5")]), Some(Duration::from_millis(500)));
        assert_eq!(
            wait(&[("retry-after", "9"), ("retry-after-ms", "250")]),
            Some(Duration::from_millis(250))
        );
        let dates =
            [("date", "Sun, 29 Nov 2026 11:00:00 GMT"), ("retry-after", "Sun, 29 Nov 2026 11:00:30 GMT")];
        assert_eq!(wait(&dates), Some(Duration::from_secs(30)));
        assert_eq!(wait(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]), Some(Duration::ZERO));
    }

    #[test]
    fn nonsense_is_no_wait_and_a_huge_one_is_bounded() {
        for text in ["", "soon", "-3", "NaN", "inf"] {
            assert_eq!(
                retry_after(&[(RETRY_AFTER, text.parse().unwrap())].into_iter().collect()),
                None,
                "{text}"
            );
        }
        assert_eq!(wait(&[("retry-after", "1e300")]), Some(MAX_WAIT));
    }
}
