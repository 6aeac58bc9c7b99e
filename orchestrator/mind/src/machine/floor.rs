//! Whose reply goes next. One reply at a time has the floor; the others wait.
//!
//! - What a person says again takes the place of their own earlier question as long as nothing of its answer was
//!   heard: people correct themselves, and the earlier words stay in the context.
//! - One who calls the bot by name takes the place of a reply, not yet heard, to somebody who did not; and goes before
//!   those in the queue who did not.
//! - Everybody else waits in order. Written turns are never displaced.
//! - No reply begins while somebody speaks, for a bounded while.
use antiphon_core::event::{DecisionKind, Outcome, StopReason, TimerKind};
use antiphon_core::ids::TurnId;
use antiphon_core::time::Timestamp;

use super::limits::{HOLD_MS, MAX_WAITING};
use super::out::Out;
use super::state::Machine;
use super::turn::{Origin, Stage, Turn};

impl Machine {
    /// Puts a turn in line; [`Machine::pump`] gives it the floor.
    pub(super) fn want_floor(&mut self, at: Timestamp, id: TurnId, out: &mut Out) {
        let Some(turn) = self.turns.get(&id) else { return };
        let (user, spoken, addressed) = (turn.user, turn.origin == Origin::Spoken, turn.addressed);
        if spoken {
            let pending: Vec<TurnId> = self.floor.iter().chain(&self.waiting).copied().collect();
            for other in pending {
                let Some(older) = self.turns.get(&other) else { continue };
                if older.origin != Origin::Spoken || older.reply.audible {
                    continue;
                }
                if older.user == user {
                    let reason = format!("the same person said something newer (turn {id})");
                    self.interrupt(at, other, StopReason::Superseded, &reason, out);
                } else if self.floor == Some(other) && addressed && !older.addressed {
                    let reason = format!("turn {id} calls the bot by name, this one did not");
                    self.interrupt(at, other, StopReason::Superseded, &reason, out);
                }
            }
        }
        if self.waiting.len() >= MAX_WAITING {
            let reason = format!("{MAX_WAITING} questions wait already");
            out.decide(id, DecisionKind::Respond, "ignore", reason, &["answer"]);
            return self.close(at, id, Outcome::Ignored, out);
        }
        let place = if addressed {
            let called = |other: &TurnId| self.turns.get(other).is_some_and(|t| t.addressed);
            self.waiting.iter().take_while(|other| called(other)).count()
        } else {
            self.waiting.len()
        };
        self.waiting.insert(place, id);
    }

    /// Lets begin what can begin: the next reply if the floor is free, and a reply that was held back.
    pub(super) fn pump(&mut self, at: Timestamp, out: &mut Out) {
        // A reply that ends at once (nobody left to ask) frees the floor again, so go on; each round takes one away.
        for _ in 0..=MAX_WAITING {
            if self.floor.is_some() || self.waiting.is_empty() {
                break;
            }
            let next = self.waiting.remove(0);
            self.floor = Some(next);
            self.begin_reply(at, next, out);
        }
        if let Some(id) = self.floor {
            self.play_ready(at, id, out);
        }
    }

    /// Whether `turn`'s reply may begin to sound; sets the timer that bounds the wait.
    pub(super) fn may_begin(&mut self, at: Timestamp, id: TurnId, out: &mut Out) -> bool {
        let Some(turn) = self.turns.get(&id) else { return false };
        if turn.reply.audible || turn.reply.held_enough || !self.is_spoken_over(turn) {
            if turn.reply.held
                && let Some(turn) = self.turns.get_mut(&id)
            {
                turn.reply.held = false;
                turn.timers.cancel(id, TimerKind::Playback, out);
            }
            return true;
        }
        if !turn.reply.held
            && let Some(turn) = self.turns.get_mut(&id)
        {
            turn.reply.held = true;
            out.decide(id, DecisionKind::Interrupt, "wait", "somebody is speaking", &["speak"]);
            turn.timers.set(at, id, TimerKind::Playback, HOLD_MS, out);
        }
        false
    }

    /// Somebody speaks, or the same person has just spoken again and it is not known yet what they said.
    fn is_spoken_over(&self, turn: &Turn) -> bool {
        self.turns.values().any(|other| match other.stage {
            Stage::Listening => true,
            Stage::Transcribing => other.user == turn.user && other.id != turn.id,
            _ => false,
        })
    }
}
