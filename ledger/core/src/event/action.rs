//! The machine's actions.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decision::{Decision, ReplyStyle};
use crate::ids::{TurnId, UserId};

/// Who said a message of the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions.
    System,
    /// A person.
    User,
    /// The bot.
    Assistant,
}

/// One message of the context for a language model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// The speaker's name, for [`Role::User`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What was said.
    pub text: String,
}

/// What is asked of a language model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct GenerationRequest {
    /// The talk so far; the last message is the one to answer.
    pub messages: Vec<Message>,
    /// How to answer.
    pub style: ReplyStyle,
    /// Sentences at the most.
    pub max_sentences: u32,
}

/// Why playback was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Somebody started to speak while the bot spoke.
    BargeIn,
    /// A newer reply takes its place.
    Superseded,
    /// The session ends.
    SessionEnded,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimerKind {
    /// The transcript is overdue.
    Transcribe,
    /// The reply's next sentence is overdue.
    Generate,
    /// A sentence's speech is overdue.
    Synthesize,
    /// Playback is overdue: its end, or its beginning while somebody else keeps speaking.
    Playback,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered aloud, to the end.
    Answered,
    /// Answered in writing.
    AnsweredInText,
    /// The answer was interrupted.
    Interrupted,
    /// Not meant for the bot, or nothing to answer.
    Ignored,
    /// Nothing intelligible was heard.
    Unintelligible,
    /// Every way of answering failed.
    Failed,
    /// The session ended first.
    Abandoned,
}

/// Everything that the machine may want. Production performs it; the sandbox only records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action {
    /// A choice, with its reason: performed by writing it down.
    Decide {
        /// The choice.
        decision: Decision,
    },
    /// Turn a turn's audio into text.
    Transcribe {
        /// The turn.
        turn: TurnId,
        /// Whose audio.
        user: UserId,
        /// By whom.
        provider: String,
    },
    /// Write a reply.
    Generate {
        /// The turn.
        turn: TurnId,
        /// By whom.
        provider: String,
        /// What is asked.
        request: GenerationRequest,
    },
    /// Stop writing the reply.
    CancelGeneration {
        /// The turn.
        turn: TurnId,
    },
    /// Make a sentence's speech.
    Synthesize {
        /// The turn.
        turn: TurnId,
        /// Which sentence.
        index: u32,
        /// By whom.
        provider: String,
        /// The sentence.
        text: String,
    },
    /// Stop making speech for a turn.
    CancelSynthesis {
        /// The turn.
        turn: TurnId,
    },
    /// Play a sentence, after whatever is playing.
    Play {
        /// The turn.
        turn: TurnId,
        /// Which sentence.
        index: u32,
    },
    /// Fall silent at once.
    StopPlayback {
        /// The turn whose reply is being played.
        turn: TurnId,
        /// Why.
        reason: StopReason,
    },
    /// Write to the session's text channel.
    PostText {
        /// The turn.
        turn: TurnId,
        /// What to write.
        text: String,
    },
    /// Send [`super::Input::TimerFired`] after a while. A timer of the same turn and kind is replaced.
    SetTimer {
        /// The turn.
        turn: TurnId,
        /// Which.
        timer: TimerKind,
        /// When.
        after_ms: u32,
    },
    /// Forget a timer.
    CancelTimer {
        /// The turn.
        turn: TurnId,
        /// Which.
        timer: TimerKind,
    },
    /// The turn is over: what it held may be freed.
    CloseTurn {
        /// The turn.
        turn: TurnId,
        /// How it ended.
        outcome: Outcome,
        /// What was really said aloud, cut where it was interrupted.
        said: String,
    },
}

impl Action {
    /// The turn this is about, if any.
    pub fn turn(&self) -> Option<TurnId> {
        match self {
            Action::Decide { decision } => decision.turn,
            Action::Transcribe { turn, .. }
            | Action::Generate { turn, .. }
            | Action::CancelGeneration { turn }
            | Action::Synthesize { turn, .. }
            | Action::CancelSynthesis { turn }
            | Action::Play { turn, .. }
            | Action::StopPlayback { turn, .. }
            | Action::PostText { turn, .. }
            | Action::SetTimer { turn, .. }
            | Action::CancelTimer { turn, .. }
            | Action::CloseTurn { turn, .. } => Some(*turn),
        }
    }
}
