//! The voice that needs no model: espeak-ng, in this process.
//!
//! [`voice`] says how it speaks, [`data`] finds its dictionaries, [`engine`] drives the C library under one lock,
//! [`provider`] makes it a [`TextToSpeech`](super::TextToSpeech). Piper's phonemes come through the same engine.
pub mod data;
pub mod engine;
pub mod provider;
pub mod voice;

pub use provider::Espeak;
pub use voice::Voice;
