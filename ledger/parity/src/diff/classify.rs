//! Where a turn's differences come from.
use super::parity::Class;
use super::run::Run;
use super::turn::TurnView;
use antiphon_core::event::DecisionKind;

/// What is known of a pair of turns before its fields are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cause {
    /// Something else was heard or asked.
    other_input: bool,
    /// The machines were set up differently.
    other_config: bool,
    /// Something that the machine decides differs.
    other_choice: bool,
}

impl Cause {
    pub(super) fn of(a: &Run, b: &Run, turns: (&TurnView, &TurnView)) -> Self {
        let (x, y) = turns;
        Self {
            other_input: (&x.transcript, x.user, x.origin) != (&y.transcript, y.user, y.origin),
            other_config: a.settings != b.settings || a.flags != b.flags || providers(a) != providers(b),
            other_choice: (x.responded, &x.intent, &x.style, &x.llm, &x.tts, &x.stt)
                != (y.responded, &y.intent, &y.style, &y.llm, &y.tts, &y.stt),
        }
    }

    pub(super) fn class(self, field: &str) -> Class {
        match field {
            "transcript" | "confidence" | "user" => Class::Input,
            _ if self.other_input => Class::Input,
            "intent" | "responded" | "stt" | "llm" | "tts" | "style" if self.other_config => Class::Config,
            "intent" | "responded" | "stt" | "llm" | "tts" | "style" => Class::Code,
            // What follows from a choice has the choice's cause.
            _ if self.other_choice && self.other_config => Class::Config,
            _ if self.other_choice => Class::Code,
            field if field.starts_with("latency.") => Class::Provider,
            "reply" => Class::Provider,
            _ => Class::Code,
        }
    }
}

/// Providers as configured; how they fared is not configuration.
fn providers(run: &Run) -> Vec<(antiphon_core::event::ProviderKind, &str)> {
    run.providers.iter().map(|provider| (provider.kind, provider.name.as_str())).collect()
}

/// The kind of choice that explains a field.
pub(super) fn explains(field: &str) -> Option<DecisionKind> {
    Some(match field {
        "stt" => DecisionKind::Transcriber,
        "responded" | "outcome" => DecisionKind::Respond,
        "intent" => DecisionKind::Intent,
        "llm" => DecisionKind::Model,
        "style" => DecisionKind::Style,
        "tts" => DecisionKind::Voice,
        _ => return None,
    })
}
