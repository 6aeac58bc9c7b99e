//! Bundle writer thread.
//!
//! When the disk fails or is full, writing stops there and then, people are notified, and what was written is made a whole
//! bundle at once: nobody has to know of `antiphon bundle recover` to keep it.
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use antiphon_core::capture_note::CaptureNote;
use bundle::{BundleError, PacketInfo, Tail, Writer, recover};
use capture::{Slot, SlotPacket};

use super::bundle_entry::Entry;
use super::disk_watch::DiskWatch;
use super::entry_queue::Exit;
use super::notice::Notice;
use super::playback_recording::Spoken;

/// How often the bundle is tended when there is much to write.
const TEND: Duration = Duration::from_millis(250);

/// How a recording ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sealed {
    /// The bundle, whole; none when nothing could be kept.
    pub(super) folder: Option<PathBuf>,
    /// What went wrong, if anything.
    pub(super) fault: Option<String>,
}

impl Sealed {
    pub(super) fn nothing(fault: &str) -> Self {
        Self { folder: None, fault: Some(fault.to_owned()) }
    }
}

/// Why writing ended.
enum Over {
    /// The session ended.
    Seal(Box<Tail>),
    /// The session's task has ended.
    Gone,
    /// The disk.
    Failed(BundleError),
}

/// Writes until the session's end.
pub(super) fn write(mut writer: Writer, mut inbox: Exit<Entry>, notices: SyncSender<Notice>) -> Sealed {
    let folder = writer.dir().to_path_buf();
    let failed = match pump(&mut writer, &mut inbox, &notices) {
        Over::Seal(tail) => match writer.seal(*tail) {
            Ok(_) => return Sealed { folder: Some(folder), fault: None },
            Err(error) => error,
        },
        Over::Gone => {
            drop(writer);
            return rescue(&folder, "the session ended without sealing its bundle");
        }
        Over::Failed(error) => {
            drop(writer);
            error
        }
    };
    let notice = Notice::stopped(&failed);
    tracing::error!(error = %failed, folder = %folder.display(), "recording stopped; what was written so far is kept");
    metrics::counter!("antiphon_bundle_errors_total").increment(1);
    if notices.try_send(notice).is_err() {
        tracing::debug!("the session no longer takes notices");
    }
    let sealed = rescue(&folder, &format!("recording stopped: {failed}"));
    // The session goes on, and what it would have recorded is dropped.
    for entry in inbox {
        if matches!(entry, Entry::Seal(_)) {
            break;
        }
        metrics::counter!("antiphon_capture_dropped_total", "where" => "recording", "why" => "stopped")
            .increment(1);
    }
    sealed
}

/// Makes a whole bundle of what was written.
fn rescue(folder: &Path, why: &str) -> Sealed {
    match recover(folder, why) {
        Ok(recovery) => {
            tracing::warn!(folder = %folder.display(), kept_ms = recovery.kept_ms, "what was recorded is a whole bundle");
            Sealed { folder: Some(folder.to_path_buf()), fault: Some(why.to_owned()) }
        }
        Err(error) => {
            tracing::error!(%error, folder = %folder.display(), "the bundle is left open");
            let hint = format!("make room and run `antiphon bundle recover {}`", folder.display());
            Sealed { folder: None, fault: Some(format!("{why}; {error}; {hint}")) }
        }
    }
}

fn pump(writer: &mut Writer, inbox: &mut Exit<Entry>, notices: &SyncSender<Notice>) -> Over {
    let mut disk = DiskWatch::new(writer.dir());
    let mut tended = Instant::now();
    let mut spoken = Spoken::default();
    let mut refused = Refused::default();
    loop {
        // Tended when nothing waits, and now and then when there is always something.
        let mut entry = inbox.within(Duration::ZERO);
        if matches!(entry, Err(RecvTimeoutError::Timeout)) || tended.elapsed() >= TEND {
            tended = Instant::now();
            if let Err(error) = refused.note(writer).and_then(|()| writer.tend(tended)) {
                return Over::Failed(error);
            }
            if let Some(notice) = disk.look(tended)
                && notices.try_send(notice).is_err()
            {
                tracing::debug!("a notice about the disk waits already");
            }
        }
        if matches!(entry, Err(RecvTimeoutError::Timeout)) {
            entry = inbox.within(TEND);
        }
        match entry {
            Ok(Entry::Seal(tail)) => match refused.note(writer) {
                Ok(()) => return Over::Seal(tail),
                Err(error) => return Over::Failed(error),
            },
            #[cfg(test)]
            Ok(Entry::Stall(until)) => {
                // Ends with an error when the other end is closed: that is what is waited for.
                let _over = until.recv();
            }
            Ok(entry) => {
                if let Err(error) = one(writer, &mut spoken, entry).or_else(|error| refused.take(error)) {
                    return Over::Failed(error);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Over::Gone,
        }
    }
}

/// Entries that the writer refused for what they are: they are dropped, counted and noted, and the recording goes on. Any
/// other error is the disk's.
#[derive(Debug, Default)]
struct Refused {
    since_noted: u64,
    slot: u64,
}

impl Refused {
    fn take(&mut self, error: BundleError) -> Result<(), BundleError> {
        match &error {
            BundleError::Io { .. } => return Err(error),
            BundleError::OutOfOrder { slot, .. } | BundleError::Withheld { slot, .. } => self.slot = *slot,
            // A limit of the format: too many speakers, a track too long. It is noted where the last one was.
            _ => {}
        }
        if self.since_noted == 0 {
            tracing::error!(%error, "the recording goes on without it");
        }
        metrics::counter!("antiphon_capture_dropped_total", "where" => "recording", "why" => "refused")
            .increment(1);
        self.since_noted += 1;
        Ok(())
    }

    fn note(&mut self, writer: &mut Writer) -> Result<(), BundleError> {
        if self.since_noted == 0 {
            return Ok(());
        }
        let dropped = std::mem::take(&mut self.since_noted);
        writer.note(
            writer.time_of(self.slot),
            CaptureNote::Dropped { user: None, queue: "refused".into(), dropped },
        )
    }
}

fn one(writer: &mut Writer, spoken: &mut Spoken, entry: Entry) -> Result<(), BundleError> {
    match entry {
        Entry::Step { at, input, actions } => {
            let step = writer.input(at, &input)?;
            for (lane, policy, action) in &actions {
                writer.actions(*lane, *policy, at, step, std::slice::from_ref(action))?;
            }
            Ok(())
        }
        Entry::Slot(slot) => slot_of(writer, &slot),
        Entry::Surplus { user, slot, folded, packet } => match info_of(&packet) {
            Some(info) if folded => writer.surplus(user, slot, info),
            Some(info) => writer.shared(user, slot, info),
            None => Ok(()),
        },
        Entry::Note { at, note } => writer.note(at, note),
        Entry::Played(played) => spoken.write(writer, &played),
        // Handled where they are taken out.
        Entry::Seal(_) => Ok(()),
        #[cfg(test)]
        Entry::Stall(_) => Ok(()),
    }
}

fn slot_of(writer: &mut Writer, slot: &Slot) -> Result<(), BundleError> {
    match (&slot.packet, &slot.pcm) {
        (None, Some(pcm)) if slot.mark == antiphon_core::audio::SlotMark::Received => {
            // Mirrored sound is kept at its own rate where it can be.
            let original: Option<Vec<i16>> = slot.original.as_ref().map(|bytes| {
                bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
            });
            let samples = original.as_deref().unwrap_or(pcm.samples());
            writer.pcm(slot.user, slot.slot, slot.mark, Some(samples))
        }
        (Some(packet), _) => writer.slot(slot.user, slot.slot, slot.mark, info_of(packet)),
        (None, _) => writer.slot(slot.user, slot.slot, slot.mark, None),
    }
}

fn info_of(packet: &SlotPacket) -> Option<PacketInfo<'_>> {
    packet.opus.as_ref().map(|payload| PacketInfo {
        ssrc: packet.ssrc,
        sequence: packet.sequence,
        timestamp: packet.timestamp,
        epoch: packet.epoch,
        arrival: packet.arrived,
        payload,
    })
}
