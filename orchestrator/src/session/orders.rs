//! Orders of a session to its transport.
use antiphon_core::event::GenerationRequest;
use antiphon_core::ids::{TurnId, UserId};

/// For the streams of a turn. May be carried out twice: chunks have numbers.
#[derive(Debug)]
pub(super) enum StreamOrder {
    Frames { turn: TurnId, pcm: Vec<i16> },
    FramesEnd { turn: TurnId },
    Cancel { turn: TurnId },
    Forget { turn: TurnId },
}

/// For the workers.
#[derive(Debug)]
pub(super) enum JobOrder {
    Transcribe { turn: TurnId, user: UserId, provider: String },
    Generate { turn: TurnId, user: Option<UserId>, provider: String, request: GenerationRequest },
    Synthesize { turn: TurnId, index: u32, provider: String, text: String },
}

/// Either, in the order in which they were given.
#[derive(Debug)]
pub(super) enum RedisOrder {
    Stream(StreamOrder),
    Job(JobOrder),
}

impl From<StreamOrder> for RedisOrder {
    fn from(order: StreamOrder) -> Self {
        Self::Stream(order)
    }
}

impl From<JobOrder> for RedisOrder {
    fn from(order: JobOrder) -> Self {
        Self::Job(order)
    }
}
