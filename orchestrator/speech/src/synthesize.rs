//! Text to speech.
use std::fmt;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::audio;
#[cfg(feature = "piper")]
use super::audio::CHUNK_48K;
#[cfg(feature = "piper")]
use super::limits::{Abort, Limits};
use super::provider::{About, SpeechError};

/// Where speech goes as it is made: 48 kHz mono, in pieces of [`audio::CHUNK_48K`] samples or fewer. The channel is bounded:
/// a slow receiver slows the voice down, a receiver that closed stops it.
pub type SpeechSink = mpsc::Sender<Vec<i16>>;

/// What was spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spoken {
    /// 48 kHz mono samples sent.
    pub samples: u64,
}

impl Spoken {
    /// The length in milliseconds, rounded up.
    pub fn millis(&self) -> u32 {
        audio::millis_48k(self.samples)
    }
}

/// Turns text into speech. Safe to call from many tasks at once.
#[async_trait]
pub trait TextToSpeech: Send + Sync + fmt::Debug {
    fn about(&self) -> &About;

    /// Speaks a sentence into `out`. Text with nothing to say is spoken as no samples. Stops between pieces when a
    /// limit is reached or `out`'s receiver was dropped.
    async fn synthesize(&self, text: &str, limits: &Limits, out: SpeechSink) -> Result<Spoken, SpeechError>;
}

/// Speaks a whole text into one buffer.
pub async fn collect(voice: &dyn TextToSpeech, text: &str, limits: &Limits) -> Result<Vec<i16>, SpeechError> {
    let (sink, mut source) = mpsc::channel::<Vec<i16>>(4);
    let gather = async {
        let mut all = Vec::new();
        while let Some(piece) = source.recv().await {
            all.extend_from_slice(&piece);
        }
        all
    };
    let (spoken, all) = tokio::join!(voice.synthesize(text, limits, sink), gather);
    spoken.map(|_| all)
}

/// Sends samples from a blocking thread, piece by piece.
#[cfg(feature = "piper")]
#[derive(Debug)]
pub(crate) struct Feed {
    provider: String,
    sink: SpeechSink,
    abort: Abort,
    pending: Vec<i16>,
    sent: u64,
}

#[cfg(feature = "piper")]
impl Feed {
    pub(crate) fn new(provider: &str, sink: SpeechSink, abort: &Abort) -> Self {
        Self { provider: provider.into(), sink, abort: abort.clone(), pending: Vec::new(), sent: 0 }
    }

    /// Takes samples in -1..1 at 48 kHz.
    pub(crate) fn push(&mut self, pcm: &[f32]) -> Result<(), SpeechError> {
        self.pending.extend(audio::to_i16(pcm));
        let mut used = 0;
        while self.pending.len() - used >= CHUNK_48K {
            let piece = self.pending[used..used + CHUNK_48K].to_vec();
            self.send(piece)?;
            used += CHUNK_48K;
        }
        self.pending.drain(..used);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Spoken, SpeechError> {
        let last = std::mem::take(&mut self.pending);
        if !last.is_empty() {
            self.send(last)?;
        }
        Ok(Spoken { samples: self.sent })
    }

    fn send(&mut self, piece: Vec<i16>) -> Result<(), SpeechError> {
        let samples = piece.len() as u64;
        self.abort.wait(&self.provider, async {
            self.sink
                .send(piece)
                .await
                .map_err(|_| SpeechError::Cancelled { provider: self.provider.clone() })
        })?;
        self.sent += samples;
        Ok(())
    }
}
