//! Text to speech, as one function from a sentence to sound and an input.
use std::future::Future;
use std::time::Instant;

use antiphon_core::event::{Failure, Input};
use antiphon_core::ids::TurnId;
use tokio::sync::mpsc;

use super::jobs::TtsJob;
use super::timing::{Stage, millis, timed};
use speech::{Limits, Providers, SpeechError};

/// Pieces of sound that may wait for the stream.
const PIECES: usize = 8;

/// Speaks a sentence; `store` takes each piece of 48 kHz mono sound in order. The answer comes when all is stored.
/// Fails itself only when storing does: then nothing may be said of the sentence yet.
pub async fn speak<F, E>(
    providers: &Providers,
    turn: TurnId,
    work: &TtsJob,
    limits: &Limits,
    mut store: impl FnMut(Vec<i16>) -> F,
) -> Result<Input, E>
where
    F: Future<Output = Result<(), E>>,
{
    let started = Instant::now();
    let stage = Stage { name: "tts", provider: &work.provider };
    let (sink, mut pieces) = mpsc::channel(PIECES);
    let speaking = timed(stage, SpeechError::failure, async {
        let provider = providers.tts(&work.provider)?;
        provider.synthesize(&work.text, limits, sink).await
    });
    let storing = async move {
        while let Some(piece) = pieces.recv().await {
            // Leaving drops the receiver, which stops the voice.
            store(piece).await?;
        }
        Ok(())
    };
    let (spoken, stored) = tokio::join!(speaking, storing);
    stored?;
    Ok(match spoken {
        Ok(spoken) => Input::SynthesisFinished {
            turn,
            index: work.index,
            provider: work.provider.clone(),
            audio_ms: spoken.millis(),
            took_ms: millis(started.elapsed()),
        },
        Err(failure) => failed(turn, work, failure),
    })
}

/// A sentence that could not be spoken.
pub fn failed(turn: TurnId, work: &TtsJob, failure: Failure) -> Input {
    Input::SynthesisFailed { turn, index: work.index, provider: work.provider.clone(), failure }
}

#[cfg(test)]
#[cfg(feature = "piper")]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use antiphon_core::event::FailureKind;

    use super::*;
    use speech::espeak::{Espeak, Voice};

    fn providers() -> Providers {
        let mut providers = Providers::default();
        providers.add_tts(Arc::new(Espeak::new(Voice::default(), None).unwrap()));
        providers
    }

    fn work(provider: &str) -> TtsJob {
        let text = "Hello there, this is one sentence.".into();
        TtsJob { provider: provider.into(), index: 2, text }
    }

    #[tokio::test]
    async fn the_answer_comes_when_all_sound_is_stored() {
        let stored = Mutex::new(Vec::new());
        let out = speak(&providers(), TurnId(4), &work("espeak"), &Limits::default(), |piece| {
            stored.lock().unwrap().extend(piece);
            async { Ok::<(), Infallible>(()) }
        })
        .await
        .unwrap();
        let samples = stored.into_inner().unwrap().len() as u64;
        let Input::SynthesisFinished { turn: TurnId(4), index: 2, audio_ms, .. } = out else {
            panic!("{out:?}")
        };
        assert_eq!(audio_ms, speech::audio::millis_48k(samples));
        assert!(audio_ms > 1000);
    }

    #[tokio::test]
    async fn a_failing_store_stops_the_voice() {
        let limits = Limits::default();
        let out =
            speak(&providers(), TurnId(4), &work("espeak"), &limits, |_| async { Err("no Redis") }).await;
        assert_eq!(out, Err("no Redis"));
        let (none, piper) = (Providers::default(), work("piper"));
        let out =
            speak(&none, TurnId(4), &piper, &limits, |_| async { Ok::<(), Infallible>(()) }).await.unwrap();
        assert!(
            matches!(&out, Input::SynthesisFailed { failure, .. } if failure.kind == FailureKind::Unavailable),
            "{out:?}"
        );
    }
}
