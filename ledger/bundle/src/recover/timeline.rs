//! The timeline of a session that was cut off: brought to agree with the tracks.
//!
//! Marks reach the timeline by the second and half a second late in the checkpoint; packets reach the tracks by the half
//! second. Where a speaker's marks go on and the track does not, the marks end with the track.
use std::collections::BTreeMap;
use std::path::Path;

use super::lines::scan;
use super::quarantine::Aside;
use super::report::FileKept;
use super::rewrite_tail;
use super::rewrite_tail::Redo;
use crate::format::error::Result;
use crate::format::lines::{SlotRun, TimelineLine};
use crate::format::manifest::TIMELINE;
use crate::write::checkpoint::Checkpoint;
use antiphon_core::audio::{SlotCounts, SlotMark};
use antiphon_core::ids::UserId;

/// How far a speaker's track goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Floor {
    /// Slots in it.
    pub(super) slots: u64,
    /// Whether lost packets stand in it, too: in a track of packets they do.
    pub(super) of_packets: bool,
}

/// One speaker's marks, or the bot's.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Marks {
    pub(super) first: Option<u64>,
    pub(super) next: u64,
    pub(super) counts: SlotCounts,
    /// Marks ended before the timeline did.
    over: bool,
}

impl Marks {
    fn add(&mut self, first: u64, slots: u64, mark: SlotMark) {
        self.first.get_or_insert(first);
        self.next = first + slots;
        self.counts.add_many(mark, slots);
    }
}

/// What the timeline says after recovery.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) speakers: BTreeMap<UserId, Marks>,
    pub(super) bot: Marks,
    pub(super) lines: u64,
    pub(super) file: FileKept,
}

enum Verdict {
    Keep,
    Change(TimelineLine),
    Drop,
}

struct Judge<'a> {
    floors: &'a BTreeMap<UserId, Floor>,
    bot_slots: u64,
    speakers: BTreeMap<UserId, Marks>,
    bot: Marks,
    lost: BTreeMap<UserId, (u64, u64)>,
}

impl Judge<'_> {
    fn judge(&mut self, line: &TimelineLine) -> Verdict {
        match line {
            TimelineLine::Slots(run) => self.run(run),
            TimelineLine::Surplus(surplus) => match self.speakers.get(&surplus.user) {
                Some(marks) if marks.over => Verdict::Drop,
                _ => Verdict::Keep,
            },
            TimelineLine::Played { first_slot, slots } => self.played(*first_slot, *slots),
            _ => Verdict::Keep,
        }
    }

    fn run(&mut self, run: &SlotRun) -> Verdict {
        let marks = self.speakers.entry(run.user).or_default();
        if marks.over || run.first_slot < marks.next {
            if marks.over {
                self.lost.entry(run.user).or_default().1 += run.slots;
            }
            return Verdict::Drop;
        }
        let floor = self.floors.get(&run.user);
        let in_track = match (floor, run.mark) {
            (Some(_), SlotMark::Received) | (None, SlotMark::Received) => true,
            (Some(floor), SlotMark::Concealed | SlotMark::Undecryptable) => floor.of_packets,
            _ => false,
        };
        let there = if in_track { floor.map_or(0, |floor| floor.slots) } else { u64::MAX };
        let kept = there.saturating_sub(run.first_slot).min(run.slots);
        if kept < run.slots {
            marks.over = true;
            self.lost.insert(run.user, (run.first_slot + kept, run.slots - kept));
        }
        if kept == 0 {
            return Verdict::Drop;
        }
        marks.add(run.first_slot, kept, run.mark);
        if kept == run.slots {
            return Verdict::Keep;
        }
        let mut run = run.clone();
        run.slots = kept;
        if let Some(packets) = &mut run.packets {
            packets.then_us.truncate(usize::try_from(kept - 1).unwrap_or(usize::MAX));
        }
        Verdict::Change(TimelineLine::Slots(run))
    }

    fn played(&mut self, first_slot: u64, slots: u64) -> Verdict {
        if first_slot < self.bot.next {
            return Verdict::Drop;
        }
        let kept = self.bot_slots.saturating_sub(first_slot).min(slots);
        if kept == 0 {
            return Verdict::Drop;
        }
        self.bot.add(first_slot, kept, SlotMark::Received);
        if kept == slots {
            Verdict::Keep
        } else {
            Verdict::Change(TimelineLine::Played { first_slot, slots: kept })
        }
    }
}

/// Cuts the timeline to whole lines and to what the tracks have, and adds the runs of the checkpoint.
pub(super) fn recover(
    dir: &Path,
    checkpoint: &Checkpoint,
    floors: &BTreeMap<UserId, Floor>,
    bot_slots: u64,
    aside: &Aside<'_>,
) -> Result<Recovered> {
    rewrite_tail::apply(dir)?;
    let mut judge =
        Judge { floors, bot_slots, speakers: BTreeMap::new(), bot: Marks::default(), lost: BTreeMap::new() };
    // From the first line on that does not stand as it is, everything is rewritten.
    let mut changed: Option<u64> = None;
    let mut redo = Redo::new(dir);
    let mut dropped = 0;
    let scan = scan::<TimelineLine>(dir, TIMELINE, |line, offset| {
        if let TimelineLine::Slots(run) = &line
            && let Some((field, message)) = run.fault()
        {
            return Ok(Some(format!("{TIMELINE}: {field}: {message}")));
        }
        let verdict = judge.judge(&line);
        match (&verdict, changed) {
            (Verdict::Keep, None) => return Ok(None),
            (_, None) => changed = Some(offset),
            _ => {}
        }
        let at = changed.unwrap_or(offset);
        match verdict {
            Verdict::Keep => redo.put(at, &line)?,
            Verdict::Change(line) => redo.put(at, &line)?,
            Verdict::Drop => dropped += 1,
        }
        Ok(None)
    })?;
    let mut lines = scan.lines - dropped;
    let at = changed.unwrap_or(scan.kept);
    let mut added = 0;
    let open = checkpoint.runs.iter().cloned().map(TimelineLine::Slots);
    let played = checkpoint.played.map(|(first_slot, slots)| TimelineLine::Played { first_slot, slots });
    for line in open.chain(played) {
        let line = match judge.judge(&line) {
            Verdict::Keep => line,
            Verdict::Change(line) => line,
            Verdict::Drop => continue,
        };
        redo.put(at, &line)?;
        added += 1;
    }
    lines += added;
    // What is cut off is kept first, and what stands in its place is on the disk before anything is cut.
    let piece = aside.keep(TIMELINE, at)?;
    redo.ready()?;
    aside.shorten(TIMELINE, at)?;
    rewrite_tail::apply(dir)?;
    let mut lost: Vec<String> = Vec::new();
    if scan.found > scan.kept {
        let why = scan.why.unwrap_or_default();
        lost.push(format!("{} bytes after line {}: {why}", scan.found - scan.kept, scan.lines));
    }
    for (user, (from, slots)) in &judge.lost {
        lost.push(format!(
            "{slots} marks of {user} from slot {from} on: their sound had not reached the track"
        ));
    }
    let file = FileKept {
        name: TIMELINE.to_owned(),
        found_bytes: scan.found,
        kept_bytes: at,
        kept: format!("{lines} lines, {added} of them from the checkpoint"),
        lost: (!lost.is_empty()).then(|| lost.join("; ")),
        aside: piece,
    };
    let Judge { speakers, bot, .. } = judge;
    Ok(Recovered { speakers, bot, lines, file })
}
