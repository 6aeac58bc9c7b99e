//! The small model that ships with the project: a fixture and an embedded default for scripted speakers, trained on
//! synthetic speech of a closed domain. People's voices need a model of OpenAI's.
use super::provider::Whisper;
use crate::speech::provider::SpeechError;

/// The provider's name.
pub const NAME: &str = "whisper-nano";

/// Loads it.
pub fn load(_concurrency: usize) -> Result<Whisper, SpeechError> {
    Err(SpeechError::unavailable(
        NAME,
        "no model ships with this version",
        "Name a Whisper model in ANTIPHON_WHISPER_MODEL",
    ))
}
