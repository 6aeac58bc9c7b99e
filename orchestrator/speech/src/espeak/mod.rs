//! The voice that needs no model: espeak-ng, in this process.
//!
//! [`data`] finds its dictionaries, [`engine`] drives the C library under one lock, [`provider`] makes it a
//! [`TextToSpeech`](super::TextToSpeech). Piper's phonemes come through the same engine.
pub mod data;
pub mod engine;
pub mod provider;

pub use provider::{Espeak, Voice};
