//! Contract suites: one for each trait, run against every implementation.
use std::time::{Duration, Instant};

use antiphon_core::event::ProviderKind;
use antiphon_core::ids::UserId;
use tokio_util::sync::CancellationToken;

use super::limits::Limits;
use super::provider::SpeechError;
#[cfg(feature = "piper")]
use super::synthesize::{TextToSpeech, collect};
use super::transcribe::{Heard, SpeechToText, Utterance};

fn cancelled() -> Limits {
    let cancel = CancellationToken::new();
    cancel.cancel();
    Limits::default().cancelled_by(cancel)
}

fn past() -> Limits {
    Limits { deadline: Some(Instant::now() - Duration::from_secs(1)), ..Limits::default() }
}

/// `known`: an utterance and the words that the provider is sure to hear in it, if there is such a one.
pub(crate) async fn speech_to_text(stt: &dyn SpeechToText, known: Option<(Utterance, &str)>) {
    assert_eq!(stt.about().kind, ProviderKind::Stt);
    assert!(!stt.about().name.is_empty() && stt.about().expected_ms > 0);

    // No sound at all is nothing heard, not an error.
    let user = UserId(1);
    let empty = stt.transcribe(Utterance::new(user, vec![]), &Limits::default()).await.unwrap();
    assert_eq!((empty.heard, empty.text.as_str()), (Heard::Nothing, ""));

    // Limits already reached are kept to.
    let some = Utterance::new(user, vec![0.1; 16_000]);
    let out = stt.transcribe(some.clone(), &cancelled()).await;
    assert!(matches!(out, Err(SpeechError::Cancelled { .. })), "{out:?}");
    let out = stt.transcribe(some, &past()).await;
    assert!(matches!(out, Err(SpeechError::Timeout { .. })), "{out:?}");

    // Afterwards it works as before, and the same sound gives the same words, side by side too.
    if let Some((utterance, words)) = known {
        let none = Limits::default();
        let (a, b, c) = tokio::join!(
            stt.transcribe(utterance.clone(), &none),
            stt.transcribe(utterance.clone(), &none),
            stt.transcribe(utterance, &none),
        );
        for out in [a, b, c] {
            let out = out.unwrap();
            assert_eq!(out.text, words);
            assert_eq!(out.heard, Heard::Words);
            assert!(out.confidence > 0.0 && out.confidence <= 1.0);
            assert!(!format!("{out:?}").contains(words), "transcripts stay out of debug output");
        }
    }
}

#[cfg(feature = "piper")]
pub(crate) async fn text_to_speech(tts: &dyn TextToSpeech) {
    assert_eq!(tts.about().kind, ProviderKind::Tts);
    assert!(!tts.about().name.is_empty() && tts.about().expected_ms > 0);
    let none = Limits::default();

    // Nothing to say is no sound, not an error; nor is what cannot be a C string.
    for text in ["", "  \n", "*** 🙂"] {
        assert_eq!(collect(tts, text, &none).await.unwrap(), Vec::<i16>::new(), "{text:?}");
    }
    let odd = collect(tts, "nul \0 inside", &none).await.unwrap();
    assert!(!odd.is_empty());

    // A sentence is audible, ends, and is as long as a sentence.
    let sentence = "Hello, this is a test of my voice.";
    let spoken = collect(tts, sentence, &none).await.unwrap();
    let seconds = spoken.len() as f64 / 48_000.0;
    assert!((0.3..10.0).contains(&seconds), "{seconds} s");
    assert!(spoken.iter().any(|s| s.unsigned_abs() > 500), "it is silent");

    // Twice as much text takes longer to say.
    let longer = collect(tts, &format!("{sentence} {sentence}"), &none).await.unwrap();
    assert!(longer.len() > spoken.len() * 3 / 2);

    // Many at a time are as good as one after the other.
    let side_by_side: Vec<_> = (0..6).map(|_| collect(tts, sentence, &none)).collect();
    for out in futures_util::future::join_all(side_by_side).await {
        // espeak-ng's lengths vary by a few samples with what it said before.
        assert!(out.unwrap().len().abs_diff(spoken.len()) < 480);
    }

    // Limits already reached are kept to.
    let out = collect(tts, sentence, &cancelled()).await;
    assert!(matches!(out, Err(SpeechError::Cancelled { .. })), "{out:?}");
    let out = collect(tts, sentence, &past()).await;
    assert!(matches!(out, Err(SpeechError::Timeout { .. })), "{out:?}");

    // A listener who never listens does not hold it for ever.
    let (sink, _deaf) = tokio::sync::mpsc::channel(1);
    let soon = Limits::within(Duration::from_millis(300));
    let long = format!("{sentence} ").repeat(20);
    let out = tts.synthesize(&long, &soon, sink).await;
    assert!(matches!(out, Err(SpeechError::Timeout { .. })), "{out:?}");

    // A listener who leaves stops it.
    let (sink, gone) = tokio::sync::mpsc::channel(1);
    drop(gone);
    let out = tts.synthesize(&long, &none, sink).await;
    assert!(matches!(out, Err(SpeechError::Cancelled { .. })), "{out:?}");
}
