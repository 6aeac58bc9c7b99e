//! The question, prepared for the rules.
use antiphon_core::time::Timestamp;

/// The last message, and what answering it needs.
pub(super) struct Question<'a> {
    pub(super) text: &'a str,
    pub(super) words: Vec<String>,
    pub(super) brief: bool,
    /// The last thing that the bot said.
    pub(super) last_reply: Option<&'a str>,
    /// The bot's name, if the instructions give one.
    pub(super) name: Option<&'a str>,
    pub(super) at: Timestamp,
}

impl Question<'_> {
    pub(super) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|w| w == word)
    }

    pub(super) fn has_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.has(word))
    }

    /// Whether the words of `phrase` stand in this order with nothing between.
    pub(super) fn has_phrase(&self, phrase: &str) -> bool {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        self.words
            .windows(phrase.len())
            .any(|window| window.iter().map(String::as_str).eq(phrase.iter().copied()))
    }

    pub(super) fn has_any_phrase(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.has_phrase(phrase))
    }

    /// The brief wording or the full one.
    pub(super) fn either(&self, brief: &str, full: &str) -> String {
        if self.brief { brief.to_owned() } else { full.to_owned() }
    }
}
