//! A session's state of its open turns.
use std::collections::BTreeMap;
use std::time::Duration;

use antiphon_core::audio::SLOT_SAMPLES_16K;
use antiphon_core::event::{Action, Input};
use antiphon_core::ids::{TurnId, UserId};
use antiphon_core::time::Timestamp;
use mind::lanes::{Decided, LaneActions};
use tokio::sync::oneshot;

use super::playback_recording::{Played, Playing};
use super::status::TurnStatus;
use super::voice_output::Clip;

/// Frames of 20 ms that travel together to the recogniser: 100 ms.
const FRAMES_PER_ENTRY: usize = 5;

#[derive(Debug)]
struct OpenTurn {
    status: TurnStatus,
    /// When the last voiced slot ended.
    voiced_until: Option<Timestamp>,
    frames: Vec<i16>,
}

/// The choices that each lane made in a turn, to say in how many turns the lanes differ.
#[derive(Debug, Default)]
struct Choices {
    production: Vec<String>,
    sandbox: Vec<String>,
}

/// The turns that are open, who waits for a written answer, and what is being played.
#[derive(Debug, Default)]
pub(super) struct Turns {
    open: BTreeMap<TurnId, OpenTurn>,
    asked: BTreeMap<TurnId, oneshot::Sender<String>>,
    playing: BTreeMap<(TurnId, u32), Playing>,
    choices: BTreeMap<TurnId, Choices>,
}

impl Turns {
    /// A turn opens; gives how many are open.
    pub(super) fn open(&mut self, turn: TurnId, user: UserId, transcript: Option<String>) -> usize {
        let status =
            TurnStatus { turn, user, transcript, said: String::new(), outcome: None, answer_ms: None };
        self.open.insert(turn, OpenTurn { status, voiced_until: None, frames: Vec::new() });
        self.choices.insert(turn, Choices::default());
        self.open.len()
    }

    pub(super) fn is_open(&self, turn: TurnId) -> bool {
        self.open.contains_key(&turn)
    }

    pub(super) fn user(&self, turn: TurnId) -> Option<UserId> {
        self.open.get(&turn).map(|open| open.status.user)
    }

    pub(super) fn heard(&mut self, turn: TurnId, text: &str) {
        if let Some(open) = self.open.get_mut(&turn) {
            open.status.transcript = Some(text.to_owned());
        }
    }

    /// Closes a turn; gives what is known of it.
    pub(super) fn close(&mut self, turn: TurnId) -> Option<TurnStatus> {
        self.asked.remove(&turn);
        self.open.remove(&turn).map(|open| open.status)
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    /// A person waits for a written answer.
    pub(super) fn asks(&mut self, turn: TurnId, answer: oneshot::Sender<String>) {
        self.asked.insert(turn, answer);
    }

    /// The person who waits for a turn's answer, if one does.
    pub(super) fn take_asker(&mut self, turn: TurnId) -> Option<oneshot::Sender<String>> {
        self.asked.remove(&turn)
    }

    /// Takes in a frame of a turn; gives the frames that travel together once there are enough.
    pub(super) fn frame(&mut self, turn: TurnId, samples: &[i16]) -> Option<Vec<i16>> {
        let open = self.open.get_mut(&turn)?;
        open.frames.extend_from_slice(samples);
        let full = open.frames.len() >= FRAMES_PER_ENTRY * SLOT_SAMPLES_16K;
        full.then(|| std::mem::take(&mut open.frames))
    }

    /// The frames that are left of a turn.
    pub(super) fn take_frames(&mut self, turn: TurnId) -> Option<Vec<i16>> {
        let open = self.open.get_mut(&turn)?;
        (!open.frames.is_empty()).then(|| std::mem::take(&mut open.frames))
    }

    /// The speaker of a turn was voiced until then.
    pub(super) fn voiced_until(&mut self, turn: TurnId, until: Timestamp) {
        if let Some(open) = self.open.get_mut(&turn) {
            open.voiced_until = Some(until);
        }
    }

    /// A clip begins to be played; gives how long its turn's speaker waited, for the first one.
    pub(super) fn begins_playing(&mut self, clip: Clip, now: Timestamp) -> Option<Duration> {
        let turn = clip.turn;
        self.playing.insert((turn, clip.index), Playing::new(clip, now));
        let open = self.open.get_mut(&turn)?;
        let took = now.since(open.voiced_until.take()?);
        open.status.answer_ms = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        Some(took)
    }

    /// A clip ended; gives what was being played.
    pub(super) fn ends_playing(&mut self, turn: TurnId, index: u32) -> Option<Playing> {
        self.playing.remove(&(turn, index))
    }

    pub(super) fn is_playing(&self) -> bool {
        !self.playing.is_empty()
    }

    /// What was played by now and can be written.
    pub(super) fn played_so_far(&mut self, now: Timestamp) -> Vec<Played> {
        let due = |playing: &mut Playing| {
            let played_ms = playing.due(now)?;
            Some(Played { at: playing.began, clip: playing.clip.clone(), played_ms, over: false })
        };
        self.playing.values_mut().filter_map(due).collect()
    }

    /// Compares both lanes' actions of a step; gives how many turns closed in it in which the lanes chose differently.
    pub(super) fn compare(&mut self, lanes: &LaneActions) -> u64 {
        let sides = [(&lanes.production, false), (&lanes.sandbox, true)];
        for (decided, is_sandbox) in sides {
            for Decided { action, .. } in decided {
                let Action::Decide { decision } = action else { continue };
                let Some(choices) = decision.turn.and_then(|turn| self.choices.get_mut(&turn)) else {
                    continue;
                };
                let side = if is_sandbox { &mut choices.sandbox } else { &mut choices.production };
                side.push(format!("{:?}={}", decision.kind, decision.choice));
            }
        }
        let closed = lanes.production.iter().filter_map(|decided| match decided.action {
            Action::CloseTurn { turn, .. } => Some(turn),
            _ => None,
        });
        let choices = closed.filter_map(|turn| self.choices.remove(&turn));
        choices.filter(|choices| choices.production != choices.sandbox).count() as u64
    }
}

/// The turn that an input opens, whose it is, and what is known to be said in it.
pub(super) fn opened(input: &Input) -> Option<(TurnId, UserId, Option<String>)> {
    match input {
        Input::UserSpeechStarted { turn, user } | Input::SayRequested { turn, user, .. } => {
            Some((*turn, *user, None))
        }
        Input::Asked { turn, user, text } => Some((*turn, *user, Some(text.clone()))),
        _ => None,
    }
}
