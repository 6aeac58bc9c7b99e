//! The conversation so far, as it is sent to a language model.
use std::collections::VecDeque;

use antiphon_core::event::{Message, Role};
use antiphon_core::ids::UserId;

use super::limits::MAX_CONTEXT;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Exchange {
    user: UserId,
    name: String,
    asked: String,
    /// What was really said or written in reply; empty when it came to nothing.
    replied: String,
}

/// The last exchanges, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Context {
    exchanges: VecDeque<Exchange>,
    keep: usize,
}

impl Default for Context {
    fn default() -> Self {
        Self { exchanges: VecDeque::new(), keep: MAX_CONTEXT }
    }
}

impl Context {
    pub(super) fn keep(&mut self, exchanges: usize) {
        self.keep = exchanges.min(MAX_CONTEXT);
    }

    pub(super) fn add(&mut self, user: UserId, name: &str, asked: &str, replied: String) {
        if self.keep == 0 {
            return;
        }
        while self.exchanges.len() >= self.keep {
            self.exchanges.pop_front();
        }
        self.exchanges.push_back(Exchange { user, name: name.into(), asked: asked.into(), replied });
    }

    pub(super) fn forget(&mut self, user: UserId) {
        self.exchanges.retain(|e| e.user != user);
    }

    pub(super) fn clear(&mut self) {
        self.exchanges.clear();
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = Message> + '_ {
        self.exchanges.iter().flat_map(|e| {
            let asked = (!e.asked.is_empty()).then(|| Message {
                role: Role::User,
                name: Some(e.name.clone()),
                text: e.asked.clone(),
            });
            let replied = (!e.replied.is_empty()).then(|| Message {
                role: Role::Assistant,
                name: None,
                text: e.replied.clone(),
            });
            asked.into_iter().chain(replied)
        })
    }

    #[cfg(test)]
    pub(super) fn footprint(&self) -> usize {
        self.exchanges.iter().map(|e| 1 + e.name.len() + e.asked.len() + e.replied.len()).sum()
    }
}
