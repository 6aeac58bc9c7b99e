//! Speech to text and text to speech.
//!
//! Read in this order: [`provider`] says what a provider is and how it fails, [`limits`] how long it may take;
//! [`audio`] and [`text`] are what goes in and comes out, [`sound`] reads files; [`transcribe`] and [`synthesize`] are the two traits.
//! Implementations follow: [`whisper`], [`fixture`] (demo and tests only), [`espeak`], [`piper`]; [`vad`] and [`silero`] detect
//! voice activity for capture. [`settings`] and [`providers`] choose among them and say what is in use.
//!
//! whisper-rs, piper-rs and espeak-ng are used here and nowhere else. What their C code needs is in `docs/speech.md`.
pub mod limits;
pub mod provider;

pub mod audio;
pub mod sound;
pub mod text;

pub mod synthesize;
pub mod transcribe;

pub mod fixture;
#[cfg(feature = "whisper")]
pub mod whisper;

#[cfg(feature = "whisper")]
pub mod silero;
pub mod vad;

#[cfg(feature = "piper")]
pub mod espeak;
#[cfg(feature = "piper")]
pub mod onnx;
#[cfg(feature = "piper")]
pub mod piper;

pub mod models;
pub mod providers;
pub mod settings;

#[cfg(test)]
pub(crate) mod contract;
/// Where tests find real models.
#[cfg(test)]
#[cfg(feature = "piper")]
#[allow(unreachable_pub, reason = "public for tests of the whole")]
#[path = "../../../tests/src/real.rs"]
mod real;

pub use limits::Limits;
pub use provider::{About, ModelFile, SpeechError};
pub use providers::Providers;
pub use settings::Settings;
pub use synthesize::{Spoken, TextToSpeech};
pub use transcribe::{Heard, SpeechToText, Transcript, Utterance};
pub use vad::{VadAbout, VoiceActivity};
