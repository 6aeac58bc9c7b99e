//! Having the reply spoken and played, sentence by sentence, in order.
use antiphon_core::event::{Action, DecisionKind, Outcome, ProviderKind, TimerKind};
use antiphon_core::ids::TurnId;
use antiphon_core::time::Timestamp;

use super::limits::{MAX_NAME, MAX_TEXT, PLAYBACK_SLACK_MS};
use super::out::{Out, clip};
use super::state::Machine;
use super::turn::{Origin, Reply, Sentence, Stage, Turn, Voicing};
use crate::policy::ProviderRequest;

impl Machine {
    pub(super) fn add_sentence(&mut self, at: Timestamp, id: TurnId, text: String, out: &mut Out) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        let index = turn.reply.sentences.len();
        let speakable = text.chars().any(char::is_alphanumeric);
        turn.reply.sentences.push(Sentence {
            text,
            voicing: Voicing::Unspoken,
            provider: String::new(),
            tried: Vec::new(),
            audio_ms: 0,
            posted: false,
        });
        if speakable && !turn.reply.text_only {
            self.synthesize(at, id, index, out);
        }
    }

    fn synthesize(&mut self, at: Timestamp, id: TurnId, index: usize, out: &mut Out) {
        let Some(turn) = self.turns.get(&id) else { return };
        let Some(sentence) = turn.reply.sentences.get(index) else { return };
        let request = ProviderRequest {
            kind: ProviderKind::Tts,
            tried: &sentence.tried,
            spent_ms: at.millis_since(turn.heard),
        };
        // One voice for the whole reply, unless it fails.
        let kept = turn.reply.voice.clone().filter(|voice| !sentence.tried.contains(voice));
        let choice =
            if kept.is_some() { None } else { self.rules().provider(&self.conversation(at), &request) };
        let Some(turn) = self.turns.get_mut(&id) else { return };
        let Some(sentence) = turn.reply.sentences.get_mut(index) else { return };
        let provider = match (kept, choice) {
            (Some(voice), _) => voice,
            (None, Some(choice)) => {
                turn.reply.voice = Some(choice.value.clone());
                out.decided(
                    Some(id),
                    DecisionKind::Voice,
                    choice.value.clone(),
                    choice.reason,
                    choice.alternatives,
                );
                choice.value
            }
            (None, None) => {
                let reason = if sentence.tried.is_empty() {
                    "no voice is configured and healthy".to_owned()
                } else {
                    format!("no healthy voice is left after {}", sentence.tried.join(", "))
                };
                sentence.voicing = Voicing::Unspoken;
                turn.reply.text_only = true;
                out.decide(id, DecisionKind::Fallback, "text only", reason, &["stay silent"]);
                return self.watch_synthesis(at, id, out);
            }
        };
        sentence.voicing = Voicing::Synthesizing;
        sentence.provider.clone_from(&provider);
        let text = sentence.text.clone();
        out.push(Action::Synthesize { turn: id, index: number(index), provider, text });
        self.watch_synthesis(at, id, out);
    }

    /// Keeps the timer on the earliest sentence whose speech is awaited.
    fn watch_synthesis(&mut self, at: Timestamp, id: TurnId, out: &mut Out) {
        let after_ms = self.settings.synthesize_timeout_ms;
        let Some(turn) = self.turns.get_mut(&id) else { return };
        let earliest = turn.reply.sentences.iter().position(|s| s.voicing == Voicing::Synthesizing);
        if earliest.is_none() {
            turn.timers.cancel(id, TimerKind::Synthesize, out);
        } else if earliest != turn.reply.awaited {
            turn.timers.set(at, id, TimerKind::Synthesize, after_ms, out);
        }
        turn.reply.awaited = earliest;
    }

    pub(super) fn speech_ready(
        &mut self,
        at: Timestamp,
        id: TurnId,
        index: u32,
        provider: &str,
        audio_ms: u32,
        out: &mut Out,
    ) {
        let Some(sentence) = self.awaited_sentence(id, index) else { return };
        if sentence.tried.iter().any(|p| p == &clip(provider, MAX_NAME)) {
            return;
        }
        sentence.voicing = Voicing::Ready;
        sentence.audio_ms = audio_ms;
        self.watch_synthesis(at, id, out);
        self.play_ready(at, id, out);
    }

    /// A voice failed; none names it when it is only overdue.
    pub(super) fn speech_failed(
        &mut self,
        at: Timestamp,
        id: TurnId,
        index: u32,
        provider: Option<&str>,
        detail: &str,
        out: &mut Out,
    ) {
        let Some(sentence) = self.awaited_sentence(id, index) else { return };
        if provider.is_some_and(|p| p != sentence.provider) {
            return;
        }
        let reason = format!("{} failed: {}", sentence.provider, clip(detail, 300));
        let failed = sentence.provider.clone();
        sentence.tried.push(failed);
        out.decide(id, DecisionKind::Fallback, "next voice", reason, &["text only"]);
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        if let Some(turn) = self.turns.get_mut(&id)
            && turn.reply.awaited == Some(index)
        {
            // Set the timer again: the next voice has its own time.
            turn.reply.awaited = None;
        }
        self.synthesize(at, id, index, out);
        self.play_ready(at, id, out);
        self.settle(at, id, out);
    }

    /// Speech that was made got lost on its way to playback: not one frame of it was heard.
    pub(super) fn playback_failed(&mut self, at: Timestamp, id: TurnId, index: u32, out: &mut Out) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        let Some(sentence) = out_sentence(&mut turn.reply, index) else { return };
        if sentence.voicing == Voicing::Queued {
            self.playback_finished(at, id, index, 0, false, out);
        }
    }

    fn awaited_sentence(&mut self, id: TurnId, index: u32) -> Option<&mut Sentence> {
        let turn = self.turns.get_mut(&id).filter(|t| t.stage == Stage::Replying)?;
        let sentence = turn.reply.sentences.get_mut(usize::try_from(index).ok()?)?;
        (sentence.voicing == Voicing::Synthesizing).then_some(sentence)
    }

    /// Hands over to playback whatever is ready, in order.
    pub(super) fn play_ready(&mut self, at: Timestamp, id: TurnId, out: &mut Out) {
        loop {
            let Some(turn) = self.turns.get_mut(&id).filter(|t| t.stage == Stage::Replying) else { return };
            let next = turn.reply.next_play;
            match turn.reply.sentences.get(next).map(|s| s.voicing) {
                Some(Voicing::Ready) => {}
                Some(Voicing::Unspoken) => {
                    turn.reply.next_play += 1;
                    continue;
                }
                _ => return,
            }
            if !self.may_begin(at, id, out) {
                return;
            }
            let Some(turn) = self.turns.get_mut(&id) else { return };
            if let Some(sentence) = turn.reply.sentences.get_mut(next) {
                sentence.voicing = Voicing::Queued;
            }
            turn.reply.next_play += 1;
            turn.reply.audible = true;
            out.push(Action::Play { turn: id, index: number(next) });
            watch_playback(at, turn, out);
        }
    }

    pub(super) fn playback_started(&mut self, id: TurnId, index: u32) {
        if let Some(turn) = self.turns.get_mut(&id)
            && let Some(sentence) = out_sentence(&mut turn.reply, index)
        {
            sentence.voicing = Voicing::Playing;
        }
    }

    pub(super) fn playback_finished(
        &mut self,
        at: Timestamp,
        id: TurnId,
        index: u32,
        played_ms: u32,
        completed: bool,
        out: &mut Out,
    ) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        let Some(sentence) = out_sentence(&mut turn.reply, index) else { return };
        sentence.voicing = Voicing::Played { played_ms, completed };
        if turn.stage == Stage::Stopping {
            if !turn.reply.is_out() {
                self.close(at, id, Outcome::Interrupted, out);
            }
            return;
        }
        if !completed && played_ms == 0 {
            // Not one frame was heard, and not because we stopped it: it goes to the text channel.
            sentence.voicing = Voicing::Unspoken;
        }
        watch_playback(at, turn, out);
        self.settle(at, id, out);
    }

    /// Playback is overdue: its report, or the quiet that it waited for.
    pub(super) fn playback_overdue(&mut self, at: Timestamp, id: TurnId, out: &mut Out) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        if turn.stage == Stage::Stopping {
            return self.close(at, id, Outcome::Interrupted, out);
        }
        if turn.reply.held {
            turn.reply.held = false;
            turn.reply.held_enough = true;
            out.decide(id, DecisionKind::Interrupt, "speak", "nobody fell silent for it", &["wait"]);
            return self.play_ready(at, id, out);
        }
        for sentence in &mut turn.reply.sentences {
            if matches!(sentence.voicing, Voicing::Queued | Voicing::Playing) {
                sentence.voicing = Voicing::Unspoken;
            }
        }
        out.decide(id, DecisionKind::Fallback, "text", "playback did not report its end", &["stay silent"]);
        self.settle(at, id, out);
    }

    /// Posts what is to be posted once the reply is written, and closes the turn once nothing more is to come.
    pub(super) fn settle(&mut self, at: Timestamp, id: TurnId, out: &mut Out) {
        let Some(turn) = self.turns.get_mut(&id).filter(|t| t.stage == Stage::Replying) else { return };
        if turn.reply.writing {
            return;
        }
        post(turn, out);
        let over = turn
            .reply
            .sentences
            .iter()
            .all(|s| matches!(s.voicing, Voicing::Played { .. } | Voicing::Unspoken));
        if !over {
            return;
        }
        let spoken = turn.reply.sentences.iter().any(|s| matches!(s.voicing, Voicing::Played { .. }));
        let outcome = match (turn.reply.apology, spoken, turn.reply.posted) {
            (true, ..) => Outcome::Failed,
            (false, true, _) => Outcome::Answered,
            (false, false, true) => Outcome::AnsweredInText,
            (false, false, false) => Outcome::Failed,
        };
        self.close(at, id, outcome, out);
    }
}

/// Posts a written question's answer, or what could not be spoken, in one go: not while a sentence may still turn out
/// either way.
pub(super) fn post(turn: &mut Turn, out: &mut Out) {
    let asked = turn.origin == Origin::Asked;
    let open = turn.reply.is_synthesizing() || (turn.reply.is_out() && !turn.reply.text_only);
    if open && !asked {
        return;
    }
    let mut texts = Vec::new();
    for sentence in &mut turn.reply.sentences {
        let unspoken =
            sentence.voicing == Voicing::Unspoken && sentence.text.chars().any(char::is_alphanumeric);
        if !sentence.posted && (asked || unspoken) {
            sentence.posted = true;
            texts.push(sentence.text.as_str());
        }
    }
    for text in messages(&texts) {
        out.push(Action::PostText { turn: turn.id, text });
        turn.reply.posted = true;
    }
}

/// Sentences joined into messages, none longer than Discord takes.
fn messages(texts: &[&str]) -> Vec<String> {
    let mut posts: Vec<String> = Vec::new();
    for text in texts {
        match posts.last_mut() {
            Some(last) if last.chars().count() + 1 + text.chars().count() <= MAX_TEXT => {
                last.push(' ');
                last.push_str(text);
            }
            _ => posts.push((*text).to_owned()),
        }
    }
    posts
}

fn out_sentence(reply: &mut Reply, index: u32) -> Option<&mut Sentence> {
    let sentence = reply.sentences.get_mut(usize::try_from(index).ok()?)?;
    matches!(sentence.voicing, Voicing::Queued | Voicing::Playing).then_some(sentence)
}

/// Keeps the timer on the end of everything that was handed to playback.
fn watch_playback(at: Timestamp, turn: &mut Turn, out: &mut Out) {
    let lengths = turn
        .reply
        .sentences
        .iter()
        .filter(|s| matches!(s.voicing, Voicing::Queued | Voicing::Playing))
        .map(|s| s.audio_ms);
    let total = lengths.reduce(u32::saturating_add);
    match total {
        Some(ms) => {
            let after_ms = ms.saturating_add(PLAYBACK_SLACK_MS);
            turn.timers.set(at, turn.id, TimerKind::Playback, after_ms, out);
        }
        None => turn.timers.cancel(turn.id, TimerKind::Playback, out),
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
