//! The session's bundle, written by a thread of its own so that a slow disk never holds up a voice.
//!
//! What is decided (inputs and actions) and what is heard (slots) wait in one bounded queue in which each has its share
//! (`entries`). A full share drops and counts, and the timeline says so as soon as there is room again: nothing is lost
//! silently.
use std::path::PathBuf;
use std::thread::JoinHandle;

use capture::{Slot, SlotPacket};
use ledger::bundle::{Head, Note, PacketInfo, Tail, Writer};
use ledger::event::{Action, Input, Policy};
use ledger::ids::{Lane, UserId};
use ledger::time::Timestamp;

use super::entries::{Entrance, Exit, Share, bounded};
use super::link::Clip;

/// 20 ms slots that wait for the disk: a minute and a half of five speakers.
const SOUNDS: usize = 22_500;
/// Decisions that wait for the disk: more than a session makes in the same time.
const DECISIONS: usize = 4_096;
/// Samples of one slot at 48 kHz.
const SLOT_48K: usize = ledger::audio::SLOT_SAMPLES_48K;

/// What is written.
#[derive(Debug)]
enum Entry {
    Step {
        at: Timestamp,
        input: Box<Input>,
        actions: Vec<(Lane, Policy, Action)>,
    },
    Slot(Box<Slot>),
    Surplus {
        user: UserId,
        slot: u64,
        packet: SlotPacket,
    },
    Note {
        at: Timestamp,
        note: Note,
    },
    Played {
        at: Timestamp,
        clip: Clip,
        played_ms: u32,
    },
    Seal(Box<Tail>),
    /// A disk that does not answer until the other end is dropped.
    #[cfg(test)]
    Stall(std::sync::mpsc::Receiver<()>),
}

/// The near end of the queue.
#[derive(Debug)]
pub(super) struct Recording {
    entries: Entrance<Entry>,
    writer: Option<JoinHandle<Result<PathBuf, String>>>,
    /// Entries dropped since the last note about it.
    dropped: u64,
    /// Entries dropped in all.
    pub(super) dropped_total: u64,
    /// A step was dropped: the bundle cannot be replayed any more.
    pub(super) step_lost: bool,
}

impl Recording {
    /// Creates the bundle and starts the thread that writes it.
    pub(super) fn start(folder: PathBuf, head: Head) -> Result<Self, ledger::bundle::BundleError> {
        let writer = Writer::create(&folder, head)?;
        let (entries, inbox) = bounded(SOUNDS, DECISIONS);
        let thread = std::thread::Builder::new().name("bundle".into()).spawn(move || write(writer, inbox));
        let writer = match thread {
            Ok(thread) => Some(thread),
            Err(error) => {
                tracing::error!(%error, "no thread for the bundle: nothing is recorded");
                None
            }
        };
        Ok(Self { entries, writer, dropped: 0, dropped_total: 0, step_lost: false })
    }

    pub(super) fn step(&mut self, at: Timestamp, input: Input, actions: Vec<(Lane, Policy, Action)>) {
        if !self.send(Share::Decisions, Entry::Step { at, input: Box::new(input), actions }, at) {
            self.step_lost = true;
        }
    }

    pub(super) fn slot(&mut self, at: Timestamp, slot: Slot) {
        self.send(Share::Sound, Entry::Slot(Box::new(slot)), at);
    }

    /// A packet without a slot of its own: replay needs it.
    pub(super) fn surplus(&mut self, at: Timestamp, user: UserId, slot: u64, packet: SlotPacket) {
        self.send(Share::Sound, Entry::Surplus { user, slot, packet }, at);
    }

    pub(super) fn note(&mut self, at: Timestamp, note: Note) {
        self.send(Share::Sound, Entry::Note { at, note }, at);
    }

    /// The bot's own voice: `clip`, begun at `at`, of which `played_ms` were really played.
    pub(super) fn played(&mut self, at: Timestamp, clip: Clip, played_ms: u32) {
        self.send(Share::Sound, Entry::Played { at, clip, played_ms }, at);
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

    fn dropped_note(&self) -> Note {
        Note::Dropped { user: None, queue: "recording".into(), dropped: self.dropped }
    }

    /// Writes what waits, seals the bundle and gives its folder; blocks until it is on disk.
    pub(super) fn seal(mut self, tail: Tail) -> Result<PathBuf, String> {
        if self.dropped > 0 {
            let note = self.dropped_note();
            self.entries.put(Entry::Note { at: tail.ended, note });
        }
        let sent = self.entries.put(Entry::Seal(Box::new(tail)));
        let Some(writer) = self.writer.take() else { return Err("nothing was recorded".into()) };
        let written = writer.join().map_err(|_| "the bundle's thread failed".to_owned())?;
        if !sent && written.is_ok() {
            return Err("the bundle ended before the session".into());
        }
        written
    }
}

fn write(mut writer: Writer, inbox: Exit<Entry>) -> Result<PathBuf, String> {
    let folder = writer.dir().to_path_buf();
    let mut fault: Option<String> = None;
    for entry in inbox {
        if let Entry::Seal(tail) = entry {
            return match fault {
                // What was written stays, unsealed: a bundle with a hole never reads as whole.
                Some(fault) => Err(fault),
                None => writer.seal(*tail).map(|_| folder).map_err(|error| error.to_string()),
            };
        }
        #[cfg(test)]
        if let Entry::Stall(until) = entry {
            // Ends with an error when the other end is gone: that is what is waited for.
            let _over = until.recv();
            continue;
        }
        if fault.is_some() {
            continue;
        }
        if let Err(error) = one(&mut writer, entry) {
            tracing::error!(%error, folder = %folder.display(), "recording stopped; what was written so far is kept");
            metrics::counter!("antiphon_bundle_errors_total").increment(1);
            fault = Some(error.to_string());
        }
    }
    Err(fault.unwrap_or_else(|| "the session ended without sealing its bundle".into()))
}

fn one(writer: &mut Writer, entry: Entry) -> Result<(), ledger::bundle::BundleError> {
    match entry {
        Entry::Step { at, input, actions } => {
            let step = writer.input(at, &input)?;
            for (lane, policy, action) in &actions {
                writer.actions(*lane, *policy, at, step, std::slice::from_ref(action))?;
            }
            Ok(())
        }
        Entry::Slot(slot) => slot_of(writer, &slot),
        Entry::Surplus { user, slot, packet } => match info_of(&packet) {
            Some(info) => writer.surplus(user, slot, info),
            None => Ok(()),
        },
        Entry::Note { at, note } => writer.note(at, note),
        Entry::Played { at, clip, played_ms } => {
            let first = writer.slot_at(at);
            let mut frame = [0i16; SLOT_48K];
            for (place, samples) in (0u64..).zip(clip.first_millis(played_ms).chunks(SLOT_48K)) {
                frame[..samples.len()].copy_from_slice(samples);
                frame[samples.len()..].fill(0);
                writer.bot_voice(first + place, &frame)?;
            }
            Ok(())
        }
        // Handled where they are taken out.
        Entry::Seal(_) => Ok(()),
        #[cfg(test)]
        Entry::Stall(_) => Ok(()),
    }
}

fn slot_of(writer: &mut Writer, slot: &Slot) -> Result<(), ledger::bundle::BundleError> {
    match (&slot.packet, &slot.pcm) {
        (None, Some(pcm)) if slot.mark == ledger::audio::SlotMark::Received => {
            writer.pcm(slot.user, slot.slot, slot.mark, Some(pcm.samples()))
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

/// What capture noted, in the bundle's words.
pub(super) fn note_of(note: capture::Note) -> Note {
    match note {
        capture::Note::SsrcChanged { user, from, to } => Note::SsrcChanged { user, before: from, after: to },
        capture::Note::EpochChanged { user, from, to } => {
            Note::EpochChanged { user: Some(user), before: from, after: to }
        }
        capture::Note::Resynchronised { user, ssrc } => Note::Resynchronised { user, ssrc },
        capture::Note::Late { user, packets } => Note::Late { user, packets: packets.into() },
        capture::Note::Overflow { user, packets } => dropped(Some(user), "reorder_window", packets.into()),
        capture::Note::Slewed { user, slot, slots } => Note::Slewed { user, slot, slots },
        capture::Note::GapExplained { user, first_slot, slots, lost } => {
            Note::GapExplained { user, first_slot, slots, lost }
        }
        capture::Note::Unknown { user } => Note::Unknown { user },
        capture::Note::PlaintextWithheld { user } => Note::PlaintextWithheld { user },
        capture::Note::NotesLost { notes } => dropped(None, "notes", notes.into()),
    }
}

fn dropped(user: Option<UserId>, queue: &str, dropped: u64) -> Note {
    Note::Dropped { user, queue: queue.into(), dropped }
}
