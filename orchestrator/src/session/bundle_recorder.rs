//! The session's bundle, written by a thread of its own so that a slow disk never holds up a voice.
//!
//! What is decided (inputs and actions) and what is heard (slots) wait in one bounded queue in which each has its share
//! (`entries`). A full share drops and counts, and the timeline says so as soon as there is room again: nothing is lost
//! silently.
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use antiphon_core::capture_note::CaptureNote;
use antiphon_core::event::{Action, Input, PolicyName};
use antiphon_core::ids::Lane;
use antiphon_core::time::Timestamp;
use bundle::{Fsync, Head, PcmForm, Tail, Writer};

use super::bundle_entry::Entry;
use super::bundle_thread::{Sealed, write};
use super::entry_queue::{Entrance, Share, bounded};
use super::notice::Notice;

/// 20 ms slots that wait for the disk: a minute and a half of five speakers.
const SOUNDS: usize = 22_500;
/// Decisions that wait for the disk: more than a session makes in the same time.
const DECISIONS: usize = 4_096;
/// Notices that wait to be sent: there are not more kinds of them.
const NOTICES: usize = 8;

/// The near end of the queue.
#[derive(Debug)]
pub(super) struct BundleRecorder {
    entries: Entrance<Entry>,
    writer: Option<JoinHandle<Sealed>>,
    notices: Receiver<Notice>,
    /// Entries dropped since the last note about it.
    dropped: u64,
    /// Entries dropped in all.
    pub(super) dropped_total: u64,
    /// A step was dropped: the bundle cannot be replayed any more.
    pub(super) step_lost: bool,
}

/// How what is recorded is kept: while it goes on, and once it has ended.
pub(super) struct Keeping {
    pub(super) fsync: Fsync,
    pub(super) pcm: PcmForm,
}

impl From<Fsync> for Keeping {
    fn from(fsync: Fsync) -> Self {
        Self { fsync, pcm: PcmForm::default() }
    }
}

impl BundleRecorder {
    /// Creates the bundle and starts the thread that writes it.
    pub(super) fn start(
        folder: PathBuf,
        head: Head,
        keeping: impl Into<Keeping>,
    ) -> Result<Self, bundle::BundleError> {
        let Keeping { fsync, pcm } = keeping.into();
        let writer = Writer::create(&folder, head)?.with_fsync(fsync).with_pcm(pcm);
        let (entries, inbox) = bounded(SOUNDS, DECISIONS);
        let (sender, notices) = sync_channel(NOTICES);
        let thread =
            std::thread::Builder::new().name("bundle".into()).spawn(move || write(writer, inbox, sender));
        let writer = match thread {
            Ok(thread) => Some(thread),
            Err(error) => {
                tracing::error!(%error, "no thread for the bundle: nothing is recorded");
                None
            }
        };
        Ok(Self { entries, writer, notices, dropped: 0, dropped_total: 0, step_lost: false })
    }

    pub(super) fn step(&mut self, at: Timestamp, input: Input, actions: Vec<(Lane, PolicyName, Action)>) {
        if !self.send(Share::Decisions, Entry::Step { at, input: Box::new(input), actions }, at) {
            self.step_lost = true;
        }
    }

    /// Sound, or a note.
    pub(super) fn entry(&mut self, at: Timestamp, entry: Entry) {
        self.send(Share::Sound, entry, at);
    }

    /// A disk that does not answer until what comes back is dropped.
    #[cfg(test)]
    pub(super) fn stall(&mut self) -> std::sync::mpsc::Sender<()> {
        let (release, until) = std::sync::mpsc::channel();
        assert!(self.entries.offer(Share::Decisions, Entry::Stall(until)));
        release
    }

    fn send(&mut self, share: Share, entry: Entry, at: Timestamp) -> bool {
        if self.dropped > 0 {
            let note = self.dropped_note();
            if self.entries.offer(Share::Sound, Entry::Note { at, note }) {
                self.dropped = 0;
            }
        }
        let taken = self.entries.offer(share, entry);
        if !taken {
            self.dropped += 1;
            self.dropped_total += 1;
            metrics::counter!("antiphon_capture_dropped_total", "where" => "recording", "why" => "full")
                .increment(1);
        }
        taken
    }

    fn dropped_note(&self) -> CaptureNote {
        CaptureNote::Dropped { user: None, queue: "recording".into(), dropped: self.dropped }
    }

    /// What people are to be notified of about the recording, if anything.
    pub(super) fn notice(&self) -> Option<Notice> {
        self.notices.try_recv().ok()
    }

    /// Writes what waits and seals the bundle; blocks until it is on disk.
    pub(super) fn seal(self, tail: Tail) -> Sealed {
        if self.dropped > 0 {
            let note = self.dropped_note();
            self.entries.put(Entry::Note { at: tail.ended, note });
        }
        let sent = self.entries.put(Entry::Seal(Box::new(tail)));
        // The writer may be waiting for more, or for the end of it: this is the end.
        drop(self.entries);
        let Some(writer) = self.writer else { return Sealed::nothing("nothing was recorded") };
        let mut sealed = writer.join().unwrap_or_else(|_| Sealed::nothing("the bundle's thread failed"));
        if !sent && sealed.fault.is_none() {
            sealed.fault = Some("the bundle ended before the session".into());
        }
        sealed
    }
}
