//! Interruption, giving up, closing.
use antiphon_core::event::{Action, Consent, DecisionKind, Outcome, StopReason, TimerKind};
use antiphon_core::ids::TurnId;
use antiphon_core::time::Timestamp;

use super::limits::{GRACE, LISTENING_LIMIT, STOP_SLACK_MS};
use super::out::Out;
use super::state::{LastReply, Machine, Person};
use super::turn::{Origin, Stage, Turn, Voicing};
use super::voice::post;

impl Machine {
    /// Somebody starts to speak: a reply that is being heard, or is about to be, falls silent.
    pub(super) fn barge_in(&mut self, at: Timestamp, by: TurnId, out: &mut Out) {
        let Some(id) = self.floor else { return };
        if self.turns.get(&id).is_some_and(|t| t.reply.audible) {
            let reason = format!("turn {by} began while this reply was being spoken");
            self.interrupt(at, id, StopReason::BargeIn, &reason, out);
        }
    }

    /// Ends a reply before its end. The turn closes at once, or when playback has reported what was really said.
    pub(super) fn interrupt(
        &mut self,
        at: Timestamp,
        id: TurnId,
        stop: StopReason,
        reason: &str,
        out: &mut Out,
    ) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        if turn.stage == Stage::Stopping {
            return;
        }
        let (choice, alternative) =
            if turn.reply.audible { ("stop", "talk on") } else { ("give way", "answer") };
        out.decide(id, DecisionKind::Interrupt, choice, reason, &[alternative]);
        self.silence(id, stop, out);
        let Some(turn) = self.turns.get_mut(&id) else { return };
        turn.timers.cancel_all(id, out);
        if turn.origin == Origin::Asked {
            // What was asked in writing is answered in writing as far as it was written.
            post(turn, out);
        }
        if turn.reply.audible {
            self.last_reply = Some(LastReply { to: turn.user, ended: at });
        }
        turn.stage = Stage::Stopping;
        if turn.reply.is_out() {
            turn.timers.set(at, id, TimerKind::Playback, STOP_SLACK_MS, out);
            self.release(id);
        } else {
            self.close(at, id, Outcome::Interrupted, out);
        }
    }

    /// Stops playing, writing and speaking for a turn, as far as any of it is going on. Only what ends a turn may do
    /// this: no more work is wanted for it afterwards, so a runner may keep a cancellation for the turn as a whole.
    fn silence(&mut self, id: TurnId, stop: StopReason, out: &mut Out) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        if turn.reply.is_out() {
            out.push(Action::StopPlayback { turn: id, reason: stop });
        }
        if turn.reply.writing {
            turn.reply.writing = false;
            out.push(Action::CancelGeneration { turn: id });
        }
        if turn.reply.is_synthesizing() {
            out.push(Action::CancelSynthesis { turn: id });
        }
        for sentence in &mut turn.reply.sentences {
            if matches!(sentence.voicing, Voicing::Synthesizing | Voicing::Ready) {
                sentence.voicing = Voicing::Unspoken;
            }
        }
    }

    /// Ends a turn that will not be answered any more.
    pub(super) fn abandon(
        &mut self,
        at: Timestamp,
        id: TurnId,
        reason: &str,
        stop: StopReason,
        out: &mut Out,
    ) {
        out.decide(id, DecisionKind::Fallback, "abandon", reason, &[]);
        self.silence(id, stop, out);
        self.close(at, id, Outcome::Abandoned, out);
    }

    /// Ends the turns that the policy which failed was answering. Those that are still heard, or wait, go on: what they
    /// wait for comes to every machine.
    pub(super) fn close_adopted(&mut self, at: Timestamp, out: &mut Out) {
        for id in std::mem::take(&mut self.adopted) {
            let stage = self.turns.get(&id).map(|turn| turn.stage);
            if matches!(stage, Some(Stage::Replying | Stage::Stopping)) {
                self.abandon(
                    at,
                    id,
                    "the policy that acted for this turn failed",
                    StopReason::Superseded,
                    out,
                );
            }
        }
    }

    /// Ends a turn for good. Nothing more is wanted for it after this.
    pub(super) fn close(&mut self, at: Timestamp, id: TurnId, outcome: Outcome, out: &mut Out) {
        self.release(id);
        let Some(mut turn) = self.turns.remove(&id) else { return };
        turn.timers.cancel_all(id, out);
        let said = turn.reply.said();
        let wanted = !matches!(outcome, Outcome::Ignored | Outcome::Unintelligible | Outcome::Abandoned);
        if wanted && turn.origin != Origin::Said && !turn.reply.apology && self.may_remember(&turn) {
            let read = turn.reply.posted && (said.is_empty() || turn.origin == Origin::Asked);
            let replied = if read { turn.reply.text() } else { said.clone() };
            self.context.add(turn.user, &turn.name, &turn.text, replied);
        }
        if !said.is_empty() && turn.stage != Stage::Stopping {
            self.last_reply = Some(LastReply { to: turn.user, ended: at });
        }
        self.note_closed(id);
        out.push(Action::CloseTurn { turn: id, outcome, said });
    }

    /// Spoken words are remembered only while their speaker consents.
    fn may_remember(&self, turn: &Turn) -> bool {
        let consents = |p: &Person| p.consent == Consent::Granted;
        !turn.text.is_empty()
            && (turn.origin != Origin::Spoken || self.people.get(&turn.user).is_some_and(consents))
    }

    fn release(&mut self, id: TurnId) {
        if self.floor == Some(id) {
            self.floor = None;
        }
        self.waiting.retain(|other| *other != id);
    }

    pub(super) fn timer_fired(&mut self, at: Timestamp, id: TurnId, timer: TimerKind, out: &mut Out) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        if !turn.timers.fired(at, timer) {
            return;
        }
        match timer {
            TimerKind::Transcribe => self.transcript_failed(at, id, None, "no transcript in time", out),
            // A late provider is not cancelled: a cancellation is the turn's end, and the next provider is at work.
            TimerKind::Generate => self.generation_failed(at, id, None, "no sentence in time", out),
            TimerKind::Synthesize => {
                let awaited = turn.reply.awaited.and_then(|index| u32::try_from(index).ok());
                if let Some(index) = awaited {
                    self.speech_failed(at, id, index, None, "no speech in time", out);
                }
            }
            TimerKind::Playback => self.playback_overdue(at, id, out),
        }
    }

    /// Abandons turns whose timers nobody fired. In a lane whose actions are not performed nobody reports back, and a
    /// turn must not stay open for that.
    pub(super) fn expire(&mut self, at: Timestamp, out: &mut Out) {
        let overdue: Vec<TurnId> = self
            .turns
            .values()
            .filter(|turn| match turn.stage {
                Stage::Listening => at > turn.opened.after(LISTENING_LIMIT),
                _ => turn.timers.first_due().is_some_and(|due| at > due.after(GRACE)),
            })
            .map(|turn| turn.id)
            .collect();
        for id in overdue {
            match self.turns.get(&id).map(|t| t.stage) {
                Some(Stage::Stopping) => self.close(at, id, Outcome::Interrupted, out),
                Some(Stage::Listening) => {
                    self.abandon(at, id, "no end of speech was reported", StopReason::Superseded, out);
                }
                Some(_) => self.abandon(at, id, "nobody reported back", StopReason::Superseded, out),
                None => {}
            }
        }
    }
}
