//! From speech to a transcript, and whether to answer it.
use antiphon_core::audio::AudioSpan;
use antiphon_core::event::{Action, Consent, DecisionKind, Outcome, ProviderKind, StopReason, TimerKind};
use antiphon_core::ids::{TurnId, UserId};
use antiphon_core::time::Timestamp;

use super::limits::{MAX_NAME, MAX_OPEN_TURNS, MAX_TEXT};
use super::out::{Out, clip};
use super::state::{Machine, Phase};
use super::turn::{Origin, Reply, Stage, Timers, Turn};
use crate::policy::intent::{Intent, intent};
use crate::policy::{ProviderRequest, ReplyDecision, Utterance};
use antiphon_core::text::words::without_sounds;

impl Machine {
    pub(super) fn speech_started(&mut self, at: Timestamp, id: TurnId, user: UserId, out: &mut Out) {
        if self.is_used(id) {
            return;
        }
        let refusal = self.refusal().or_else(|| match self.people.get(&user) {
            None => Some("the speaker is not known to be in the channel"),
            Some(p) if p.member.bot => Some("other bots are not listened to"),
            Some(p) if p.consent == Consent::Withheld => Some("the speaker has not consented"),
            Some(_) => None,
        });
        if let Some(reason) = refusal {
            return self.refuse(id, reason, out);
        }
        // Nobody speaks twice at once: an earlier utterance of theirs that never ended never will.
        let unended = |t: &&Turn| t.user == user && t.stage == Stage::Listening;
        if let Some(lost) = self.turns.values().find(unended).map(|t| t.id) {
            self.abandon(at, lost, "the same person started anew", StopReason::Superseded, out);
        }
        self.barge_in(at, id, out);
        self.note_pace(at);
        self.open(at, id, user, Origin::Spoken, Stage::Listening, String::new());
    }

    /// `/ask` and `/say`.
    pub(super) fn written(
        &mut self,
        at: Timestamp,
        id: TurnId,
        user: UserId,
        text: &str,
        origin: Origin,
        out: &mut Out,
    ) {
        if self.is_used(id) {
            return;
        }
        if let Some(reason) = self.refusal() {
            return self.refuse(id, reason, out);
        }
        let text = clip(text.trim(), MAX_TEXT);
        let reason = match origin {
            Origin::Said => "asked to speak a text as it stands",
            _ => "written questions are always answered",
        };
        self.open(at, id, user, origin, Stage::Waiting, text);
        out.decide(id, DecisionKind::Respond, "answer", reason, &["ignore"]);
        self.want_floor(at, id, out);
    }

    fn refusal(&self) -> Option<&'static str> {
        if self.phase == Phase::Draining {
            Some("the process is about to stop: no new turns")
        } else if self.turns.len() >= MAX_OPEN_TURNS {
            Some("too many turns are open")
        } else {
            None
        }
    }

    /// A turn that is closed as soon as it is opened.
    fn refuse(&mut self, id: TurnId, reason: &str, out: &mut Out) {
        out.decide(id, DecisionKind::Respond, "ignore", reason, &["answer"]);
        out.push(Action::CloseTurn { turn: id, outcome: Outcome::Ignored, said: String::new() });
        self.note_closed(id);
    }

    fn open(&mut self, at: Timestamp, id: TurnId, user: UserId, origin: Origin, stage: Stage, text: String) {
        let turn = Turn {
            id,
            user,
            name: self.name_of(user),
            origin,
            stage,
            opened: at,
            heard: at,
            text,
            addressed: false,
            provider: String::new(),
            tried: Vec::new(),
            timers: Timers::default(),
            reply: Reply::default(),
        };
        self.turns.insert(id, turn);
    }

    pub(super) fn speech_ended(
        &mut self,
        at: Timestamp,
        id: TurnId,
        user: UserId,
        audio: &AudioSpan,
        out: &mut Out,
    ) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        if turn.stage != Stage::Listening || turn.user != user {
            return;
        }
        turn.heard = at;
        turn.stage = Stage::Transcribing;
        let marks = &audio.marks;
        if marks.received == 0 && (marks.concealed > 0 || marks.undecryptable > 0 || marks.silent > 0) {
            let reason = "not one packet of the utterance could be decoded";
            return self.unintelligible(at, id, reason, out);
        }
        self.transcribe(at, id, out);
    }

    fn transcribe(&mut self, at: Timestamp, id: TurnId, out: &mut Out) {
        let Some(turn) = self.turns.get(&id) else { return };
        let request = ProviderRequest {
            kind: ProviderKind::Stt,
            tried: &turn.tried,
            spent_ms: at.millis_since(turn.heard),
        };
        let choice = self.rules().provider(&self.conversation(at), &request);
        let after_ms = self.settings.transcribe_timeout_ms;
        let Some(turn) = self.turns.get_mut(&id) else { return };
        let Some(choice) = choice else {
            let reason = if turn.tried.is_empty() {
                "no transcriber is configured and healthy".to_owned()
            } else {
                format!("no healthy transcriber is left after {}", turn.tried.join(", "))
            };
            out.decide(id, DecisionKind::Fallback, "give up", reason, &[]);
            return self.close(at, id, Outcome::Failed, out);
        };
        turn.provider.clone_from(&choice.value);
        out.decided(
            Some(id),
            DecisionKind::Transcriber,
            choice.value.clone(),
            choice.reason,
            choice.alternatives,
        );
        out.push(Action::Transcribe { turn: id, user: turn.user, provider: choice.value });
        turn.timers.set(at, id, TimerKind::Transcribe, after_ms, out);
    }

    /// A transcriber failed; none names it when it is only overdue.
    pub(super) fn transcript_failed(
        &mut self,
        at: Timestamp,
        id: TurnId,
        provider: Option<&str>,
        detail: &str,
        out: &mut Out,
    ) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        if turn.stage != Stage::Transcribing || provider.is_some_and(|p| p != turn.provider) {
            return;
        }
        turn.timers.cancel(id, TimerKind::Transcribe, out);
        let reason = format!("{} failed: {}", turn.provider, clip(detail, 300));
        turn.tried.push(turn.provider.clone());
        out.decide(id, DecisionKind::Fallback, "next transcriber", reason, &["give up"]);
        self.transcribe(at, id, out);
    }

    #[allow(clippy::too_many_arguments)] // One argument a field of the input.
    pub(super) fn transcript(
        &mut self,
        at: Timestamp,
        id: TurnId,
        user: UserId,
        text: &str,
        confidence: u16,
        provider: &str,
        out: &mut Out,
    ) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        // Whose words they are was fixed when the packets arrived; a transcript cannot move them to somebody else.
        let awaited = turn.stage == Stage::Transcribing && turn.user == user;
        if !awaited || turn.tried.iter().any(|p| p == &clip(provider, MAX_NAME)) {
            return;
        }
        turn.timers.cancel(id, TimerKind::Transcribe, out);
        let text = without_sounds(&clip(text, MAX_TEXT));
        if !text.chars().any(char::is_alphanumeric) {
            return self.unintelligible(at, id, "no words in the transcript", out);
        }
        let least = self.settings.min_confidence_permille;
        if confidence < least {
            let reason = format!("confidence {confidence} is below {least} permille");
            return self.unintelligible(at, id, &reason, out);
        }
        turn.text.clone_from(&text);
        turn.tried.clear();
        turn.provider.clear();
        self.consider(at, id, &text, out);
    }

    fn unintelligible(&mut self, at: Timestamp, id: TurnId, reason: &str, out: &mut Out) {
        out.decide(id, DecisionKind::Intent, "unintelligible", reason, &["answer"]);
        self.close(at, id, Outcome::Unintelligible, out);
    }

    /// The words are there: what do they want, and are they meant for the bot?
    fn consider(&mut self, at: Timestamp, id: TurnId, text: &str, out: &mut Out) {
        let intent = intent(text, &self.settings.wake_name);
        out.decide(id, DecisionKind::Intent, intent.as_str(), "by the words", &[]);
        if intent == Intent::Stop {
            return self.fall_silent(at, id, out);
        }
        let Some(turn) = self.turns.get(&id) else { return };
        let heard = Utterance { text, intent, since_reply_ms: self.since_reply(turn) };
        let choice = self.rules().respond(&self.conversation(at), &heard);
        match choice.value {
            ReplyDecision::Ignore => {
                out.decided(
                    Some(id),
                    DecisionKind::Respond,
                    "ignore".into(),
                    choice.reason,
                    choice.alternatives,
                );
                self.close(at, id, Outcome::Ignored, out);
            }
            ReplyDecision::Answer { addressed } => {
                out.decided(
                    Some(id),
                    DecisionKind::Respond,
                    "answer".into(),
                    choice.reason,
                    choice.alternatives,
                );
                if let Some(turn) = self.turns.get_mut(&id) {
                    turn.addressed = addressed;
                    turn.stage = Stage::Waiting;
                }
                self.want_floor(at, id, out);
            }
        }
    }

    /// Milliseconds from the end of the last reply to the person until they spoke; zero while one is being made.
    fn since_reply(&self, turn: &Turn) -> Option<u64> {
        let replying = |id: &TurnId| self.turns.get(id).is_some_and(|t| t.user == turn.user);
        if self.floor.iter().chain(&self.waiting).any(replying) {
            return Some(0);
        }
        let last = self.last_reply.filter(|last| last.to == turn.user)?;
        Some(turn.opened.millis_since(last.ended))
    }

    /// "Stop": nothing more is said, nothing that waits is answered.
    fn fall_silent(&mut self, at: Timestamp, id: TurnId, out: &mut Out) {
        let reason = format!("turn {id} asks for silence");
        let mut others: Vec<TurnId> = self.floor.into_iter().collect();
        others.append(&mut self.waiting);
        for other in others {
            self.interrupt(at, other, StopReason::BargeIn, &reason, out);
        }
        out.decide(id, DecisionKind::Respond, "ignore", "silence was asked for", &["answer"]);
        self.close(at, id, Outcome::Ignored, out);
    }
}
