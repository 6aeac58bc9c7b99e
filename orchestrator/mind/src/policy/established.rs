//! The established policy: simple, and proven in use.
use antiphon_core::event::ReplyStyle;

use super::ask::{Choice, Heard, Judge, Need, Respond, Talk, others};

/// Answers every utterance, with the first healthy provider in the operator's order, in whole sentences.
#[derive(Debug, Clone, Copy)]
pub struct Established;

impl Judge for Established {
    fn respond(&self, _: &Talk<'_>, _: &Heard<'_>) -> Choice<Respond> {
        Choice {
            value: Respond::Answer { addressed: false },
            because: "every utterance is answered".into(),
            over: vec!["ignore".into()],
        }
    }

    fn provider(&self, talk: &Talk<'_>, need: &Need<'_>) -> Option<Choice<String>> {
        let candidates = need.candidates(talk.providers);
        let first = candidates.first()?;
        Some(Choice {
            value: first.name.clone(),
            because: if need.tried.is_empty() {
                "first healthy one in order".into()
            } else {
                format!("next healthy one in order after {}", need.tried.join(", "))
            },
            over: others(&candidates, &first.name),
        })
    }

    fn style(&self, _: &Talk<'_>, _: &str) -> Choice<ReplyStyle> {
        Choice {
            value: ReplyStyle::Full,
            because: "replies are always full".into(),
            over: vec!["brief".into()],
        }
    }
}
