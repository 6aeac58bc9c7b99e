//! The established policy: simple, and proven in use.
use antiphon_core::event::ReplyStyle;

use super::questions::{Choice, Conversation, Policy, ProviderRequest, ReplyDecision, Utterance, others};

/// Answers every utterance, with the first healthy provider in the operator's order, in whole sentences.
#[derive(Debug, Clone, Copy)]
pub struct Established;

impl Policy for Established {
    fn respond(&self, _: &Conversation<'_>, _: &Utterance<'_>) -> Choice<ReplyDecision> {
        Choice {
            value: ReplyDecision::Answer { addressed: false },
            reason: "every utterance is answered".into(),
            alternatives: vec!["ignore".into()],
        }
    }

    fn provider(
        &self,
        conversation: &Conversation<'_>,
        request: &ProviderRequest<'_>,
    ) -> Option<Choice<String>> {
        let candidates = request.candidates(conversation.providers);
        let first = candidates.first()?;
        Some(Choice {
            value: first.name.clone(),
            reason: if request.tried.is_empty() {
                "first healthy one in order".into()
            } else {
                format!("next healthy one in order after {}", request.tried.join(", "))
            },
            alternatives: others(&candidates, &first.name),
        })
    }

    fn style(&self, _: &Conversation<'_>, _: &str) -> Choice<ReplyStyle> {
        Choice {
            value: ReplyStyle::Full,
            reason: "replies are always full".into(),
            alternatives: vec!["brief".into()],
        }
    }
}
