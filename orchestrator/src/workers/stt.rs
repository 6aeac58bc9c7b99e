//! Speech to text, as one function from a turn's sound to an input.
use std::time::Instant;

use antiphon_core::event::Input;
use antiphon_core::ids::TurnId;

use super::jobs::SttJob;
use super::timing::{Stage, millis, timed};
use speech::audio::to_f32;
use speech::{Limits, Providers, SpeechError, Utterance};

/// Transcribes a turn's frames. Failing is an answer too: the machine decides what then.
pub async fn transcribe(
    providers: &Providers,
    turn: TurnId,
    work: &SttJob,
    pcm: &[i16],
    limits: &Limits,
) -> Input {
    let started = Instant::now();
    let stage = Stage { name: "stt", provider: &work.provider };
    let heard = timed(stage, SpeechError::failure, async {
        let provider = providers.stt(&work.provider)?;
        let utterance = Utterance { user: work.user, span: None, samples: to_f32(pcm) };
        provider.transcribe(utterance, limits).await
    })
    .await;
    match heard {
        Ok(transcript) => Input::TranscriptFinal {
            turn,
            user: work.user,
            confidence_permille: transcript.confidence_permille(),
            text: transcript.text,
            provider: work.provider.clone(),
            took_ms: millis(started.elapsed()),
        },
        Err(failure) => Input::TranscriptFailed { turn, provider: work.provider.clone(), failure },
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::event::FailureKind;
    use antiphon_core::ids::UserId;

    use super::*;
    use speech::fixture::{FixtureLines, Line};

    fn work(provider: &str) -> SttJob {
        SttJob { user: UserId(5), provider: provider.into() }
    }

    #[tokio::test]
    async fn a_turn_becomes_a_transcript_of_the_one_who_spoke() {
        let script = FixtureLines::default();
        script.publish(UserId(5), Line { start_ms: 0, end_ms: 900, text: "hello".into() });
        let providers = Providers::default().with_fixture(script);
        let out = transcribe(&providers, TurnId(3), &work("script"), &[1; 16_000], &Limits::default()).await;
        assert!(
            matches!(&out, Input::TranscriptFinal { turn: TurnId(3), user: UserId(5), text, provider, confidence_permille: 1000, .. }
                if text == "hello" && provider == "script"),
            "{out:?}"
        );
    }

    #[tokio::test]
    async fn a_missing_provider_is_an_answer() {
        let out =
            transcribe(&Providers::default(), TurnId(3), &work("whisper"), &[], &Limits::default()).await;
        assert!(
            matches!(&out, Input::TranscriptFailed { failure, .. } if failure.kind == FailureKind::Unavailable),
            "{out:?}"
        );
    }
}
