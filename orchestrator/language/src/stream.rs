//! Runs a model and gives whole sentences as they come, made fit to be spoken.
use antiphon_core::event::GenerationRequest;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::spoken::for_the_ear;
use super::{Finish, Generated, LanguageError, LanguageModel};
use antiphon_core::text::sentences::SentenceSplitter;

/// Pieces of text that may lie between the model and the splitter.
const PIECES: usize = 64;

/// Has `model` write a reply and sends its sentences, at most `request.max_sentences` of them; gives how many, and how
/// it went. When it fails midway, sentences that were sent stand, and an unfinished one is dropped.
///
/// The receiver sets the pace: a full channel holds the model back.
pub async fn by_sentence(
    model: &dyn LanguageModel,
    request: &GenerationRequest,
    cancel: &CancellationToken,
    sentences: mpsc::Sender<String>,
) -> Result<(u32, Generated), LanguageError> {
    let (deltas, mut pieces) = mpsc::channel(PIECES);
    // Ends the model alone, when there are sentences enough.
    let enough = cancel.child_token();
    let started = tokio::time::Instant::now();
    let writing = model.generate(request, &enough, deltas);
    let cutting = async {
        let mut splitter = SentenceSplitter::new();
        let (mut sent, mut first) = (0u32, None);
        while let Some(piece) = pieces.recv().await {
            first.get_or_insert_with(|| started.elapsed());
            for sentence in splitter.push(&piece) {
                if sent < request.max_sentences {
                    match deliver(&sentence, &sentences, cancel).await {
                        Some(delivered) => sent += delivered,
                        // The receiver was dropped: nothing more is written.
                        None => enough.cancel(),
                    }
                }
            }
            if sent >= request.max_sentences {
                enough.cancel();
            }
        }
        (sent, first, splitter)
    };
    let (result, (mut sent, first, mut splitter)) = tokio::join!(writing, cutting);
    let generated = match result {
        Ok(generated) => generated,
        // It was cut off by us, having said enough.
        Err(LanguageError::Cancelled) if sent >= request.max_sentences && !cancel.is_cancelled() => {
            Generated {
                first_token: first.unwrap_or_default(),
                took: started.elapsed(),
                finish: Finish::Length,
            }
        }
        Err(error) => return Err(error),
    };
    for sentence in splitter.finish() {
        if sent < request.max_sentences {
            sent += deliver(&sentence, &sentences, cancel).await.ok_or(LanguageError::Cancelled)?;
        }
    }
    Ok((sent, generated))
}

/// Sends a sentence as it is to be spoken; gives how many that were (one that held nothing to speak is none), or none
/// when the receiver was dropped or it was cancelled.
async fn deliver(sentence: &str, to: &mpsc::Sender<String>, cancel: &CancellationToken) -> Option<u32> {
    let spoken = for_the_ear(sentence);
    if !spoken.chars().any(char::is_alphanumeric) {
        return Some(0);
    }
    tokio::select! {
        biased;
        () = cancel.cancelled() => None,
        sent = to.send(spoken) => sent.ok().map(|()| 1),
    }
}
