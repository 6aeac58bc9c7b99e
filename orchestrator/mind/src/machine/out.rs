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
        chose: impl Into<String>,
        because: impl Into<String>,
        over: &[&str],
    ) {
        let over = over.iter().map(|&o| o.to_owned()).collect();
        self.decided(turn.into(), kind, chose.into(), because.into(), over);
    }

    pub(super) fn decided(
        &mut self,
        turn: Option<TurnId>,
        kind: DecisionKind,
        chose: String,
        because: String,
        over: Vec<String>,
    ) {
        self.push(Action::Decide { decision: Decision { turn, kind, chose, because, over } });
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
