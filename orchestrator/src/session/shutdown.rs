//! How a session ends: turns first, then its tasks, then the record.
use std::time::Duration;

use antiphon_core::event::Input;
use bundle::Tail;
use tracing::{Instrument, info_span};

use super::bundle_thread::Sealed;
use super::handle::Ended;
use super::playback::VoiceOrder;
use super::runner::{Inbox, Runner};

/// How long a session that ends waits for its effects to be told.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long its tasks may take to end after that.
const CLOSING: Duration = Duration::from_secs(8);

impl Runner {
    /// Ends every turn, lets the effects have their last word, seals the bundle.
    pub(super) async fn end(mut self, reason: String, mut inbox: Inbox) -> Ended {
        let span = info_span!("session_end", guild = %self.guild, session = %self.session);
        async move {
            // What was heard before the end counts.
            for heard in inbox.all_heard() {
                self.heard(heard);
            }
            let now = self.clock.now();
            self.pipeline.finish(now);
            self.drain(now);
            // Silence first, so that the record says what was really played.
            self.voice.order(VoiceOrder::Stop);
            let last_words = tokio::time::sleep(LAST_WORDS);
            tokio::pin!(last_words);
            while !self.playing.is_empty() {
                tokio::select! {
                    Some(event) = inbox.link.recv() => self.link_event(event),
                    () = &mut last_words => break,
                }
            }
            self.happened(self.clock.now(), Input::SessionEnded { reason: reason.clone() });
            self.close_tasks(&mut inbox).await;
            self.finish(reason).await
        }
        .instrument(span)
        .await
    }

    /// Lets the tasks end. Results are still taken from them, or they could wait for ever; what they say no longer counts.
    async fn close_tasks(&mut self, inbox: &mut Inbox) {
        let closing = async {
            self.wire.close().await;
            self.voice.close().await;
        };
        let limit = tokio::time::sleep(CLOSING);
        tokio::pin!(closing, limit);
        loop {
            tokio::select! {
                () = &mut closing => return,
                Some(_) = inbox.results.recv() => {}
                () = &mut limit => {
                    tracing::error!("a session's tasks did not end in time and are left behind");
                    return;
                }
            }
        }
    }

    async fn finish(mut self, reason: String) -> Ended {
        let mut rows_dropped = 0;
        let proof = match &self.recorder {
            Some(recorder) => match recorder.finish(self.session).await {
                Ok(finished) => {
                    rows_dropped = finished.dropped;
                    Some(finished.proof)
                }
                Err(error) => {
                    tracing::error!(%error, "the ledger's head could not be read; the bundle goes without it");
                    None
                }
            },
            None => None,
        };
        let tail = Tail { ended: self.clock.now(), reason: reason.clone(), ledger: proof };
        let (mut bundle, mut recording_fault) = (None, None);
        if let Some(sealing) = self.sealing.take() {
            let sealed = sealing.await.unwrap_or_else(|error| Sealed::nothing(&error.to_string()));
            (bundle, recording_fault) = (sealed.folder, sealed.fault);
        }
        if let Some(recording) = self.recording.take() {
            let lost = recording.step_lost;
            let sealed = tokio::task::spawn_blocking(move || recording.seal(tail)).await;
            let sealed = sealed.unwrap_or_else(|error| Sealed::nothing(&error.to_string()));
            (bundle, recording_fault) = (sealed.folder, sealed.fault);
            if lost {
                recording_fault = Some("the disk was too slow: decisions are missing from the bundle".into());
            }
        }
        let status = self.status.borrow().clone();
        if rows_dropped > 0 {
            tracing::error!(rows_dropped, "ledger rows of this session were dropped: its queue was full");
        }
        tracing::info!(reason, turns = status.turns, bundle = ?bundle, fault = ?recording_fault, "session ended");
        Ended { reason, bundle, recording_fault, status }
    }
}
