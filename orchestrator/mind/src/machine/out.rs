//! The actions of one step, in order.
use antiphon_core::event::{Action, Decision, DecisionKind, TimerKind};
use antiphon_core::ids::TurnId;

#[derive(Debug, Default)]
pub(super) struct Out(pub(super) Vec<Action>);

impl Out {
    pub(super) fn push(&mut self, action: Action) {
        self.0.push(action);
    }

    pub(super) fn decide(
        &mut self,
        turn: impl Into<Option<TurnId>>,
        kind: DecisionKind,
        choice: impl Into<String>,
        reason: impl Into<String>,
        alternatives: &[&str],
    ) {
        let alternatives = alternatives.iter().map(|&o| o.to_owned()).collect();
        self.decided(turn.into(), kind, choice.into(), reason.into(), alternatives);
    }

    pub(super) fn decided(
        &mut self,
        turn: Option<TurnId>,
        kind: DecisionKind,
        choice: String,
        reason: String,
        alternatives: Vec<String>,
    ) {
        self.push(Action::Decide { decision: Decision { turn, kind, choice, reason, alternatives } });
    }

    pub(super) fn cancel_timer(&mut self, turn: TurnId, timer: TimerKind) {
        self.push(Action::CancelTimer { turn, timer });
    }
}

/// `text`, at most `chars` characters of it.
pub(super) fn clip(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => text[..at].to_owned(),
        None => text.to_owned(),
    }
}
