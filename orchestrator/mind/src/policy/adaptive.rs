//! The adaptive policy: fits itself to the conversation.
use antiphon_core::event::{Provider, ProviderKind, ReplyStyle};

use super::address::addressed;
use super::intent::{Intent, wants_length};
use super::questions::{Choice, Conversation, Policy, ProviderRequest, ReplyDecision, Utterance, others};
use antiphon_core::text::words::{is_number, words};

/// Up to this many words, a question is short.
const SHORT_QUESTION: usize = 7;
/// Among several people, a statement of more words than this after a reply is taken as meant for the others.
const LONG_STATEMENT: usize = 6;
/// From this many turns within the pace window on, the talk is fast.
const FAST_TALK: usize = 4;

/// Answers when addressed, chooses providers by latency budget, fits the reply's style to the conversation.
#[derive(Debug, Clone, Copy)]
pub struct Adaptive;

impl Policy for Adaptive {
    fn respond(&self, conversation: &Conversation<'_>, utterance: &Utterance<'_>) -> Choice<ReplyDecision> {
        let answer = |addressed: bool, reason: String| Choice {
            value: ReplyDecision::Answer { addressed },
            reason,
            alternatives: vec!["ignore".into()],
        };
        if let Some(place) = addressed(utterance.text, &conversation.settings.wake_name) {
            return answer(true, format!("called by name at the {place} of the utterance"));
        }
        let to_others = utterance.intent == Intent::Statement
            && conversation.people > 1
            && words(utterance.text).len() > LONG_STATEMENT;
        if let Some(ms) = utterance.since_reply_ms
            && ms <= u64::from(conversation.settings.follow_up_ms)
            && !(to_others && ms > 0)
        {
            return answer(
                false,
                if ms == 0 {
                    "spoken into the reply to the same person".into()
                } else {
                    format!(
                        "{ms} ms after the reply to the same person, within {}",
                        conversation.settings.follow_up_ms
                    )
                },
            );
        }
        if conversation.people == 1 {
            return answer(false, "alone with one person".into());
        }
        Choice {
            value: ReplyDecision::Ignore,
            reason: format!(
                "not called by name, no recent reply to this person, {} people in the channel",
                conversation.people
            ),
            alternatives: vec!["answer".into()],
        }
    }

    fn provider(
        &self,
        conversation: &Conversation<'_>,
        request: &ProviderRequest<'_>,
    ) -> Option<Choice<String>> {
        let candidates = request.candidates(conversation.providers);
        let later = later_ms(request.kind, conversation.providers);
        let budget = u64::from(conversation.settings.latency_budget_ms);
        let left = budget.saturating_sub(request.spent_ms).saturating_sub(later);
        let fits = candidates.iter().find(|p| u64::from(p.expected_ms) <= left);
        let (chosen, reason) = match fits {
            Some(p) => (
                *p,
                format!(
                    "first in order that fits: {} ms expected, {left} ms left of {budget}",
                    p.expected_ms
                ),
            ),
            None => {
                let fastest = *candidates.iter().min_by_key(|p| p.expected_ms)?;
                (
                    fastest,
                    format!(
                        "none fits the {left} ms left of {budget}: the fastest, {} ms expected",
                        fastest.expected_ms
                    ),
                )
            }
        };
        Some(Choice { value: chosen.name.clone(), reason, alternatives: others(&candidates, &chosen.name) })
    }

    fn style(&self, conversation: &Conversation<'_>, text: &str) -> Choice<ReplyStyle> {
        let words = words(text);
        let brief =
            |reason: String| Choice { value: ReplyStyle::Brief, reason, alternatives: vec!["full".into()] };
        let full = |reason: &str| Choice {
            value: ReplyStyle::Full,
            reason: reason.into(),
            alternatives: vec!["brief".into()],
        };
        if wants_length(&words) {
            return full("a story or an explanation is asked for");
        }
        if words.iter().any(|w| is_number(w)) {
            return brief("a question about numbers".into());
        }
        if words.len() <= SHORT_QUESTION {
            return brief(format!("a short question ({} words)", words.len()));
        }
        if conversation.pace >= FAST_TALK {
            return brief(format!("the talk is fast ({} turns lately)", conversation.pace));
        }
        full("a long question in a calm talk")
    }
}

/// What the stages after `kind` are expected to take at best.
fn later_ms(kind: ProviderKind, providers: &[Provider]) -> u64 {
    let best = |kind: ProviderKind| {
        let healthy = providers.iter().filter(|p| p.kind == kind && p.healthy);
        healthy.map(|p| u64::from(p.expected_ms)).min().unwrap_or(0)
    };
    match kind {
        ProviderKind::Stt => best(ProviderKind::Llm) + best(ProviderKind::Tts),
        ProviderKind::Llm => best(ProviderKind::Tts),
        ProviderKind::Tts => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use antiphon_core::event::Settings;

    fn provider(kind: ProviderKind, name: &str, healthy: bool, expected_ms: u32) -> Provider {
        Provider { kind, name: name.into(), healthy, expected_ms }
    }

    fn in_conversation<T>(
        people: usize,
        pace: usize,
        providers: &[Provider],
        look: impl Fn(&Conversation<'_>) -> T,
    ) -> T {
        let settings = Settings::default();
        look(&Conversation { settings: &settings, providers, people, pace })
    }

    fn hear(text: &str, people: usize, since: Option<u64>) -> ReplyDecision {
        let intent = super::super::intent::intent(text, "Antiphon");
        let heard = Utterance { text, intent, since_reply_ms: since };
        in_conversation(people, 0, &[], |conversation| Adaptive.respond(conversation, &heard).value)
    }

    #[test]
    fn among_several_only_callers_and_recent_partners_are_answered() {
        assert_eq!(hear("what time is it", 3, None), ReplyDecision::Ignore);
        assert_eq!(
            hear("hey anti phone what time is it", 3, None),
            ReplyDecision::Answer { addressed: true }
        );
        assert_eq!(hear("and tomorrow?", 3, Some(5000)), ReplyDecision::Answer { addressed: false });
        assert_eq!(hear("and tomorrow?", 3, Some(8001)), ReplyDecision::Ignore);
        assert_eq!(hear("no the other one", 3, Some(5000)), ReplyDecision::Answer { addressed: false });
        let to_bob = "Bob I told you that it would say so";
        assert_eq!(hear(to_bob, 3, Some(5000)), ReplyDecision::Ignore);
        assert_eq!(hear(to_bob, 1, Some(5000)), ReplyDecision::Answer { addressed: false });
        assert_eq!(hear("what time is it", 1, None), ReplyDecision::Answer { addressed: false });
    }

    #[test]
    fn the_first_provider_within_budget_else_the_fastest() {
        let providers = [
            provider(ProviderKind::Llm, "slow", true, 1400),
            provider(ProviderKind::Llm, "quick", true, 400),
            provider(ProviderKind::Llm, "instant", true, 5),
            provider(ProviderKind::Tts, "espeak", true, 100),
        ];
        let ask = |spent_ms| {
            in_conversation(1, 0, &providers, |conversation| {
                let request = ProviderRequest { kind: ProviderKind::Llm, tried: &[], spent_ms };
                Adaptive.provider(conversation, &request).map(|c| c.value)
            })
        };
        assert_eq!(ask(0).as_deref(), Some("slow"));
        assert_eq!(ask(300).as_deref(), Some("quick"));
        assert_eq!(ask(1200).as_deref(), Some("instant"));
        assert_eq!(ask(9000).as_deref(), Some("instant"));
    }

    #[test]
    fn short_numeric_and_fast_get_brief_stories_full_answers() {
        let style = |text: &str, pace| {
            in_conversation(1, pace, &[], |conversation| Adaptive.style(conversation, text).value)
        };
        let long = "I was wondering what you think about the weather in the mountains";
        assert_eq!(style("what time is it", 0), ReplyStyle::Brief);
        assert_eq!(
            style("could you please tell me how much twelve times thirteen might be", 0),
            ReplyStyle::Brief
        );
        assert_eq!(style("tell me a story", 9), ReplyStyle::Full);
        assert_eq!(style(long, 0), ReplyStyle::Full);
        assert_eq!(style(long, 4), ReplyStyle::Brief);
    }
}
