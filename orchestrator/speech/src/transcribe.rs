//! Speech to text.
use std::fmt;
use std::time::Duration;

use antiphon_core::audio::{AudioSpan, SPEECH_RATE};
use antiphon_core::ids::UserId;
use async_trait::async_trait;

use super::limits::Limits;
use super::provider::{About, SpeechError};

/// What a transcript says where a person spoke and could not be understood.
pub const INAUDIBLE: &str = "[INAUDIBLE]";

/// One turn's sound.
#[derive(Clone)]
pub struct Utterance {
    /// Whose voice, as fixed when the packets arrived.
    pub user: UserId,
    /// Where it lies on their track, if known.
    pub span: Option<AudioSpan>,
    /// 16 kHz mono, -1..1.
    pub samples: Vec<f32>,
}

impl fmt::Debug for Utterance {
    /// Without the samples.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Utterance")
            .field("user", &self.user)
            .field("span", &self.span)
            .field("length", &self.length())
            .finish()
    }
}

impl Utterance {
    /// Sound of no known place.
    pub fn new(user: UserId, samples: Vec<f32>) -> Self {
        Self { user, span: None, samples }
    }

    /// How long it is.
    pub fn length(&self) -> Duration {
        Duration::from_secs_f64(self.samples.len() as f64 / f64::from(SPEECH_RATE))
    }
}

/// What sort of thing was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Words.
    Words,
    /// A person spoke; the words are unknown.
    Inaudible,
    /// No one spoke.
    Nothing,
}

/// What was heard.
#[derive(Clone, PartialEq)]
pub struct Transcript {
    /// The words. [`INAUDIBLE`] stands where they could not be made out; empty when no one spoke.
    pub text: String,
    /// What sort of thing it is.
    pub heard: Heard,
    /// How sure the provider is of the words, 0..1; 0 when there are none.
    pub confidence: f32,
    /// The least probable token's probability, where the provider has tokens.
    pub least: f32,
    /// The tokens' mean probability, likewise.
    pub mean: f32,
    /// Into how many pieces the sound was cut to fit the model's window.
    pub pieces: usize,
}

impl fmt::Debug for Transcript {
    /// Without what was said: transcripts are personal data and stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcript")
            .field("heard", &self.heard)
            .field("chars", &self.text.chars().count())
            .field("confidence", &self.confidence)
            .finish_non_exhaustive()
    }
}

impl Transcript {
    /// No one spoke.
    pub fn nothing() -> Self {
        Self { text: String::new(), heard: Heard::Nothing, confidence: 0.0, least: 0.0, mean: 0.0, pieces: 0 }
    }

    /// The confidence as records keep it.
    pub fn confidence_permille(&self) -> u16 {
        (self.confidence.clamp(0.0, 1.0) * 1000.0).round() as u16
    }
}

/// Turns speech into text. Safe to call from many tasks at once; the provider bounds what really runs at a time.
#[async_trait]
pub trait SpeechToText: Send + Sync + fmt::Debug {
    fn about(&self) -> &About;

    /// Transcribes one turn. Empty and very short sound is [`Heard::Nothing`], not an error. Returns as soon as a
    /// limit is reached, with [`SpeechError::Timeout`] or [`SpeechError::Cancelled`].
    async fn transcribe(&self, utterance: Utterance, limits: &Limits) -> Result<Transcript, SpeechError>;
}
