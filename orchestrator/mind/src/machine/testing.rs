//! For tests: a session as a scenario, and a world that answers the machine at random.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::audio::{AudioSpan, SlotCounts};
use antiphon_core::event::{
    Action, Consent, Failure, FailureKind, Flags, Input, Member, PolicyName, Provider, ProviderKind,
    Settings, TimerKind,
};
use antiphon_core::ids::{ChannelId, GuildId, SessionId, TurnId, UserId};
use antiphon_core::time::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};

use super::Machine;

pub const ALICE: UserId = UserId(101);
pub const BOB: UserId = UserId(102);
/// Has not consented.
pub const CAROL: UserId = UserId(103);
/// Another bot.
pub const ROBOT: UserId = UserId(104);

/// When every story begins.
pub const T0: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub fn provider(kind: ProviderKind, name: &str, expected_ms: u32) -> Provider {
    Provider { kind, name: name.into(), healthy: true, expected_ms }
}

pub fn session_started(settings: Settings) -> Input {
    Input::SessionStarted {
        session: SessionId(uuid::Uuid::nil()),
        guild: GuildId(1),
        channel: ChannelId(2),
        bot: Member { user: UserId(9), name: "Antiphon".into(), bot: true },
        flags: Flags::default(),
        providers: vec![
            provider(ProviderKind::Stt, "whisper", 600),
            provider(ProviderKind::Stt, "nano", 50),
            provider(ProviderKind::Llm, "groq", 1200),
            provider(ProviderKind::Llm, "offline", 1),
            provider(ProviderKind::Tts, "piper", 200),
            provider(ProviderKind::Tts, "espeak", 20),
        ],
        settings,
    }
}

pub fn joined(user: UserId, name: &str, consent: Consent) -> Input {
    Input::MemberJoined { member: Member { user, name: name.into(), bot: user == ROBOT }, consent }
}

pub fn failure(detail: &str) -> Failure {
    Failure { kind: FailureKind::Error, detail: detail.into() }
}

pub fn span(slots: u64) -> AudioSpan {
    AudioSpan { first_slot: 0, slots, marks: SlotCounts { received: slots, ..SlotCounts::default() } }
}

/// An action in a line.
pub fn show(action: &Action) -> String {
    let quoted = |text: &str| format!("{text:?}");
    match action {
        Action::Decide { decision: d } => {
            let kind = serde_json::to_value(d.kind).unwrap();
            let turn = d.turn.map_or("-".to_owned(), |t| t.to_string());
            format!("{turn}: {}={}", kind.as_str().unwrap(), d.choice)
        }
        Action::Transcribe { turn, provider, .. } => format!("{turn}: transcribe by {provider}"),
        Action::Generate { turn, provider, request } => {
            format!("{turn}: generate by {provider}, {:?}", request.style).to_lowercase()
        }
        Action::CancelGeneration { turn } => format!("{turn}: cancel generation"),
        Action::Synthesize { turn, index, provider, .. } => {
            format!("{turn}: synthesize {index} by {provider}")
        }
        Action::CancelSynthesis { turn } => format!("{turn}: cancel synthesis"),
        Action::Play { turn, index } => format!("{turn}: play {index}"),
        Action::StopPlayback { turn, reason } => {
            format!("{turn}: stop playback, {}", serde_json::to_value(reason).unwrap().as_str().unwrap())
        }
        Action::PostText { turn, text } => format!("{turn}: post {}", quoted(text)),
        Action::SetTimer { turn, timer, after_ms } => {
            format!("{turn}: set {timer:?} {after_ms}").to_lowercase()
        }
        Action::CancelTimer { turn, timer } => format!("{turn}: cancel {timer:?}").to_lowercase(),
        Action::CloseTurn { turn, outcome, said } => {
            format!(
                "{turn}: close {} {}",
                serde_json::to_value(outcome).unwrap().as_str().unwrap(),
                quoted(said)
            )
        }
    }
}

/// A session, step by step.
pub struct Story {
    pub machine: Machine,
    pub now: Timestamp,
    pub all: Vec<Action>,
}

impl Story {
    pub fn new(policy: PolicyName) -> Self {
        Self::with(policy, Settings::default())
    }

    /// Alice, Bob (both consenting), Carol (not) and another bot are there.
    pub fn with(policy: PolicyName, settings: Settings) -> Self {
        let mut story = Self { machine: Machine::new(policy), now: T0, all: Vec::new() };
        story.feed(0, session_started(settings));
        for (user, name, consent) in [
            (ALICE, "Alice", Consent::Granted),
            (BOB, "Bob", Consent::Granted),
            (CAROL, "Carol", Consent::Withheld),
            (ROBOT, "Robot", Consent::Granted),
        ] {
            story.feed(0, joined(user, name, consent));
        }
        story
    }

    /// Something happens after `ms`; gives all actions.
    pub fn feed(&mut self, ms: u64, input: Input) -> Vec<Action> {
        self.now = self.now.after(std::time::Duration::from_millis(ms));
        let actions = self.machine.step(self.now, &input);
        self.all.extend(actions.iter().cloned());
        actions
    }

    /// Like [`Story::feed`]; gives what is wanted, a line each, without decisions and timers.
    pub fn wants(&mut self, ms: u64, input: Input) -> Vec<String> {
        let actions = self.feed(ms, input);
        let wanted = |a: &&Action| {
            !matches!(a, Action::Decide { .. } | Action::SetTimer { .. } | Action::CancelTimer { .. })
        };
        actions.iter().filter(wanted).map(show).collect()
    }

    /// Like [`Story::feed`]; gives the decisions, a line each.
    pub fn decides(&mut self, ms: u64, input: Input) -> Vec<String> {
        let actions = self.feed(ms, input);
        actions.iter().filter(|a| matches!(a, Action::Decide { .. })).map(show).collect()
    }

    /// `user` says `text` as `turn`; gives what follows the transcript, as [`Story::wants`].
    pub fn says(&mut self, turn: u32, user: UserId, text: &str) -> Vec<String> {
        self.feed(100, starts(turn, user));
        self.feed(900, ends(turn, user));
        self.wants(400, heard(turn, user, text))
    }

    /// One sentence of a reply is written, spoken and handed to playback.
    pub fn speaks(&mut self, turn: u32, index: u32, text: &str, by: &str) -> Vec<String> {
        let mut wants = self.wants(100, sentence(turn, index, text, by));
        wants.extend(self.wants(100, speech(turn, index, "piper", 2000)));
        wants
    }

    pub fn reason(&self, turn: u32, choice: &str) -> String {
        let found = self.all.iter().rev().find_map(|a| match a {
            Action::Decide { decision: d } if d.turn == Some(TurnId(turn)) && d.choice == choice => {
                Some(d.reason.clone())
            }
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no decision {choice:?} for turn {turn}: {:#?}", self.all))
    }
}

pub fn starts(turn: u32, user: UserId) -> Input {
    Input::UserSpeechStarted { turn: TurnId(turn), user }
}
pub fn ends(turn: u32, user: UserId) -> Input {
    Input::UserSpeechEnded { turn: TurnId(turn), user, audio: span(45) }
}
pub fn heard(turn: u32, user: UserId, text: &str) -> Input {
    Input::TranscriptFinal {
        turn: TurnId(turn),
        user,
        text: text.into(),
        confidence_permille: 900,
        provider: "whisper".into(),
        took_ms: 400,
    }
}
pub fn asked(turn: u32, user: UserId, text: &str) -> Input {
    Input::Asked { turn: TurnId(turn), user, text: text.into() }
}
pub fn say(turn: u32, user: UserId, text: &str) -> Input {
    Input::SayRequested { turn: TurnId(turn), user, text: text.into() }
}
pub fn sentence(turn: u32, index: u32, text: &str, by: &str) -> Input {
    Input::SentenceReady { turn: TurnId(turn), index, text: text.into(), provider: by.into() }
}
pub fn written(turn: u32, by: &str, sentences: u32) -> Input {
    Input::GenerationFinished {
        turn: TurnId(turn),
        provider: by.into(),
        sentences,
        first_token_ms: 50,
        took_ms: 200,
    }
}
pub fn model_failed(turn: u32, by: &str) -> Input {
    Input::GenerationFailed { turn: TurnId(turn), provider: by.into(), failure: failure("503") }
}
pub fn speech(turn: u32, index: u32, by: &str, audio_ms: u32) -> Input {
    Input::SynthesisFinished { turn: TurnId(turn), index, provider: by.into(), audio_ms, took_ms: 10 }
}
pub fn voice_failed(turn: u32, index: u32, by: &str) -> Input {
    Input::SynthesisFailed { turn: TurnId(turn), index, provider: by.into(), failure: failure("no library") }
}
pub fn playback_failed(turn: u32, index: u32) -> Input {
    Input::PlaybackFailed { turn: TurnId(turn), index, failure: failure("no sound") }
}
pub fn began(turn: u32, index: u32) -> Input {
    Input::PlaybackStarted { turn: TurnId(turn), index }
}
pub fn played(turn: u32, index: u32, played_ms: u32, completed: bool) -> Input {
    Input::PlaybackFinished { turn: TurnId(turn), index, played_ms, completed }
}
pub fn fires(turn: u32, timer: TimerKind) -> Input {
    Input::TimerFired { turn: TurnId(turn), timer }
}
pub fn over() -> Input {
    Input::SessionEnded { reason: "everybody left".into() }
}

/// A world that answers the machine at random: mostly sensibly, sometimes late, twice, wrongly or not at all.
pub struct World {
    rng: StdRng,
    now: Timestamp,
    next_turn: u32,
    pending: Vec<Input>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), now: T0, next_turn: 1, pending: Vec::new() }
    }

    /// Takes note of what is wanted.
    pub fn notice(&mut self, actions: &[Action]) {
        for action in actions {
            if self.pending.len() > 64 {
                self.pending.remove(0);
            }
            match action {
                Action::Transcribe { turn, user, provider } => {
                    let text = TEXTS[self.rng.random_range(0..TEXTS.len())].to_owned();
                    self.pending.push(if self.rng.random_bool(0.85) {
                        Input::TranscriptFinal {
                            turn: *turn,
                            user: *user,
                            text,
                            confidence_permille: self.rng.random_range(200..1000),
                            provider: provider.clone(),
                            took_ms: 5,
                        }
                    } else {
                        Input::TranscriptFailed {
                            turn: *turn,
                            provider: provider.clone(),
                            failure: failure("x"),
                        }
                    });
                }
                Action::Generate { turn, provider, .. } => {
                    let count = self.rng.random_range(0..5);
                    for index in 0..count {
                        self.pending.push(sentence(turn.0, index, "This is a sentence.", provider));
                    }
                    self.pending.push(if self.rng.random_bool(0.8) {
                        written(turn.0, provider, count)
                    } else {
                        model_failed(turn.0, provider)
                    });
                }
                Action::Synthesize { turn, index, provider, .. } => {
                    self.pending.push(if self.rng.random_bool(0.9) {
                        speech(turn.0, *index, provider, 1500)
                    } else {
                        voice_failed(turn.0, *index, provider)
                    });
                }
                Action::Play { turn, index } => {
                    self.pending.push(began(turn.0, *index));
                    let completed = self.rng.random_bool(0.8);
                    self.pending.push(played(turn.0, *index, if completed { 1500 } else { 0 }, completed));
                }
                Action::SetTimer { turn, timer, .. } if self.rng.random_bool(0.3) => {
                    self.pending.push(fires(turn.0, *timer));
                }
                _ => {}
            }
        }
    }

    /// What happens next.
    pub fn next_input(&mut self) -> (Timestamp, Input) {
        let wait = match self.rng.random_range(0..80) {
            0 => self.rng.random_range(0..20_000),
            _ => self.rng.random_range(0..500),
        };
        self.now = self.now.after(std::time::Duration::from_millis(wait));
        let input = if !self.pending.is_empty() && self.rng.random_bool(0.8) {
            // Mostly in order; sometimes a later one first; sometimes kept, to come twice.
            let at =
                if self.rng.random_bool(0.85) { 0 } else { self.rng.random_range(0..self.pending.len()) };
            if self.rng.random_bool(0.97) { self.pending.remove(at) } else { self.pending[at].clone() }
        } else {
            self.event()
        };
        (self.now, input)
    }

    fn event(&mut self) -> Input {
        let user = [ALICE, BOB, CAROL, ROBOT, UserId(999)][self.rng.random_range(0..5)];
        let any_turn = self.rng.random_range(0..=self.next_turn.saturating_add(2));
        let recent = self.rng.random_range(self.next_turn.saturating_sub(4)..=self.next_turn);
        let index = self.rng.random_range(0..6);
        let text = TEXTS[self.rng.random_range(0..TEXTS.len())];
        match self.rng.random_range(0..40) {
            0..=9 => {
                self.next_turn += 1;
                let user = [ALICE, BOB][self.rng.random_range(0..2)];
                self.pending.push(ends(self.next_turn, user));
                starts(self.next_turn, user)
            }
            10 => starts(any_turn, user),
            11 => ends(recent, user),
            12 => {
                self.next_turn += 1;
                asked(self.next_turn, user, text)
            }
            13 => {
                self.next_turn += 1;
                say(self.next_turn, user, "One. Two, three. Four!")
            }
            14 => heard(recent, user, text),
            15 => sentence(recent, index, text, "groq"),
            16 => written(recent, "groq", index),
            17 => speech(recent, index, "piper", 1000),
            18 => played(recent, index, 700, false),
            19 => fires(recent, KINDS[self.rng.random_range(0..4)]),
            20 => Input::MemberLeft { user },
            21..=24 => joined(user, "Somebody", Consent::Granted),
            25 => Input::ConsentChanged { user, consent: Consent::Withheld },
            26 => Input::ConsentChanged { user, consent: Consent::Granted },
            27 => {
                let (kind, name) = NAMES[self.rng.random_range(0..NAMES.len())];
                let healthy = self.rng.random_bool(0.7);
                Input::HealthChanged {
                    kind,
                    provider: name.into(),
                    healthy,
                    expected_ms: self.rng.random_range(0..3000),
                }
            }
            28 => Input::PolicyChosen {
                policy: if self.rng.random_bool(0.5) {
                    PolicyName::Adaptive
                } else {
                    PolicyName::Established
                },
                reason: "a test".into(),
            },
            29 => model_failed(recent, "offline"),
            30 => voice_failed(recent, index, "espeak"),
            32 => Input::PlaybackFailed { turn: TurnId(recent), index, failure: failure("no sound") },
            33 => Input::RateLimited {
                turn: TurnId(recent),
                retry_after_ms: Some(12_000),
                limit: "person_requests".into(),
            },
            31 => Input::TranscriptPartial { turn: TurnId(recent), user, text: text.into() },
            _ => {
                self.next_turn += 1;
                let user = [ALICE, BOB][self.rng.random_range(0..2)];
                self.pending.push(ends(self.next_turn, user));
                starts(self.next_turn, user)
            }
        }
    }
}

const KINDS: [TimerKind; 4] =
    [TimerKind::Transcribe, TimerKind::Generate, TimerKind::Synthesize, TimerKind::Playback];
const NAMES: [(ProviderKind, &str); 6] = [
    (ProviderKind::Stt, "whisper"),
    (ProviderKind::Stt, "nano"),
    (ProviderKind::Llm, "groq"),
    (ProviderKind::Llm, "offline"),
    (ProviderKind::Tts, "piper"),
    (ProviderKind::Tts, "espeak"),
];
const TEXTS: [&str; 9] = [
    "what time is it",
    "Antiphon, what is two plus two",
    "hey anti phone tell me a story",
    "[BLANK_AUDIO]",
    "",
    "stop",
    "I went to the market yesterday and it rained all day",
    "thanks",
    "why is the sky blue, Antiphon?",
];

/// Watches a machine's actions for what must never be.
#[derive(Default)]
pub struct Watch {
    closed: BTreeSet<TurnId>,
    cancelled: BTreeSet<TurnId>,
    touched: BTreeSet<TurnId>,
    timers: BTreeSet<(TurnId, TimerKind)>,
    asked_to_speak: BTreeSet<(TurnId, u32)>,
    last_play: BTreeMap<TurnId, u32>,
    sounding: Option<TurnId>,
}

impl Watch {
    pub fn see(&mut self, input: &Input, actions: &[Action]) {
        if let Input::TimerFired { turn, timer } = input {
            // Taken or not: from here on the runner has forgotten it.
            self.timers.remove(&(*turn, *timer));
        }
        for action in actions {
            let Some(turn) = action.turn() else { continue };
            assert!(!self.closed.contains(&turn), "{} after its turn was closed", show(action));
            self.touched.insert(turn);
            match action {
                Action::CancelGeneration { .. } | Action::CancelSynthesis { .. } => {
                    self.cancelled.insert(turn);
                }
                Action::Transcribe { .. } | Action::Generate { .. } => {
                    assert!(!self.cancelled.contains(&turn), "{} after a cancellation", show(action));
                }
                Action::SetTimer { timer, after_ms, .. } => {
                    assert!(*after_ms > 0);
                    self.timers.insert((turn, *timer));
                }
                Action::CancelTimer { timer, .. } => {
                    self.timers.remove(&(turn, *timer));
                }
                Action::Synthesize { index, text, .. } => {
                    assert!(!self.cancelled.contains(&turn), "{} after a cancellation", show(action));
                    assert!(text.chars().any(char::is_alphanumeric));
                    self.asked_to_speak.insert((turn, *index));
                }
                Action::Play { index, .. } => {
                    assert!(
                        self.asked_to_speak.contains(&(turn, *index)),
                        "{}: never synthesized",
                        show(action)
                    );
                    let before = self.last_play.insert(turn, *index);
                    assert!(before.is_none_or(|before| before < *index), "{} after {before:?}", show(action));
                    assert!(
                        self.sounding.is_none_or(|t| t == turn),
                        "{} while {:?}",
                        show(action),
                        self.sounding
                    );
                    self.sounding = Some(turn);
                }
                Action::StopPlayback { .. } => self.sounding = None,
                Action::CloseTurn { .. } => {
                    assert!(!self.timers.iter().any(|(t, _)| *t == turn), "a timer outlives turn {turn}");
                    self.closed.insert(turn);
                    if self.sounding == Some(turn) {
                        self.sounding = None;
                    }
                }
                _ => {}
            }
        }
    }

    pub fn nothing_is_left(&self) {
        let open: Vec<_> = self.touched.difference(&self.closed).collect();
        assert!(open.is_empty(), "never closed: {open:?}");
        assert!(self.timers.is_empty(), "still set: {:?}", self.timers);
    }
}
