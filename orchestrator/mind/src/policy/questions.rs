//! What every policy is asked: the trait [`Policy`], and what its questions and answers are made of.
use antiphon_core::event::{Provider, ProviderKind, ReplyStyle, Settings};

use super::intent::Intent;

/// A choice with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice<T> {
    /// What was chosen.
    pub value: T,
    /// Why, for a person to read. Names turns, not people.
    pub reason: String,
    /// What else could have been chosen.
    pub alternatives: Vec<String>,
}

/// What the machine knows of the conversation when it asks.
#[derive(Debug, Clone, Copy)]
pub struct Conversation<'a> {
    /// The session's settings.
    pub settings: &'a Settings,
    /// Providers in the operator's order.
    pub providers: &'a [Provider],
    /// People in the channel, the bot and other bots not counted.
    pub people: usize,
    /// Turns opened within the last [`crate::machine::limits::PACE_WINDOW`].
    pub pace: usize,
}

/// What is known of an utterance when the answer to it is decided.
#[derive(Debug, Clone, Copy)]
pub struct Utterance<'a> {
    /// The words.
    pub text: &'a str,
    /// What they want.
    pub intent: Intent,
    /// Milliseconds from the end of the last reply to this person until they started to speak; zero when they spoke
    /// into it or it is still being made; none when nothing was said to them last.
    pub since_reply_ms: Option<u64>,
}

/// Whether to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyDecision {
    /// Yes; `addressed` when the bot was called by its name, which lets it go before those who did not.
    Answer {
        /// Whether the name was called.
        addressed: bool,
    },
    /// No.
    Ignore,
}

/// A provider is needed.
#[derive(Debug, Clone, Copy)]
pub struct ProviderRequest<'a> {
    /// For what.
    pub kind: ProviderKind,
    /// Those that were tried and given up.
    pub tried: &'a [String],
    /// Milliseconds since the person stopped speaking.
    pub spent_ms: u64,
}

impl ProviderRequest<'_> {
    /// The healthy providers that were not tried yet, in the operator's order.
    pub fn candidates<'p>(&self, providers: &'p [Provider]) -> Vec<&'p Provider> {
        providers
            .iter()
            .filter(|p| p.kind == self.kind && p.healthy && !self.tried.contains(&p.name))
            .collect()
    }
}

/// A policy: pure choices.
pub trait Policy: std::fmt::Debug + Send + Sync {
    /// Whether to answer what was heard.
    fn respond(&self, conversation: &Conversation<'_>, utterance: &Utterance<'_>) -> Choice<ReplyDecision>;
    /// Which provider is asked; none when no candidate is left.
    fn provider(
        &self,
        conversation: &Conversation<'_>,
        request: &ProviderRequest<'_>,
    ) -> Option<Choice<String>>;
    /// How the reply to `text` is written.
    fn style(&self, conversation: &Conversation<'_>, text: &str) -> Choice<ReplyStyle>;
}

/// The names of `candidates` other than `chosen`.
pub(super) fn others(candidates: &[&Provider], chosen: &str) -> Vec<String> {
    candidates.iter().filter(|p| p.name != chosen).map(|p| p.name.clone()).collect()
}
