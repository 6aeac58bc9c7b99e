//! The machine's inputs.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::party::{Consent, Flags, Member, PolicyName, Provider, ProviderKind, Settings};
use crate::audio::AudioSpan;
use crate::event::TimerKind;
use crate::ids::{ChannelId, GuildId, SessionId, TurnId, UserId};

/// Why an effect failed, in words for the person who must act.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// What sort of failure, for decisions.
    pub kind: FailureKind,
    /// What happened, without personal data.
    pub detail: String,
}

/// Sorts of failure that a decision can depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// No provider is configured or its model is missing.
    Unavailable,
    /// It took longer than allowed.
    Timeout,
    /// It answered with an error.
    Error,
    /// It was cancelled by us.
    Cancelled,
    /// The queue in front of it was full.
    Overloaded,
}

/// Everything that may happen to a session. Recorded as it happened; replay feeds the same list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Input {
    /// The first input of every session.
    SessionStarted {
        /// The session.
        session: SessionId,
        /// Its guild.
        guild: GuildId,
        /// Its voice channel.
        channel: ChannelId,
        /// The bot itself.
        bot: Member,
        /// Flags in force.
        flags: Flags,
        /// Providers in the operator's order of preference.
        providers: Vec<Provider>,
        /// Settings of the machine.
        settings: Settings,
    },
    /// Somebody is in the channel (also sent for those who were there before the bot).
    MemberJoined {
        /// Who.
        member: Member,
        /// Whether their voice may be used.
        consent: Consent,
    },
    /// Somebody left the channel.
    MemberLeft {
        /// Who.
        user: UserId,
    },
    /// Somebody gave or took back consent.
    ConsentChanged {
        /// Who.
        user: UserId,
        /// What holds from now on.
        consent: Consent,
    },
    /// A consenting person started to speak; the turn's number is given by capture.
    #[serde(rename = "speech_started")]
    UserSpeechStarted {
        /// The turn that this opens.
        turn: TurnId,
        /// Who speaks.
        user: UserId,
    },
    /// They stopped (end of speech found by voice activity detection, or the longest turn reached).
    #[serde(rename = "speech_ended")]
    UserSpeechEnded {
        /// The turn.
        turn: TurnId,
        /// Who spoke.
        user: UserId,
        /// Where their words are on their track.
        audio: AudioSpan,
    },
    /// A transcript that may still change.
    TranscriptPartial {
        /// The turn.
        turn: TurnId,
        /// Who spoke.
        user: UserId,
        /// What was heard so far.
        text: String,
    },
    /// What was said. Empty when nothing intelligible was.
    TranscriptFinal {
        /// The turn.
        turn: TurnId,
        /// Who spoke: as fixed when the packets arrived.
        user: UserId,
        /// What was heard.
        text: String,
        /// How sure the provider is, 0 to 1000.
        confidence_permille: u16,
        /// Who transcribed.
        provider: String,
        /// How long it took.
        took_ms: u32,
    },
    /// Speech to text failed.
    TranscriptFailed {
        /// The turn.
        turn: TurnId,
        /// Who was asked.
        provider: String,
        /// Why.
        failure: Failure,
    },
    /// A written question (`/ask`).
    Asked {
        /// The turn that this opens.
        turn: TurnId,
        /// Who asks.
        user: UserId,
        /// The question.
        text: String,
    },
    /// A request to speak a text as it stands (`/say`).
    SayRequested {
        /// The turn that this opens.
        turn: TurnId,
        /// Who asks.
        user: UserId,
        /// What to say.
        text: String,
    },
    /// One sentence of the reply is there.
    SentenceReady {
        /// The turn.
        turn: TurnId,
        /// Its place in the reply, from 0.
        index: u32,
        /// The sentence.
        text: String,
        /// Who wrote it.
        provider: String,
    },
    /// The reply is complete.
    GenerationFinished {
        /// The turn.
        turn: TurnId,
        /// Who wrote it.
        provider: String,
        /// How many sentences it has.
        sentences: u32,
        /// Time to the first token.
        first_token_ms: u32,
        /// Time to the last.
        took_ms: u32,
    },
    /// No language model was asked: the guild or the person asks more than they may.
    RateLimited {
        /// The turn.
        turn: TurnId,
        /// When to ask again; none when waiting does not help, because it wants more than the whole limit.
        retry_after_ms: Option<u64>,
        /// The limit that is reached, such as `person_requests`.
        limit: String,
    },
    /// The language model failed; sentences already sent stand.
    GenerationFailed {
        /// The turn.
        turn: TurnId,
        /// Who was asked.
        provider: String,
        /// Why.
        failure: Failure,
    },
    /// A sentence's speech is there.
    #[serde(rename = "speech_ready")]
    SynthesisFinished {
        /// The turn.
        turn: TurnId,
        /// Which sentence.
        index: u32,
        /// Who spoke it.
        provider: String,
        /// Its length.
        audio_ms: u32,
        /// How long it took to make.
        took_ms: u32,
    },
    /// A sentence could not be spoken.
    #[serde(rename = "speech_failed")]
    SynthesisFailed {
        /// The turn.
        turn: TurnId,
        /// Which sentence.
        index: u32,
        /// Who was asked.
        provider: String,
        /// Why.
        failure: Failure,
    },
    /// The first frame of a sentence went out to the channel.
    PlaybackStarted {
        /// The turn.
        turn: TurnId,
        /// Which sentence.
        index: u32,
    },
    /// A sentence's speech was there and could not be played.
    PlaybackFailed {
        /// The turn.
        turn: TurnId,
        /// Which sentence.
        index: u32,
        /// Why.
        failure: Failure,
    },
    /// A sentence is over, played to its end or not.
    PlaybackFinished {
        /// The turn.
        turn: TurnId,
        /// Which sentence.
        index: u32,
        /// How much of it was really played.
        played_ms: u32,
        /// Whether that was all of it.
        completed: bool,
    },
    /// A timer set by [`super::Action::SetTimer`] ran out.
    TimerFired {
        /// The turn it belongs to.
        turn: TurnId,
        /// Which timer.
        timer: TimerKind,
    },
    /// A provider became healthy or unhealthy, or faster or slower.
    HealthChanged {
        /// What it does.
        kind: ProviderKind,
        /// Which.
        provider: String,
        /// Whether it may be used.
        healthy: bool,
        /// Expected time to its first result.
        expected_ms: u32,
    },
    /// Flags were changed.
    FlagsChanged {
        /// What holds from now on.
        flags: Flags,
    },
    /// The guard chose which policy acts from now on.
    PolicyChosen {
        /// Which.
        policy: PolicyName,
        /// Why.
        #[serde(rename = "because")]
        reason: String,
    },
    /// The machine of a policy failed and is out of service for the rest of the session; what it acted for is the
    /// other policy's from now on.
    CandidateStopped {
        /// Which.
        policy: PolicyName,
        /// How many inputs of the session it had been fed to their end.
        steps: u64,
        /// Why.
        reason: String,
    },
    /// The process is to stop: no new turns.
    DrainRequested,
    /// The last input of every session.
    SessionEnded {
        /// Why.
        reason: String,
    },
}

/// The provider's name under which bundles of format 1 reported speech that could not be played.
const PLAYBACK_IN_FORMAT_1: &str = "playback";

impl Input {
    /// What an input of a bundle of format 1 says in today's terms.
    pub fn of_format_1(self) -> Self {
        match self {
            Input::SynthesisFailed { turn, index, provider, failure } if provider == PLAYBACK_IN_FORMAT_1 => {
                Input::PlaybackFailed { turn, index, failure }
            }
            other => other,
        }
    }

    /// The turn this is about, if any.
    pub fn turn(&self) -> Option<TurnId> {
        match self {
            Input::UserSpeechStarted { turn, .. }
            | Input::UserSpeechEnded { turn, .. }
            | Input::TranscriptPartial { turn, .. }
            | Input::TranscriptFinal { turn, .. }
            | Input::TranscriptFailed { turn, .. }
            | Input::Asked { turn, .. }
            | Input::SayRequested { turn, .. }
            | Input::SentenceReady { turn, .. }
            | Input::GenerationFinished { turn, .. }
            | Input::GenerationFailed { turn, .. }
            | Input::SynthesisFinished { turn, .. }
            | Input::SynthesisFailed { turn, .. }
            | Input::PlaybackStarted { turn, .. }
            | Input::PlaybackFailed { turn, .. }
            | Input::RateLimited { turn, .. }
            | Input::PlaybackFinished { turn, .. }
            | Input::TimerFired { turn, .. } => Some(*turn),
            Input::SessionStarted { .. }
            | Input::MemberJoined { .. }
            | Input::MemberLeft { .. }
            | Input::ConsentChanged { .. }
            | Input::HealthChanged { .. }
            | Input::FlagsChanged { .. }
            | Input::PolicyChosen { .. }
            | Input::CandidateStopped { .. }
            | Input::DrainRequested
            | Input::SessionEnded { .. } => None,
        }
    }
}
