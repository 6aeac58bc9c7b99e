//! Puts a run together from its inputs and actions. Pure: the caller reads them and feeds them in order.
use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::provenance::Provenance;
use super::run::{Run, RunSource};
use super::turn::{DecisionView, Origin, TurnView};
use antiphon_core::chain::Digest;
use antiphon_core::event::{Action, DecisionKind, Flags, Input, PolicyName, Provider, ReplyStyle, Settings};
use antiphon_core::ids::{Lane, SessionId, TurnId, UserId};
use antiphon_core::time::Timestamp;
use bundle::{ActionLine, InputLine};

/// Takes inputs and the actions that followed each, and gives the run.
#[derive(Debug)]
pub struct Assembler {
    session: SessionId,
    lane: Lane,
    policy: PolicyName,
    started: Timestamp,
    settings: Settings,
    flags: Flags,
    providers: Vec<Provider>,
    names: BTreeMap<UserId, String>,
    turns: BTreeMap<TurnId, TurnView>,
    /// Where results come from that do not say so.
    usual: Provenance,
    /// Who wrote a reply, by turn.
    writers: BTreeMap<TurnId, String>,
    /// Sentences to be spoken, by turn and place: a sentence given to a second voice stands once.
    sentences: BTreeMap<(TurnId, u32), String>,
    posted: BTreeMap<TurnId, Vec<String>>,
    inputs: u64,
    actions: u64,
    inputs_digest: Sha256,
    actions_digest: Sha256,
}

impl Assembler {
    /// For a lane of a session whose times are counted from `started`.
    pub fn new(session: SessionId, lane: Lane, policy: PolicyName, started: Timestamp) -> Self {
        Self {
            session,
            lane,
            policy,
            started,
            settings: Settings::default(),
            flags: Flags::default(),
            providers: Vec::new(),
            names: BTreeMap::new(),
            turns: BTreeMap::new(),
            // Inputs are recorded once: the sandbox lane gets the results of what production asked.
            usual: match lane {
                Lane::Production => Provenance::Performed,
                Lane::Sandbox => Provenance::Taped,
            },
            writers: BTreeMap::new(),
            sentences: BTreeMap::new(),
            posted: BTreeMap::new(),
            inputs: 0,
            actions: 0,
            inputs_digest: Sha256::new(),
            actions_digest: Sha256::new(),
        }
    }

    /// For a replay, whose results say where they come from; those of earlier versions were computed.
    pub fn of_replay(self) -> Self {
        Self { usual: Provenance::Estimated, ..self }
    }

    /// Takes an input.
    pub fn input(&mut self, line: &InputLine) {
        self.result(line, self.usual);
    }

    /// Takes an input that is a result from `provenance`, if it is a result.
    pub(super) fn result(&mut self, line: &InputLine, provenance: Provenance) {
        self.inputs += 1;
        fold(&mut self.inputs_digest, line);
        let at = line.at.millis_since(self.started);
        match &line.input {
            Input::SessionStarted { bot, flags, providers, settings, .. } => {
                self.names.insert(bot.user, bot.name.clone());
                (self.flags, self.providers, self.settings) = (*flags, providers.clone(), settings.clone());
            }
            Input::MemberJoined { member, .. } => {
                self.names.insert(member.user, member.name.clone());
            }
            Input::UserSpeechStarted { turn, user } => self.open(*turn, *user, at, Origin::Spoken, None),
            Input::Asked { turn, user, text } => self.open(*turn, *user, at, Origin::Asked, Some(text)),
            Input::SayRequested { turn, user, text } => self.open(*turn, *user, at, Origin::Said, Some(text)),
            input => {
                if let Input::SentenceReady { turn, provider, .. } = input {
                    self.writers.insert(*turn, provider.clone());
                }
                if let Some(view) = input.turn().and_then(|turn| self.turns.get_mut(&turn)) {
                    happened(view, at, input, self.lane, provenance);
                }
            }
        }
    }

    /// Takes an action that followed the last input.
    pub fn action(&mut self, line: &ActionLine) {
        self.actions += 1;
        fold(&mut self.actions_digest, &(line.step, line.at, line.policy, &line.action));
        self.policy = line.policy;
        let at = line.at.millis_since(self.started);
        let Some(turn) = line.action.turn() else {
            return;
        };
        match &line.action {
            Action::Synthesize { index, text, .. } => {
                self.sentences.entry((turn, *index)).or_insert_with(|| text.clone());
            }
            Action::PostText { text, .. } => self.posted.entry(turn).or_default().push(text.clone()),
            _ => {}
        }
        if let Some(view) = self.turns.get_mut(&turn) {
            wanted(view, at, &line.action, self.usual);
        }
    }

    /// The run.
    pub fn finish(mut self, source: RunSource) -> Run {
        for ((turn, _), text) in &self.sentences {
            if let Some(view) = self.turns.get_mut(turn) {
                if !view.reply.is_empty() {
                    view.reply.push(' ');
                }
                view.reply.push_str(text);
            }
        }
        for (turn, writer) in &self.writers {
            if let Some(view) = self.turns.get_mut(turn)
                && view.llm.as_ref().is_some_and(|asked| asked != writer)
                && self.usual == Provenance::Taped
            {
                view.came_from("reply", Provenance::StandIn);
            }
        }
        // What was only posted; a posted copy of what is spoken too is the same reply.
        for (turn, posted) in &self.posted {
            if let Some(view) = self.turns.get_mut(turn).filter(|view| view.reply.is_empty()) {
                view.reply = posted.join(" ");
            }
        }
        Run {
            source,
            session: self.session,
            lane: self.lane,
            policy: self.policy,
            started: self.started,
            settings: self.settings,
            flags: self.flags,
            providers: self.providers,
            inputs: self.inputs,
            actions: self.actions,
            inputs_digest: Digest(self.inputs_digest.finalize().into()),
            actions_digest: Digest(self.actions_digest.finalize().into()),
            turns: self.turns.into_values().collect(),
        }
    }

    fn open(&mut self, turn: TurnId, user: UserId, at: u64, origin: Origin, text: Option<&String>) {
        let name = self.names.get(&user).cloned().unwrap_or_else(|| user.to_string());
        self.turns.entry(turn).or_insert_with(|| TurnView {
            turn,
            user,
            name,
            origin,
            began_ms: at,
            ended_ms: (origin != Origin::Spoken).then_some(at),
            transcript: text.cloned(),
            ..TurnView::default()
        });
    }
}

fn took(view: &mut TurnView, stage: &str, ms: u64, provenance: Provenance) {
    if !view.latencies.contains_key(stage) {
        view.latencies.insert(stage.to_owned(), ms);
        view.came_from(&format!("latency.{stage}"), provenance);
    }
}

/// What an input says about a turn.
fn happened(view: &mut TurnView, at: u64, input: &Input, lane: Lane, provenance: Provenance) {
    let took = |view: &mut TurnView, stage: &str, ms: u64| took(view, stage, ms, provenance);
    match input {
        Input::UserSpeechEnded { audio, .. } => {
            view.ended_ms = Some(at);
            view.audio = Some((audio.first_slot, audio.slots));
        }
        Input::TranscriptFinal { text, confidence_permille, took_ms, .. } => {
            took(view, "transcribe", u64::from(*took_ms));
            view.came_from("transcript", provenance);
            view.transcript = Some(text.clone());
            view.confidence = Some(*confidence_permille);
        }
        Input::SentenceReady { .. } => view.came_from("reply", provenance),
        Input::GenerationFinished { first_token_ms, took_ms, .. } => {
            took(view, "first_token", u64::from(*first_token_ms));
            took(view, "generate", u64::from(*took_ms));
        }
        Input::SynthesisFinished { index: 0, took_ms, .. } => took(view, "speech", u64::from(*took_ms)),
        // Playback is production's doing: to a lane that only decides it says nothing of its own.
        Input::PlaybackStarted { .. } if lane == Lane::Production => {
            if let (None, Some(ended)) = (view.heard, view.ended_ms) {
                took(view, "voice_to_voice", at.saturating_sub(ended));
            }
            view.heard.get_or_insert((at, at));
        }
        Input::PlaybackFinished { .. } if lane == Lane::Production => {
            if let Some((_, to)) = &mut view.heard {
                *to = at;
            }
        }
        _ => {}
    }
}

/// What an action says about a turn.
fn wanted(view: &mut TurnView, at: u64, action: &Action, provenance: Provenance) {
    match action {
        Action::Decide { decision } => {
            if decision.kind == DecisionKind::Intent {
                view.intent = Some(decision.choice.clone());
            }
            view.decisions.push(DecisionView {
                at_ms: at,
                kind: decision.kind,
                chose: decision.choice.clone(),
                because: decision.reason.clone(),
                over: decision.alternatives.clone(),
            });
        }
        Action::Transcribe { provider, .. } => view.stt = Some(provider.clone()),
        Action::Generate { provider, request, .. } => {
            view.responded = true;
            view.llm = Some(provider.clone());
            view.style = Some(
                match request.style {
                    ReplyStyle::Full => "full",
                    ReplyStyle::Brief => "brief",
                }
                .to_owned(),
            );
        }
        Action::Synthesize { provider, .. } => {
            view.responded = true;
            view.tts = Some(provider.clone());
        }
        Action::PostText { .. } => view.responded = true,
        Action::Play { .. } => {
            if let Some(ended) = view.ended_ms {
                took(view, "play", at.saturating_sub(ended), provenance);
            }
        }
        Action::CloseTurn { outcome, said, .. } => {
            view.outcome = Some(*outcome);
            view.said.clone_from(said);
            view.closed_ms = Some(at);
        }
        Action::CancelGeneration { .. }
        | Action::CancelSynthesis { .. }
        | Action::StopPlayback { .. }
        | Action::SetTimer { .. }
        | Action::CancelTimer { .. } => {}
    }
}

/// Adds a value to a digest, as JSON with its length in front. What cannot be written as JSON does not exist in these
/// types.
fn fold(digest: &mut Sha256, value: &impl serde::Serialize) {
    let json = serde_json::to_vec(value).unwrap_or_default();
    digest.update((json.len() as u64).to_be_bytes());
    digest.update(json);
}
