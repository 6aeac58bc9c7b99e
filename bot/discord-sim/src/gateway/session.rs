//! One gateway session without I/O: events get numbers, and are kept for a client that resumes.
use std::collections::VecDeque;

use serde_json::{Value, json};

use super::intents;
use crate::ids::UserId;
use crate::parity;

/// How many events are kept for resuming.
const MAX_REPLAY: usize = 1024;

/// One session of one bot.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) user: UserId,
    intents: u64,
    seq: u64,
    kept: VecDeque<(u64, String)>,
}

impl Session {
    pub(crate) fn new(user: UserId, intents: u64) -> Self {
        Self { user, intents, seq: 0, kept: VecDeque::new() }
    }

    /// The frame of an event, if this session asked for its kind.
    pub(crate) fn dispatch(&mut self, name: &str, data: &Value) -> Option<String> {
        debug_assert!(parity::is_simulated_event(name), "{name} is not in the table of events");
        let data = intents::seen(name, data, self.intents, self.user)?;
        self.seq += 1;
        let text = json!({ "op": 0, "t": name, "s": self.seq, "d": data }).to_string();
        if self.kept.len() == MAX_REPLAY {
            self.kept.pop_front();
        }
        self.kept.push_back((self.seq, text.clone()));
        Some(text)
    }

    /// The frames after `seq`, or none when they are no longer all kept, or `seq` was never reached.
    pub(crate) fn after(&self, seq: u64) -> Option<Vec<String>> {
        let oldest = self.kept.front().map_or(self.seq + 1, |(seq, _)| *seq);
        (seq <= self.seq && seq + 1 >= oldest)
            .then(|| self.kept.iter().filter(|(s, _)| *s > seq).map(|(_, text)| text.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resuming_client_gets_exactly_what_it_missed() {
        let mut session = Session::new(UserId(1), intents::GUILD_MESSAGES);
        let frames: Vec<String> =
            (0..4).map(|n| session.dispatch("MESSAGE_CREATE", &json!({ "n": n })).unwrap()).collect();
        assert_eq!(session.after(2).unwrap(), frames[2..]);
        assert_eq!(session.after(4).unwrap(), Vec::<String>::new());
        assert_eq!(session.after(5), None, "a number that was never given");
    }

    #[test]
    fn what_is_no_longer_kept_cannot_be_resumed() {
        let mut session = Session::new(UserId(1), intents::GUILD_MESSAGES);
        for _ in 0..MAX_REPLAY + 5 {
            session.dispatch("MESSAGE_CREATE", &json!({}));
        }
        assert_eq!(session.after(2), None);
        assert_eq!(session.after(5).unwrap().len(), MAX_REPLAY);
    }
}
