//! How to ask a person to wait.

/// What is said to a person who asks more than they may; without a time, waiting does not help.
#[must_use]
pub fn ask_to_wait(retry_after_ms: Option<u64>) -> String {
    let Some(wait_ms) = retry_after_ms else {
        return "That is more than I may answer at once. Ask something shorter.".to_owned();
    };
    let seconds = wait_ms.max(1000).div_ceil(1000);
    let when = if seconds == 1 { "a second".to_owned() } else { format!("{seconds} seconds") };
    format!("You ask faster than I may answer. Try again in {when}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_worded_with_the_time_to_wait() {
        assert!(ask_to_wait(Some(12_001)).ends_with("in 13 seconds."));
        assert!(ask_to_wait(Some(3)).ends_with("in a second."));
        assert!(ask_to_wait(None).contains("shorter"));
    }
}
