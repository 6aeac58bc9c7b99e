//! Requests the reply from language models.
use antiphon_core::event::{
    Action, DecisionKind, GenerationRequest, Message, Outcome, ProviderKind, ReplyStyle, Role, StopReason,
    TimerKind,
};
use antiphon_core::ids::TurnId;
use antiphon_core::time::Timestamp;

use super::limits::{MAX_NAME, MAX_SENTENCES, MAX_TEXT};
use super::out::{Out, clip};
use super::persona::{APOLOGY, instructions};
use super::state::Machine;
use super::turn::{Origin, Stage};
use crate::policy::ProviderRequest;
use antiphon_core::text::sentences::sentences;
use antiphon_core::text::waiting::ask_to_wait;

/// The most sentences of a brief reply.
const BRIEF_SENTENCES: u32 = 2;

impl Machine {
    pub(super) fn begin_reply(&mut self, at: Timestamp, id: TurnId, out: &mut Out) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        turn.stage = Stage::Replying;
        if turn.origin != Origin::Said {
            turn.reply.writing = true;
            return self.generate(at, id, out);
        }
        let texts = sentences(&turn.text);
        if texts.is_empty() {
            out.decide(id, DecisionKind::Intent, "unintelligible", "there is nothing to say", &[]);
            return self.close(at, id, Outcome::Unintelligible, out);
        }
        for text in texts.into_iter().take(usize::try_from(MAX_SENTENCES).unwrap_or(usize::MAX)) {
            self.add_sentence(at, id, text, out);
        }
        self.settle(at, id, out);
    }

    fn generate(&mut self, at: Timestamp, id: TurnId, out: &mut Out) {
        let Some(turn) = self.turns.get(&id) else { return };
        let request = ProviderRequest {
            kind: ProviderKind::Llm,
            tried: &turn.tried,
            spent_ms: at.millis_since(turn.heard),
        };
        let conversation = self.conversation(at);
        let choice = self.rules().provider(&conversation, &request);
        let style = self.rules().style(&conversation, &turn.text);
        let Some(choice) = choice else {
            return self.apologise(at, id, out);
        };
        let max_sentences = match style.value {
            ReplyStyle::Brief => BRIEF_SENTENCES.min(self.settings.max_sentences),
            ReplyStyle::Full => self.settings.max_sentences,
        };
        let mut messages = vec![instructions(&self.settings.wake_name, style.value, max_sentences)];
        messages.extend(self.context.messages());
        messages.push(Message { role: Role::User, name: Some(turn.name.clone()), text: turn.text.clone() });
        let request = GenerationRequest { messages, style: style.value, max_sentences };
        let after_ms = self.settings.generate_timeout_ms;

        let Some(turn) = self.turns.get_mut(&id) else { return };
        turn.provider.clone_from(&choice.value);
        out.decided(Some(id), DecisionKind::Model, choice.value.clone(), choice.reason, choice.alternatives);
        if turn.tried.is_empty() {
            let name = match style.value {
                ReplyStyle::Full => "full",
                ReplyStyle::Brief => "brief",
            };
            out.decided(Some(id), DecisionKind::Style, name.into(), style.reason, style.alternatives);
        }
        out.push(Action::Generate { turn: id, provider: choice.value, request });
        turn.timers.set(at, id, TimerKind::Generate, after_ms, out);
    }

    /// Every language model failed: say so aloud.
    fn apologise(&mut self, at: Timestamp, id: TurnId, out: &mut Out) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        let reason = if turn.tried.is_empty() {
            "no language model is configured and healthy".to_owned()
        } else {
            format!("no healthy language model is left after {}", turn.tried.join(", "))
        };
        turn.reply.writing = false;
        turn.reply.apology = true;
        out.decide(id, DecisionKind::Fallback, "apologise", reason, &[]);
        self.add_sentence(at, id, APOLOGY.into(), out);
        self.settle(at, id, out);
    }

    pub(super) fn sentence(
        &mut self,
        at: Timestamp,
        id: TurnId,
        index: u32,
        text: &str,
        provider: &str,
        out: &mut Out,
    ) {
        self.give_floor_to_what_is_performed(at, id, out);
        let max = usize::try_from(self.settings.max_sentences).unwrap_or(usize::MAX);
        let after_ms = self.settings.generate_timeout_ms;
        let Some(turn) = self.turns.get_mut(&id) else { return };
        let awaited = turn.stage == Stage::Replying && turn.reply.writing;
        let next = usize::try_from(index).is_ok_and(|index| index == turn.reply.sentences.len());
        if !awaited || !next || turn.tried.iter().any(|p| p == &clip(provider, MAX_NAME)) {
            return;
        }
        let is_last = turn.reply.sentences.len() + 1 >= max;
        if is_last {
            // It was asked to keep to the limit; should more follow, it is not taken.
            turn.timers.cancel(id, TimerKind::Generate, out);
            turn.reply.writing = false;
        } else {
            turn.timers.set(at, id, TimerKind::Generate, after_ms, out);
        }
        self.add_sentence(at, id, clip(text.trim(), MAX_TEXT), out);
        self.settle(at, id, out);
    }

    /// A sentence of a turn that still waits: somebody performs that turn's reply, and so not the one that holds the
    /// floor here. That happens in the lane that is not performed, when the other one does not answer a turn.
    fn give_floor_to_what_is_performed(&mut self, at: Timestamp, id: TurnId, out: &mut Out) {
        if self.turns.get(&id).is_none_or(|t| t.stage != Stage::Waiting) {
            return;
        }
        if let Some(holder) = self.floor {
            if self.turns.get(&holder).is_none_or(|t| !t.reply.sentences.is_empty()) {
                return;
            }
            let reason = format!("turn {id} is being answered, so nobody writes this reply");
            self.abandon(at, holder, &reason, StopReason::Superseded, out);
        }
        self.waiting.retain(|other| *other != id);
        self.floor = Some(id);
        self.begin_reply(at, id, out);
    }

    /// The guild or the person asks more than they may: they hear when to ask again, in place of an answer.
    pub(super) fn rate_limited(
        &mut self,
        at: Timestamp,
        id: TurnId,
        retry_after_ms: Option<u64>,
        limit: &str,
        out: &mut Out,
    ) {
        self.give_floor_to_what_is_performed(at, id, out);
        let Some(turn) = self.turns.get_mut(&id) else { return };
        let awaited = turn.stage == Stage::Replying && turn.reply.writing;
        if !awaited || !turn.reply.sentences.is_empty() {
            return;
        }
        turn.reply.writing = false;
        turn.timers.cancel(id, TimerKind::Generate, out);
        let reason = match retry_after_ms {
            Some(ms) => format!("the limit of {} is reached, free again in {ms} ms", clip(limit, MAX_NAME)),
            None => format!("this is more than the whole limit of {}", clip(limit, MAX_NAME)),
        };
        out.decide(id, DecisionKind::Fallback, "ask to wait", reason, &["answer"]);
        self.add_sentence(at, id, ask_to_wait(retry_after_ms), out);
        self.settle(at, id, out);
    }

    pub(super) fn generated(&mut self, at: Timestamp, id: TurnId, provider: &str, out: &mut Out) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        let awaited = turn.stage == Stage::Replying && turn.reply.writing;
        if !awaited || turn.tried.iter().any(|p| p == &clip(provider, MAX_NAME)) {
            return;
        }
        if turn.reply.sentences.is_empty() {
            return self.generation_failed(at, id, None, "the reply was empty", out);
        }
        turn.reply.writing = false;
        turn.timers.cancel(id, TimerKind::Generate, out);
        self.settle(at, id, out);
    }

    /// A language model failed; none names it when it is only overdue or its reply was empty.
    pub(super) fn generation_failed(
        &mut self,
        at: Timestamp,
        id: TurnId,
        provider: Option<&str>,
        detail: &str,
        out: &mut Out,
    ) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        let awaited = turn.stage == Stage::Replying && turn.reply.writing;
        if !awaited || provider.is_some_and(|p| p != turn.provider) {
            return;
        }
        turn.timers.cancel(id, TimerKind::Generate, out);
        let reason = format!("{} failed: {}", turn.provider, clip(detail, 300));
        turn.tried.push(turn.provider.clone());
        if turn.reply.sentences.is_empty() {
            out.decide(id, DecisionKind::Fallback, "next language model", reason, &["apologise"]);
            return self.generate(at, id, out);
        }
        // Another model would start again: what is there already stands as the reply.
        turn.reply.writing = false;
        let count = turn.reply.sentences.len();
        let choice = format!("end the reply after {count} sentences");
        out.decide(id, DecisionKind::Fallback, choice, reason, &["start anew"]);
        self.settle(at, id, out);
    }
}
