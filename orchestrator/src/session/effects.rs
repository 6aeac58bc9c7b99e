//! Performs production's actions after a step.
use antiphon_core::event::{Action, Outcome};
use antiphon_core::ids::TurnId;
use antiphon_core::time::Timestamp;
use mind::lanes::Decided;

use super::orders::{JobOrder, StreamOrder};
use super::playback::PlaybackOrder;
use super::runner::Runner;
use super::status::RECENT_TURNS;

impl Runner {
    pub(super) fn perform(&mut self, at: Timestamp, Decided { action, policy }: Decided) {
        match action {
            Action::Decide { decision } => {
                tracing::info!(policy = policy.as_str(), kind = ?decision.kind, choice = decision.choice, reason = decision.reason, "decided");
            }
            Action::Transcribe { turn, user, provider } => {
                self.transport.order(JobOrder::Transcribe { turn, user, provider });
            }
            Action::Generate { turn, provider, request } => {
                let user = self.turns.user(turn);
                self.transport.order(JobOrder::Generate { turn, user, provider, request });
            }
            Action::Synthesize { turn, index, provider, text } => {
                self.transport.order(JobOrder::Synthesize { turn, index, provider, text });
            }
            Action::CancelGeneration { turn } | Action::CancelSynthesis { turn } => {
                self.transport.order(StreamOrder::Cancel { turn });
            }
            Action::Play { turn, index } => self.playback.order(PlaybackOrder::Play { turn, index }),
            Action::StopPlayback { turn, reason } => {
                tracing::info!(%turn, ?reason, "falling silent");
                self.playback.order(PlaybackOrder::Stop);
            }
            Action::PostText { turn, text } => match self.turns.take_asker(turn) {
                Some(answer) => {
                    if answer.send(text).is_err() {
                        tracing::debug!(%turn, "the person who asked no longer waits");
                    }
                }
                None => self.playback.order(PlaybackOrder::Post { text }),
            },
            Action::SetTimer { turn, timer, after_ms } => self.clocked.set(turn, timer, at, after_ms),
            Action::CancelTimer { turn, timer } => self.clocked.cancel(turn, timer),
            Action::CloseTurn { turn, outcome, said } => self.closed(turn, outcome, said),
        }
    }

    fn closed(&mut self, turn: TurnId, outcome: Outcome, said: String) {
        self.clocked.forget(turn);
        self.transport.order(StreamOrder::Forget { turn });
        let outcome_name = format!("{outcome:?}");
        metrics::counter!("antiphon_turns_total", "outcome" => outcome_name.clone()).increment(1);
        let closed = self.turns.close(turn);
        let still_open = self.turns.count();
        let dropped = self.sinks.dropped() + self.missed_total;
        self.status.send_modify(|status| {
            *status.outcomes.entry(outcome_name).or_default() += 1;
            status.dropped = dropped;
            status.open = still_open;
            if let Some(mut turn) = closed {
                turn.said = said;
                turn.outcome = Some(outcome);
                status.recent.push(turn);
                if status.recent.len() > RECENT_TURNS {
                    status.recent.remove(0);
                }
            }
        });
    }
}
