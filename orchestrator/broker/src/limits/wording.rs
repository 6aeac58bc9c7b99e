//! Limits in words for people, and tokens of a text.
use antiphon_core::text::waiting::ask_to_wait;

use super::decision::Decision;

/// Tokens of a text, about: four characters each
/// (<https://help.openai.com/en/articles/4936856-what-are-tokens-and-how-to-count-them>).
#[must_use]
pub fn tokens_of(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX).div_ceil(4)
}

/// What is said to a person who asked too much.
#[must_use]
pub fn wait_in_words(decision: &Decision) -> String {
    ask_to_wait(decision.retry_after().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::decision::Window;
    use super::super::quota::Subject;
    use super::*;

    fn refused(retry_after: Option<Duration>) -> Decision {
        let window = Window {
            subject: Subject::PersonRequests,
            limit: 1,
            remaining: 0,
            reset_after: Duration::ZERO,
            retry_after,
        };
        Decision { allowed: false, windows: vec![window], grant: None }
    }

    #[test]
    fn a_refusal_says_how_long_to_wait() {
        let words = |ms| wait_in_words(&refused(Some(Duration::from_millis(ms))));
        assert!(words(12_001).ends_with("in 13 seconds."), "{}", words(12_001));
        assert!(words(3).ends_with("in a second."), "{}", words(3));
        assert!(wait_in_words(&refused(None)).contains("shorter"));
    }

    #[test]
    fn tokens_are_counted_by_characters_not_bytes() {
        assert_eq!([tokens_of(""), tokens_of("a"), tokens_of("grüß"), tokens_of("hello")], [0, 1, 1, 2]);
    }
}
