//! espeak-ng as a [`TextToSpeech`].
use std::path::Path;
use std::sync::Arc;

use antiphon_core::audio::DISCORD_RATE;
use antiphon_core::event::ProviderKind;
use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::engine;
use super::voice::Voice;
use crate::audio::{Resampler, to_f32};
use crate::limits::{Limits, run_blocking};
use crate::provider::{About, SpeechError};
use crate::synthesize::{Feed, SpeechSink, Spoken, TextToSpeech};
use crate::text::{clauses, speakable};

pub const NAME: &str = "espeak";

/// espeak-ng with one voice.
#[derive(Debug)]
pub struct Espeak {
    about: About,
    voice: Voice,
    permits: Arc<Semaphore>,
}

impl Espeak {
    /// Starts espeak-ng and tries the voice.
    pub fn new(voice: Voice, data: Option<&Path>) -> Result<Self, SpeechError> {
        let started = engine::start(data)?;
        engine::phonemes("hello", &voice.name)?;
        let about = About {
            name: NAME.into(),
            kind: ProviderKind::Tts,
            engine: format!("espeak-ng {}", started.version),
            model: None,
            note: Some(format!("voice {}, data in {}", voice.name, started.data.display())),
            expected_ms: 20,
        };
        // Two at a time: one speaks under the engine's lock while the other resamples and sends.
        Ok(Self { about, voice, permits: Arc::new(Semaphore::new(2)) })
    }
}

#[async_trait]
impl TextToSpeech for Espeak {
    fn about(&self) -> &About {
        &self.about
    }

    async fn synthesize(&self, text: &str, limits: &Limits, out: SpeechSink) -> Result<Spoken, SpeechError> {
        let text = speakable(text);
        let voice = self.voice.clone();
        run_blocking(NAME, limits, self.permits.clone(), move |abort| {
            let mut feed = Feed::new(NAME, out, abort);
            let mut resampler: Option<Resampler> = None;
            let mut made = Vec::new();
            for sentence in sentences(&text) {
                abort.check(NAME)?;
                // The lock is released before anything is sent: a slow receiver holds up no other synthesis.
                let (pcm, rate) = engine::speak(&sentence, &voice, abort)?;
                abort.check(NAME)?;
                let resampler = match &mut resampler {
                    Some(resampler) => resampler,
                    None => resampler.insert(
                        Resampler::new(rate, DISCORD_RATE)
                            .map_err(|e| SpeechError::failed(NAME, e.to_string()))?,
                    ),
                };
                resampler.push(&to_f32(&pcm), &mut made);
                feed.push(&made)?;
                made.clear();
            }
            if let Some(resampler) = resampler {
                resampler.finish(&mut made);
                feed.push(&made)?;
            }
            feed.finish()
        })
        .await
    }
}

/// Whole sentences: espeak-ng's melody needs its clauses together, but the lock should be short.
fn sentences(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut sentence = String::new();
    for clause in clauses(text) {
        if !sentence.is_empty() {
            sentence.push(' ');
        }
        sentence.push_str(&clause.words);
        sentence.push(clause.stop);
        if matches!(clause.stop, '.' | '?' | '!') || sentence.len() > 400 {
            out.push(std::mem::take(&mut sentence));
        }
    }
    if !sentence.is_empty() {
        out.push(sentence);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;
    use crate::synthesize::collect;

    #[tokio::test]
    async fn it_keeps_the_contract() {
        contract::text_to_speech(&Espeak::new(Voice::default(), None).unwrap()).await;
    }

    #[tokio::test]
    async fn speed_and_pitch_are_heard() {
        let speak = async |words_per_minute, pitch| {
            let voice = Voice { words_per_minute, pitch, ..Voice::default() };
            let espeak = Espeak::new(voice, None).unwrap();
            collect(&espeak, "One two three four five six seven.", &Limits::default()).await.unwrap()
        };
        let (slow, fast) = (speak(100, 50).await, speak(250, 50).await);
        assert!(slow.len() > fast.len() * 3 / 2, "{} {}", slow.len(), fast.len());
        assert_ne!(speak(165, 20).await, speak(165, 80).await);
    }

    #[test]
    fn an_unknown_voice_is_refused_at_the_start() {
        let voice = Voice { name: "xx-nowhere".into(), ..Voice::default() };
        assert!(matches!(Espeak::new(voice, None), Err(SpeechError::Unavailable { .. })));
    }
}
