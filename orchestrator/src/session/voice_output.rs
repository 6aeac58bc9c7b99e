//! The way a session speaks: songbird in production, a quiet one for mirrored sound.
use std::fmt;
use std::sync::Arc;

use antiphon_core::audio::DISCORD_RATE;
use antiphon_core::ids::TurnId;
use async_trait::async_trait;

/// One sentence's speech.
#[derive(Clone)]
pub struct Clip {
    /// The turn it answers.
    pub turn: TurnId,
    /// Which sentence.
    pub index: u32,
    /// 48 kHz, mono, 16 bit.
    pub pcm: Arc<[i16]>,
}

impl Clip {
    /// Its length.
    pub fn millis(&self) -> u32 {
        u32::try_from(self.pcm.len() as u64 * 1000 / u64::from(DISCORD_RATE)).unwrap_or(u32::MAX)
    }

    /// The samples of its first `ms` milliseconds.
    pub fn first_millis(&self, ms: u32) -> &[i16] {
        let samples = u64::from(ms) * u64::from(DISCORD_RATE) / 1000;
        let samples = usize::try_from(samples).unwrap_or(usize::MAX).min(self.pcm.len());
        &self.pcm[..samples]
    }
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clip({}.{}, {} ms)", self.turn, self.index, self.millis())
    }
}

/// Why something could not be said.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The connection is closed.
    #[error("the voice connection is closed")]
    Gone,
    /// The text channel did not take a message.
    #[error("the text channel did not take the message: {0}")]
    Text(String),
}

/// What comes back from speaking.
#[derive(Debug, Clone)]
pub enum LinkEvent {
    /// The first frame of a clip goes out.
    Started {
        /// The clip.
        clip: Clip,
    },
    /// A clip ended.
    Finished {
        /// The clip.
        clip: Clip,
        /// How much of it was really played.
        played_ms: u32,
        /// Whether that was all of it.
        completed: bool,
    },
}

/// Speaks into a channel. Clips are played in the order given; every clip given is reported finished exactly once.
#[async_trait]
pub trait VoiceLink: Send + Sync + fmt::Debug {
    /// Plays a clip after whatever is playing.
    async fn play(&self, clip: Clip) -> Result<(), LinkError>;
    /// Falls silent at once and forgets the clips that wait.
    async fn stop(&self) -> Result<(), LinkError>;
    /// Writes to the session's text channel.
    async fn post_text(&self, text: &str) -> Result<(), LinkError>;
}
