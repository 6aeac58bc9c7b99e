//! One RTP stream, slot by slot.
use super::buffer::{Body, Held, Meta, Reorder, Stored};
use super::clock::{ClockMap, SLOT_NS, nanos, slot_at};
use super::delay::Delay;
use super::sequence::{Placed, Sequence, TimestampUnwrap};

/// How far past its slot's edge a packet may drift back again after a slew the other way: two milliseconds keep a
/// stream that sits on the edge from being slewed to and fro.
const RETURN_NS: i64 = 2_000_000;
/// Samples of 48 kHz in a slot.
const SLOT_TICKS: i64 = 960;

/// What a stream needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamSettings {
    pub(crate) min_delay: i64,
    pub(crate) max_delay: i64,
    pub(crate) window: u16,
    pub(crate) conceal: u16,
    pub(crate) drift_ppm: u32,
}

/// What became of a packet at its arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    Accepted,
    /// Taken in; it shows that the sender's sequence restarted.
    Restarted,
    /// Far out of sequence; dropped unless the next one confirms it.
    Suspect,
    Duplicate,
    /// Its turn is past.
    Late,
    Full,
}

/// What belongs into a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Not known yet.
    Wait,
    /// No packet was due.
    Silent,
    /// A packet was lost, or is taken to be; with `repairable` the next one follows it directly and is at hand.
    Lost { repairable: bool },
    /// One slot too many for the speaker's slower clock: to be filled in.
    Inserted,
    /// The packet before reaches into this slot.
    Continue,
    /// The first held packet ([`Stream::take`]).
    Play,
    /// The first two held packets, folded into one slot, for the speaker's faster clock.
    Fold,
}

/// A gap that was marked otherwise than the sequence numbers after it show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GapExplained {
    pub(crate) first_slot: u64,
    pub(crate) slots: u64,
    pub(crate) lost: u64,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// The speaker is silent.
    Idle,
    /// First packets came; where they belong is settled when their slot is due, by then with a few to compare.
    Acquiring,
    /// The packet with `ts` is in `slot`, and all others by their distance from it.
    Running { ts: i64, slot: i64, slewed: i8 },
}

#[derive(Debug, Clone, Copy)]
struct Last {
    seq: i64,
    quiet: bool,
}

/// A packet taken out for a slot.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) held: Held,
    pub(crate) explained: Option<GapExplained>,
    /// Samples of 48 kHz in the slot before it: it begins where the one before ends.
    pub(crate) into: u32,
}

/// Slots since the last packet given out.
#[derive(Debug, Clone, Copy, Default)]
struct Gap {
    first_slot: u64,
    slots: u64,
    concealed: u64,
}

/// One RTP stream of one speaker.
#[derive(Debug)]
pub(crate) struct Stream {
    settings: StreamSettings,
    sequence: Sequence,
    timestamps: TimestampUnwrap,
    newest: i64,
    clock: ClockMap,
    delay: Delay,
    buffer: Reorder,
    phase: Phase,
    last: Option<Last>,
    gap: Gap,
    /// Where the packets given out end, in the track's samples of 48 kHz, and the timestamp that goes on there.
    covered: i64,
    next_ts: i64,
    /// How long the sender's packets are, in samples of 48 kHz.
    usual: u32,
    /// Dropped at their slot's turn because it was past.
    late: u32,
    /// Timestamps that jumped.
    jumps: u32,
    /// Held when the stream restarted, and dropped.
    discarded: u32,
}

impl Stream {
    pub(crate) fn new(settings: StreamSettings) -> Self {
        Self {
            settings,
            sequence: Sequence::default(),
            timestamps: TimestampUnwrap::default(),
            newest: i64::MIN,
            clock: ClockMap::new(settings.drift_ppm),
            delay: Delay::new(settings.min_delay, settings.max_delay),
            buffer: Reorder::new(settings.window),
            phase: Phase::Idle,
            last: None,
            gap: Gap::default(),
            covered: 0,
            next_ts: i64::MIN,
            usual: SLOT_TICKS as u32,
            late: 0,
            jumps: 0,
            discarded: 0,
        }
    }

    /// As new, in the same memory.
    pub(crate) fn reset(&mut self) {
        self.begin_anew();
        self.sequence = Sequence::default();
        self.delay = Delay::new(self.settings.min_delay, self.settings.max_delay);
        self.gap = Gap::default();
        self.covered = 0;
        self.usual = SLOT_TICKS as u32;
        self.late = 0;
        self.jumps = 0;
    }

    /// Everything but the sequence, the delay and the counts.
    fn begin_anew(&mut self) {
        self.timestamps = TimestampUnwrap::default();
        self.newest = i64::MIN;
        self.clock.forget();
        self.delay.pause();
        self.discarded += self.buffer.len() as u32;
        self.buffer.reset();
        self.phase = Phase::Idle;
        self.last = None;
        self.next_ts = i64::MIN;
    }

    /// A packet arrived, `arrived` nanoseconds into the session.
    pub(crate) fn arrive(&mut self, arrived: i64, meta: Meta, samples: u32, body: Body) -> Arrival {
        let (seq, restarted) = match self.sequence.place(meta.sequence) {
            Placed::At(seq) => (seq, false),
            Placed::Suspect => return Arrival::Suspect,
            Placed::Restarted(seq) => {
                self.begin_anew();
                (seq, true)
            }
        };
        let newest = seq > self.newest;
        let ts = self.timestamps.extend(meta.timestamp, newest);
        // How long a packet is that can't be read, only its neighbours show. The silence at the end of speech is 20 ms
        // whatever came before it.
        let (samples, known) = match body {
            Body::Broken => (self.usual, false),
            Body::Quiet(_) => (samples, false),
            _ => (samples, true),
        };
        let held = Held { seq, ts, samples, arrived, meta, body };
        let whole = held.whole();
        match self.buffer.insert(held) {
            Stored::Duplicate => return Arrival::Duplicate,
            Stored::Late => return Arrival::Late,
            Stored::Full => return Arrival::Full,
            Stored::Yes => {}
        }
        self.newest = self.newest.max(seq);
        if newest && known {
            self.usual = samples;
        }
        if let Phase::Running { .. } = self.phase {
            self.clock.observe(whole, ts);
            if newest {
                self.delay.observe(ClockMap::transit(whole, ts));
            }
        }
        if restarted { Arrival::Restarted } else { Arrival::Accepted }
    }

    /// When a slot is given out at the latest: a packet for it that was not held up arrives within the slot after it, or
    /// later by as much as it is longer than a slot.
    pub(crate) fn deadline(&self, slot: u64) -> i64 {
        self.due(slot as i64)
    }

    fn due(&self, slot: i64) -> i64 {
        let longer = nanos(i64::from(self.usual) - SLOT_TICKS).max(0);
        (slot + 2) * SLOT_NS + longer + self.delay.current()
    }

    /// What belongs into `slot`, the one after the last one asked for.
    pub(crate) fn step(&mut self, slot: u64, now: i64) -> Step {
        if let Some(step) = self.covered(slot, now) {
            return step;
        }
        let step = loop {
            match self.phase {
                Phase::Idle if self.buffer.len() > 0 => self.phase = Phase::Acquiring,
                Phase::Idle if now >= self.deadline(slot) => break Step::Silent,
                Phase::Idle => break Step::Wait,
                Phase::Acquiring => {
                    if let Some(step) = self.acquire(slot, now) {
                        break step;
                    }
                }
                Phase::Running { ts, slot: anchor, slewed } => {
                    if let Some(step) = self.run(slot, now, ts, anchor, slewed) {
                        break step;
                    }
                }
            }
        };
        let concealed = matches!(step, Step::Lost { .. });
        if concealed || step == Step::Silent {
            if self.gap.slots == 0 {
                self.gap.first_slot = slot;
            }
            self.gap.slots += 1;
            self.gap.concealed += u64::from(concealed);
        }
        step
    }

    /// A slot into which the packet before reaches. When it ends within the slot, the packet that goes on there belongs
    /// into the same slot.
    fn covered(&self, slot: u64, now: i64) -> Option<Step> {
        let begins = slot as i64 * SLOT_TICKS;
        if self.covered <= begins {
            return None;
        }
        if self.covered >= begins + SLOT_TICKS || !matches!(self.phase, Phase::Running { .. }) {
            return Some(Step::Continue);
        }
        Some(match self.buffer.first() {
            Some(first) if first.ts == self.next_ts => Step::Play,
            _ if now >= self.deadline(slot) => Step::Continue,
            Some(first) if self.last.is_some_and(|last| first.seq == last.seq + 1) => Step::Continue,
            None if self.last.is_some_and(|last| last.quiet) => Step::Continue,
            _ => Step::Wait,
        })
    }

    /// One step while acquiring; none when the phase changed or a packet was dropped.
    fn acquire(&mut self, slot: u64, now: i64) -> Option<Step> {
        let Some(first) = self.buffer.first() else {
            self.phase = Phase::Idle;
            return None;
        };
        if now < self.deadline(slot) {
            return Some(Step::Wait);
        }
        let (ts, seq, whole) = (first.ts, first.seq, first.whole());
        let base = self.clock.acquire(self.buffer.iter().map(|held| (held.whole(), held.ts)));
        let at = slot_at(ClockMap::position_with(base, ts));
        let n = slot as i64;
        if at > n {
            return Some(self.explain(n, at, seq, true));
        }
        if at < n {
            self.drop_late(at);
            return None;
        }
        self.clock.settle(base, whole);
        self.phase = Phase::Running { ts, slot: n, slewed: 0 };
        None
    }

    /// One step while running; none when the phase changed or a packet was dropped.
    fn run(&mut self, slot: u64, now: i64, anchor_ts: i64, anchor: i64, slewed: i8) -> Option<Step> {
        let n = slot as i64;
        let due = now >= self.deadline(slot);
        let Some(first) = self.buffer.first() else {
            if !due {
                return Some(Step::Wait);
            }
            let quiet = self.last.is_none_or(|last| last.quiet);
            if !quiet && self.gap.concealed < u64::from(self.settings.conceal) {
                return Some(Step::Lost { repairable: false });
            }
            self.pause();
            return Some(Step::Silent);
        };
        let (ts, seq, samples, arrived) = (first.ts, first.seq, first.samples, first.arrived);
        // Rounded to the nearest slot, for senders whose timestamps don't step by whole slots.
        let at = anchor + (ts - anchor_ts + SLOT_TICKS / 2).div_euclid(SLOT_TICKS);
        if at > slot_at(arrived) + 1 {
            // Sound from the future: the timestamps jumped.
            self.jumps += 1;
            self.clock.forget();
            self.pause();
            self.phase = Phase::Acquiring;
            return None;
        }
        if at < n {
            self.drop_late(at);
            return None;
        }
        if at > n {
            let nothing_missing = self.last.is_some_and(|last| seq == last.seq + 1);
            if !due && !nothing_missing {
                return Some(Step::Wait);
            }
            return Some(self.explain(n, at, seq, false));
        }
        // Its turn. Has the speaker's clock drifted across the slot's edge?
        let lead = self.clock.position(ts) - n * SLOT_NS;
        let (below, above) =
            (-RETURN_NS * i64::from(slewed > 0), SLOT_NS + RETURN_NS * i64::from(slewed < 0));
        if lead >= above {
            self.phase = Phase::Running { ts: anchor_ts, slot: anchor + 1, slewed: 1 };
            return Some(Step::Inserted);
        }
        if lead < below {
            let next_at_hand = self.buffer.get(seq + 1).is_some();
            if !next_at_hand && !due {
                return Some(Step::Wait);
            }
            self.phase = Phase::Running { ts: anchor_ts, slot: anchor - 1, slewed: -1 };
            // With the next one lost, its gap takes up the slot, and nothing has to be folded.
            return Some(if next_at_hand { Step::Fold } else { Step::Play });
        }
        if i64::from(samples) < SLOT_TICKS && !due && self.held_from(ts) < SLOT_TICKS {
            return Some(Step::Wait);
        }
        Some(Step::Play)
    }

    /// Samples held from `ts` on, within its slot: senders may use packets shorter than a slot.
    fn held_from(&self, ts: i64) -> i64 {
        let within = |held: &&Held| held.ts < ts + SLOT_TICKS;
        self.buffer.iter().take_while(within).map(|held| i64::from(held.samples)).sum()
    }

    /// Why slot `n` is empty, when the packet `seq` is at hand and belongs to slot `at`: a jump of the timestamps alone
    /// is silence, a jump of the sequence as well is loss.
    fn explain(&self, n: i64, at: i64, seq: i64, paused: bool) -> Step {
        let Some(last) = self.last else { return Step::Silent };
        let missing = u64::try_from(seq - last.seq - 1).unwrap_or(0);
        let ahead = u64::try_from(at - n).unwrap_or(0);
        let unaccounted = missing.saturating_sub(self.gap.concealed);
        // When less was lost than the gap is long, it was lost at the side where speech was.
        let lost = if missing >= self.gap.slots + ahead {
            true
        } else if paused || last.quiet {
            ahead <= unaccounted
        } else {
            unaccounted > 0
        };
        if lost { Step::Lost { repairable: ahead == 1 } } else { Step::Silent }
    }

    fn pause(&mut self) {
        self.phase = Phase::Idle;
        self.delay.pause();
    }

    fn drop_late(&mut self, at: i64) {
        if let Some(held) = self.buffer.pop() {
            self.late += 1;
            let deadline = self.due(at);
            self.delay.late(held.arrived - deadline);
        }
    }

    /// Takes the first held packet out, for `slot`.
    pub(crate) fn take(&mut self, slot: u64) -> Option<Taken> {
        let held = self.buffer.pop()?;
        let gap = std::mem::take(&mut self.gap);
        let explained = self.last.and_then(|last| {
            let lost = u64::try_from(held.seq - last.seq - 1).unwrap_or(0);
            let as_marked = lost.min(gap.slots) == gap.concealed;
            (!as_marked).then_some(GapExplained { first_slot: gap.first_slot, slots: gap.slots, lost })
        });
        let quiet = match &held.body {
            Body::Quiet(_) => true,
            Body::Mirrored(sound) => sound.last,
            _ => false,
        };
        self.last = Some(Last { seq: held.seq, quiet });
        let begins = slot as i64 * SLOT_TICKS;
        let inside = (1..SLOT_TICKS).contains(&(self.covered - begins)) && held.ts == self.next_ts;
        let into = if inside { self.covered - begins } else { 0 };
        self.covered = begins + into + i64::from(held.samples);
        self.next_ts = held.ts + i64::from(held.samples);
        Some(Taken { held, explained, into: into as u32 })
    }

    /// The first held packet, if it begins before `ts`.
    pub(crate) fn follows_before(&self, ts: i64) -> bool {
        self.buffer.first().is_some_and(|held| held.ts < ts - 1)
    }

    /// The packet held first.
    pub(crate) fn first(&self) -> Option<&Held> {
        self.buffer.first()
    }

    /// Where in `slot` the sound of a packet begins, in nanoseconds.
    pub(crate) fn lead(&self, ts: i64, slot: u64) -> i64 {
        self.clock.position(ts) - slot as i64 * SLOT_NS
    }

    /// The newest packet's unwrapped sequence number.
    pub(crate) fn newest(&self) -> Option<i64> {
        (self.newest != i64::MIN).then_some(self.newest)
    }

    pub(crate) fn held(&self) -> usize {
        self.buffer.len()
    }

    /// Drops what is held.
    pub(crate) fn clear(&mut self) -> usize {
        self.covered = 0;
        self.pause();
        self.buffer.clear()
    }

    /// Packets dropped as late since last asked.
    pub(crate) fn take_late(&mut self) -> u32 {
        std::mem::take(&mut self.late)
    }

    /// Jumps of the timestamps since last asked.
    pub(crate) fn take_jumps(&mut self) -> u32 {
        std::mem::take(&mut self.jumps)
    }

    /// Packets dropped because the stream restarted, since last asked.
    pub(crate) fn take_discarded(&mut self) -> u32 {
        std::mem::take(&mut self.discarded)
    }

    pub(crate) fn jitter(&self) -> i64 {
        self.delay.jitter()
    }

    pub(crate) fn delay(&self) -> i64 {
        self.delay.current()
    }
}
