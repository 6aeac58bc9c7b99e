//! A candidate's effects, played out on a virtual clock instead of performed.
//!
//! Everything is computed: a reply is the recorded one when the very same was asked of the same provider, else what
//! the built-in offline responder says to the request at that time; a provider takes what it is expected to take; speech
//! lasts as long as its text at an even pace; playback takes as long as the speech.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use antiphon_core::event::{Action, Input, Provider, ProviderKind, TimerKind};
use antiphon_core::ids::TurnId;
use antiphon_core::time::Timestamp;
use jiff::tz::TimeZone;
use parity::diff::Provenance;

use super::Tape;
use antiphon_core::text::sentences::sentences;
use language::offline::answer;

/// Milliseconds that a character takes to speak: some 170 words a minute.
pub const MS_PER_CHAR: u32 = 65;

const ESTIMATED: Option<Provenance> = Some(Provenance::Estimated);

/// Why something is to happen, so that it can be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Generation,
    Synthesis,
    Timer(TimerKind),
    Playback,
}

/// One sentence in the bot's mouth.
#[derive(Debug, Clone, Copy)]
struct Utterance {
    turn: TurnId,
    index: u32,
    from: Timestamp,
    to: Timestamp,
}

/// Something that is going to happen.
#[derive(Debug)]
struct Due {
    turn: TurnId,
    cause: Cause,
    input: Input,
    provenance: Option<Provenance>,
}

/// What is going to happen because of what a candidate wanted.
#[derive(Debug)]
pub struct Effects {
    zone: TimeZone,
    tape: Tape,
    providers: Vec<Provider>,
    /// To happen, in order of time and then of wanting.
    due: BTreeMap<(Timestamp, u64), Due>,
    count: u64,
    lengths: BTreeMap<(TurnId, u32), u32>,
    playing: Vec<Utterance>,
    /// Who was asked to transcribe, by turn.
    transcribing: BTreeMap<TurnId, String>,
    stand_ins: BTreeSet<TurnId>,
}

impl Effects {
    /// Effects of a session that has not begun. The offline responder says the time in `zone`.
    pub fn new(zone: TimeZone, tape: Tape) -> Self {
        Self {
            zone,
            tape,
            providers: Vec::new(),
            due: BTreeMap::new(),
            count: 0,
            lengths: BTreeMap::new(),
            playing: Vec::new(),
            transcribing: BTreeMap::new(),
            stand_ins: BTreeSet::new(),
        }
    }

    /// Turns whose reply was written by the offline responder in place of the provider that the candidate chose.
    pub fn stand_ins(&self) -> &BTreeSet<TurnId> {
        &self.stand_ins
    }

    /// The next thing that happens not after `until`, and where it comes from if it is a result.
    pub fn next_until(&mut self, until: Timestamp) -> Option<(Timestamp, Input, Option<Provenance>)> {
        let (&key, _) = self.due.first_key_value()?;
        if key.0 > until {
            return None;
        }
        let Due { turn, input, provenance, .. } = self.due.remove(&key)?;
        if let Input::PlaybackFinished { index, .. } = &input {
            self.playing.retain(|u| (u.turn, u.index) != (turn, *index));
        }
        Some((key.0, input, provenance))
    }

    /// How a recorded input reaches the candidate: what people and operators did, as it was; transcripts, whichever
    /// recogniser made them, as those of the one that the candidate asked; all other results not at all, for they are of
    /// actions that were production's.
    pub fn admit(&mut self, input: &Input) -> Option<(Input, Option<Provenance>)> {
        match input {
            Input::SessionStarted { providers, .. } => self.providers.clone_from(providers),
            Input::HealthChanged { kind, provider, healthy, expected_ms } => {
                let known = self.providers.iter_mut().find(|p| p.kind == *kind && p.name == *provider);
                if let Some(known) = known {
                    (known.healthy, known.expected_ms) = (*healthy, *expected_ms);
                }
            }
            Input::TranscriptFinal { turn, .. } => {
                let asked = self.transcribing.get(turn)?.clone();
                let mut input = input.clone();
                let mut provenance = Provenance::Taped;
                if let Input::TranscriptFinal { provider, .. } = &mut input
                    && *provider != asked
                {
                    (*provider, provenance) = (asked, Provenance::StandIn);
                }
                return Some((input, Some(provenance)));
            }
            Input::TranscriptFailed { turn, provider, .. } => {
                let asked = self.transcribing.get(turn)?;
                return (asked == provider).then(|| (input.clone(), Some(Provenance::Taped)));
            }
            Input::SentenceReady { .. }
            | Input::GenerationFinished { .. }
            | Input::GenerationFailed { .. }
            | Input::RateLimited { .. }
            | Input::CandidateStopped { .. }
            | Input::SynthesisFinished { .. }
            | Input::SynthesisFailed { .. }
            | Input::PlaybackStarted { .. }
            | Input::PlaybackFailed { .. }
            | Input::PlaybackFinished { .. }
            | Input::TimerFired { .. } => return None,
            _ => {}
        }
        Some((input.clone(), None))
    }

    /// Takes what the candidate wants at `at`.
    pub fn want(&mut self, at: Timestamp, action: &Action) {
        match action {
            Action::Transcribe { turn, provider, .. } => {
                self.transcribing.insert(*turn, provider.clone());
            }
            Action::Generate { turn, provider, request } => {
                let taped = self.tape.reply(*turn, provider, request).cloned();
                let (texts, first_token_ms, text_from, time_from) = match taped {
                    Some(taped) => {
                        (taped.sentences, taped.first_token_ms, Provenance::Taped, Provenance::Taped)
                    }
                    None => {
                        let by_itself = provider == language::offline::NAME;
                        let (text_from, time_from) = if by_itself {
                            (Provenance::Performed, Provenance::Estimated)
                        } else {
                            self.stand_ins.insert(*turn);
                            (Provenance::StandIn, Provenance::StandIn)
                        };
                        let texts = sentences(&answer(request, at, &self.zone));
                        (texts, self.expected(ProviderKind::Llm, provider), text_from, time_from)
                    }
                };
                let when = later(at, first_token_ms);
                let count = u32::try_from(texts.len()).unwrap_or(u32::MAX);
                for (index, text) in (0..).zip(texts) {
                    let input = Input::SentenceReady { turn: *turn, index, text, provider: provider.clone() };
                    self.plan(when, *turn, Cause::Generation, input, Some(text_from));
                }
                let finished = Input::GenerationFinished {
                    turn: *turn,
                    provider: provider.clone(),
                    sentences: count,
                    first_token_ms,
                    took_ms: first_token_ms,
                };
                self.plan(when, *turn, Cause::Generation, finished, Some(time_from));
            }
            Action::CancelGeneration { turn } => self.cancel(*turn, Cause::Generation),
            Action::Synthesize { turn, index, provider, text } => {
                let chars = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
                let audio_ms = chars.saturating_mul(MS_PER_CHAR);
                let took_ms = self.expected(ProviderKind::Tts, provider);
                self.lengths.insert((*turn, *index), audio_ms);
                let input = Input::SynthesisFinished {
                    turn: *turn,
                    index: *index,
                    provider: provider.clone(),
                    audio_ms,
                    took_ms,
                };
                self.plan(later(at, took_ms), *turn, Cause::Synthesis, input, ESTIMATED);
            }
            Action::CancelSynthesis { turn } => self.cancel(*turn, Cause::Synthesis),
            Action::Play { turn, index } => self.play(at, *turn, *index),
            Action::StopPlayback { turn, .. } => self.stop(at, *turn),
            Action::SetTimer { turn, timer, after_ms } => {
                self.cancel(*turn, Cause::Timer(*timer));
                let input = Input::TimerFired { turn: *turn, timer: *timer };
                self.plan(later(at, *after_ms), *turn, Cause::Timer(*timer), input, None);
            }
            Action::CancelTimer { turn, timer } => self.cancel(*turn, Cause::Timer(*timer)),
            Action::CloseTurn { turn, .. } => {
                self.due.retain(|_, due| due.turn != *turn);
                self.playing.retain(|u| u.turn != *turn);
                self.lengths.retain(|(of, _), _| of != turn);
                self.transcribing.remove(turn);
            }
            Action::Decide { .. } | Action::PostText { .. } => {}
        }
    }

    fn play(&mut self, at: Timestamp, turn: TurnId, index: u32) {
        let length = self.lengths.get(&(turn, index)).copied().unwrap_or(0);
        let from = self.playing.iter().map(|u| u.to).fold(at, Timestamp::max);
        let to = later(from, length);
        self.playing.push(Utterance { turn, index, from, to });
        self.plan(from, turn, Cause::Playback, Input::PlaybackStarted { turn, index }, ESTIMATED);
        let finished = Input::PlaybackFinished { turn, index, played_ms: length, completed: true };
        self.plan(to, turn, Cause::Playback, finished, ESTIMATED);
    }

    fn stop(&mut self, at: Timestamp, turn: TurnId) {
        self.cancel(turn, Cause::Playback);
        let (stopped, others) = self.playing.drain(..).partition(|u| u.turn == turn);
        self.playing = others;
        for Utterance { index, from, .. } in stopped {
            let played_ms = u32::try_from(at.millis_since(from)).unwrap_or(u32::MAX);
            let finished = Input::PlaybackFinished { turn, index, played_ms, completed: false };
            self.plan(at, turn, Cause::Playback, finished, ESTIMATED);
        }
    }

    fn expected(&self, kind: ProviderKind, name: &str) -> u32 {
        let known = self.providers.iter().find(|p| p.kind == kind && p.name == name);
        known.map_or(0, |p| p.expected_ms)
    }

    fn plan(
        &mut self,
        at: Timestamp,
        turn: TurnId,
        cause: Cause,
        input: Input,
        provenance: Option<Provenance>,
    ) {
        self.due.insert((at, self.count), Due { turn, cause, input, provenance });
        self.count += 1;
    }

    fn cancel(&mut self, turn: TurnId, cause: Cause) {
        self.due.retain(|_, due| !(due.turn == turn && due.cause == cause));
    }
}

fn later(at: Timestamp, ms: u32) -> Timestamp {
    at.after(Duration::from_millis(u64::from(ms)))
}
