//! How a session ends: turns first, then its tasks, then the record.
use std::time::Duration;

use antiphon_core::event::Input;
use tracing::{Instrument, info_span};

use super::bundle_thread::Sealed;
use super::handle::Ended;
use super::playback::PlaybackOrder;
use super::runner::{Inbox, Runner};
use super::sinks::Written;

/// How long a session that ends waits for its effects to be reported.
const EFFECTS_TIMEOUT: Duration = Duration::from_secs(2);
/// How long its tasks may take to end after that.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(8);

impl Runner {
    /// Ends every turn, lets the effects have their last word, seals the bundle.
    pub(super) async fn end(mut self, reason: String, mut inbox: Inbox) -> Ended {
        let span = info_span!("session_end", guild = %self.guild, session = %self.session);
        async move {
            // What was heard before the end counts.
            for heard in inbox.all_heard() {
                self.heard(heard);
            }
            let now = self.clocked.now();
            self.pipeline.finish(now);
            self.drain(now);
            // Silence first, so that the record says what was really played.
            self.playback.order(PlaybackOrder::Stop);
            let last_words = tokio::time::sleep(EFFECTS_TIMEOUT);
            tokio::pin!(last_words);
            while self.turns.is_playing() {
                tokio::select! {
                    Some(event) = inbox.link.recv() => self.link_event(event),
                    () = &mut last_words => break,
                }
            }
            self.settle_candidate(&mut inbox).await;
            self.happened(self.clocked.now(), Input::SessionEnded { reason: reason.clone() });
            self.settle_candidate(&mut inbox).await;
            self.close_tasks(&mut inbox).await;
            self.finish(reason).await
        }
        .instrument(span)
        .await
    }

    /// Lets the tasks end. Results are still taken from them, or they could wait for ever; what they say no longer counts.
    async fn close_tasks(&mut self, inbox: &mut Inbox) {
        let closing = async {
            self.transport.close().await;
            self.playback.close().await;
        };
        let limit = tokio::time::sleep(CLOSE_TIMEOUT);
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

    /// Waits for the candidate's last answers, for no longer than a step may take.
    async fn settle_candidate(&mut self, inbox: &mut Inbox) {
        let limit = tokio::time::sleep(self.deciding.step_budget());
        tokio::pin!(limit);
        while self.sinks.first_awaited().is_some() {
            tokio::select! {
                Some(report) = inbox.reports.recv() => self.reported(report),
                () = &mut limit => {
                    self.candidate_failed(self.clocked.now(), None, "it had not answered when the session ended");
                    return;
                }
            }
        }
    }

    async fn finish(self, reason: String) -> Ended {
        let ended = self.clocked.now();
        let Written { sealed, rows_dropped } = self.sinks.finish(ended, reason.clone()).await;
        let Sealed { folder: bundle, fault: recording_fault } = sealed;
        let status = self.status.borrow().clone();
        if rows_dropped > 0 {
            tracing::error!(rows_dropped, "ledger rows of this session were dropped: its queue was full");
        }
        tracing::info!(reason, turns = status.turns, bundle = ?bundle, fault = ?recording_fault, "session ended");
        Ended { reason, bundle, recording_fault, status }
    }
}
