//! Endpointing: where each turn of a track begins and ends.
//!
//! A turn starts once enough of the last slots were voiced, and then reaches back over the pre-roll. It ends after
//! enough silence. What is given out of it goes up to the post-roll after the last voiced slot: silence beyond that is
//! held back, and given out only if the speaker goes on. Near the longest turn everything is held back, so that the split
//! can be made at the quietest point.
use antiphon_core::audio::{AudioSpan, SlotCounts, SlotMark};

use crate::captured::{EndReason, Frame};
use crate::config::{Config, slots};

/// What the endpointer reports, in order.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "frames lie in place so that the hot path allocates nothing")]
pub(crate) enum EndpointerEvent {
    /// A turn starts with this slot.
    Started { first_slot: u64 },
    /// The turn's next slot.
    Frame { slot: u64, mark: SlotMark, pcm: Frame },
    /// The turn ended.
    Ended { audio: AudioSpan, voiced_from: u64, voiced_to: u64, why: EndReason },
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    slot: u64,
    mark: SlotMark,
    voiced: bool,
    pcm: Frame,
}

const NOTHING: Kept = Kept { slot: 0, mark: SlotMark::Silent, voiced: false, pcm: Frame::SILENCE };

/// Slots held back, oldest first, in memory taken once.
#[derive(Debug)]
struct Ring {
    kept: Box<[Kept]>,
    head: usize,
    len: usize,
}

impl Ring {
    fn new(capacity: usize) -> Self {
        Self { kept: vec![NOTHING; capacity].into_boxed_slice(), head: 0, len: 0 }
    }

    fn push(&mut self, kept: Kept) {
        if self.len == self.kept.len() {
            self.pop();
        }
        let index = (self.head + self.len) % self.kept.len();
        self.kept[index] = kept;
        self.len += 1;
    }

    fn get(&self, index: usize) -> Option<&Kept> {
        if index < self.len { Some(&self.kept[(self.head + index) % self.kept.len()]) } else { None }
    }

    fn pop(&mut self) -> Option<&Kept> {
        if self.len == 0 {
            return None;
        }
        let index = self.head;
        self.head = (self.head + 1) % self.kept.len();
        self.len -= 1;
        Some(&self.kept[index])
    }

    fn clear(&mut self) {
        self.len = 0;
    }
}

#[derive(Debug, Clone, Copy)]
struct Open {
    first_slot: u64,
    sent: u64,
    marks: SlotCounts,
    voiced_from: u64,
    voiced_to: u64,
    voiced: usize,
}

/// The turns of one speaker: at most one is open.
#[derive(Debug)]
pub(crate) struct Endpointer {
    start: u32,
    window: u32,
    pre_roll: usize,
    post_roll: u64,
    end_silence: u64,
    min_speech: usize,
    max_turn: u64,
    cut_search: u64,
    ring: Ring,
    /// The last slots' voice, newest in bit 0.
    recent: u64,
    open: Option<Open>,
}

impl Endpointer {
    pub(crate) fn new(config: &Config) -> Self {
        let window = u32::from(config.start_window_slots);
        let pre_roll = if config.pre_roll_ms == 0 { 0 } else { slots(config.pre_roll_ms) };
        let end_silence = slots(config.end_silence_ms);
        let cut_search = slots(config.cut_search_ms);
        Self {
            start: u32::from(config.start_slots),
            window,
            pre_roll,
            post_roll: u64::from(config.post_roll_ms / antiphon_core::audio::SLOT_MS),
            end_silence: end_silence as u64,
            min_speech: (config.min_speech_ms / antiphon_core::audio::SLOT_MS) as usize,
            max_turn: slots(config.max_turn_ms) as u64,
            cut_search: cut_search as u64,
            ring: Ring::new((pre_roll + window as usize).max(end_silence + cut_search) + 2),
            recent: 0,
            open: None,
        }
    }

    /// The most that one slot can bring out: the ring, and a turn's end and start.
    pub(crate) fn burst(&self) -> usize {
        self.ring.kept.len() + 3
    }

    /// The track's next slot. Nothing is allocated. `ahead` is for how many slots after it nothing has come either: a slot
    /// is known to be silent only when the delay has passed, and a turn's end need not wait for that twice.
    pub(crate) fn push(
        &mut self,
        slot: u64,
        mark: SlotMark,
        pcm: Option<&Frame>,
        voiced: bool,
        ahead: u64,
        mut out: impl FnMut(EndpointerEvent),
    ) {
        self.ring.push(Kept { slot, mark, voiced, pcm: pcm.copied().unwrap_or(Frame::SILENCE) });
        match self.open {
            None => self.listen(voiced, &mut out),
            Some(_) => self.follow(slot, voiced, ahead, &mut out),
        }
    }

    /// No turn is open: does one start?
    fn listen(&mut self, voiced: bool, out: &mut impl FnMut(EndpointerEvent)) {
        self.recent = (self.recent << 1 | u64::from(voiced)) & ((1 << self.window) - 1);
        if self.recent.count_ones() >= self.start {
            let back = 64 - self.recent.leading_zeros() as usize;
            self.begin(back.min(self.ring.len), out);
            self.send(u64::MAX, out);
            return;
        }
        while self.ring.len > self.pre_roll + self.window as usize {
            self.ring.pop();
        }
    }

    /// Opens a turn whose first voiced slot is the ring's `back`th from its end.
    fn begin(&mut self, back: usize, out: &mut impl FnMut(EndpointerEvent)) {
        let first_voiced = self.ring.len - back;
        for _ in self.pre_roll..first_voiced {
            self.ring.pop();
        }
        let (mut voiced, mut voiced_from, mut voiced_to) = (0, None, 0);
        for kept in (0..self.ring.len).filter_map(|index| self.ring.get(index)) {
            if kept.voiced {
                voiced += 1;
                voiced_from.get_or_insert(kept.slot);
                voiced_to = kept.slot;
            }
        }
        let first_slot = self.ring.get(0).map_or(0, |kept| kept.slot);
        let voiced_from = voiced_from.unwrap_or(first_slot);
        self.open =
            Some(Open { first_slot, sent: 0, marks: SlotCounts::default(), voiced_from, voiced_to, voiced });
        self.recent = 0;
        out(EndpointerEvent::Started { first_slot });
    }

    /// A turn is open: does it go on?
    fn follow(&mut self, slot: u64, voiced: bool, ahead: u64, out: &mut impl FnMut(EndpointerEvent)) {
        let Some(open) = &mut self.open else { return };
        if voiced {
            open.voiced += 1;
            open.voiced_to = slot;
        }
        let (length, voiced_to) = (slot + 1 - open.first_slot, open.voiced_to);
        let silence = slot - voiced_to;
        if silence >= self.post_roll && silence + ahead.min(self.end_silence / 2) >= self.end_silence {
            self.send(voiced_to + self.post_roll, out);
            self.end(EndReason::Silence, out);
        } else if length >= self.max_turn {
            self.split(out);
        } else if length + self.cut_search <= self.max_turn {
            self.send(voiced_to + self.post_roll, out);
        }
    }

    /// Gives out what is held, up to the slot `until`.
    fn send(&mut self, until: u64, out: &mut impl FnMut(EndpointerEvent)) {
        let Some(open) = &mut self.open else { return };
        while self.ring.get(0).is_some_and(|kept| kept.slot <= until) {
            if let Some(kept) = self.ring.pop() {
                open.sent += 1;
                open.marks.add(kept.mark);
                out(EndpointerEvent::Frame { slot: kept.slot, mark: kept.mark, pcm: kept.pcm });
            }
        }
    }

    /// The longest turn is reached: ends it at the quietest point held, and goes on in a new one if there is more.
    fn split(&mut self, out: &mut impl FnMut(EndpointerEvent)) {
        let quietest = (0..self.ring.len)
            .min_by_key(|&index| {
                // Over three slots, so that one zero crossing isn't taken for a pause.
                let around = index.saturating_sub(1)..(index + 2).min(self.ring.len);
                let parts = around.len() as u64;
                around.filter_map(|at| self.ring.get(at)).map(|kept| kept.pcm.energy()).sum::<u64>()
                    / parts.max(1)
            })
            .and_then(|index| self.ring.get(index))
            .map_or(u64::MAX, |kept| kept.slot);
        self.send(quietest, out);
        let more = (0..self.ring.len).find(|&index| self.ring.get(index).is_some_and(|kept| kept.voiced));
        self.end(if more.is_some() { EndReason::Continued } else { EndReason::Silence }, out);
        if more.is_some() {
            // It is one utterance: the next turn takes up where this one left off, without a pre-roll of its own.
            self.begin(self.ring.len, out);
            let open_to = self.open.map_or(0, |open| open.voiced_to);
            self.send(open_to + self.post_roll, out);
        }
    }

    fn end(&mut self, why: EndReason, out: &mut impl FnMut(EndpointerEvent)) {
        let Some(open) = self.open.take() else { return };
        let why = if why == EndReason::Silence && open.voiced < self.min_speech {
            EndReason::TooShort
        } else {
            why
        };
        let audio = AudioSpan { first_slot: open.first_slot, slots: open.sent, marks: open.marks };
        // A cut may fall before the last voiced slot.
        let voiced_to =
            open.voiced_to.min((open.first_slot + open.sent).saturating_sub(1)).max(open.voiced_from);
        out(EndpointerEvent::Ended { audio, voiced_from: open.voiced_from, voiced_to, why });
    }

    /// The track ended: gives out what belongs to the turn, and ends it.
    pub(crate) fn finish(&mut self, why: EndReason, mut out: impl FnMut(EndpointerEvent)) {
        if let Some(open) = self.open {
            self.send(open.voiced_to + self.post_roll, &mut out);
            self.end(why, &mut out);
        }
        self.forget();
    }

    /// Consent was revoked: ends the turn with what was given out of it, and forgets the rest.
    pub(crate) fn revoke(&mut self, mut out: impl FnMut(EndpointerEvent)) {
        self.end(EndReason::ConsentWithdrawn, &mut out);
        self.forget();
    }

    /// Forgets what is held.
    fn forget(&mut self) {
        self.ring.clear();
        self.ring.kept.fill(NOTHING);
        self.recent = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq)]
    enum Said {
        Start(u64),
        Frame(u64),
        End(AudioSpan, u64, u64, EndReason),
    }

    fn feed(
        endpointer: &mut Endpointer,
        from: u64,
        voice: impl IntoIterator<Item = (bool, i16)>,
    ) -> Vec<Said> {
        let mut said = Vec::new();
        for (slot, (voiced, level)) in (from..).zip(voice) {
            let frame = Frame([level; 320]);
            endpointer.push(slot, SlotMark::Received, Some(&frame), voiced, 0, |cut| said.push(plain(cut)));
        }
        said
    }

    fn plain(event: EndpointerEvent) -> Said {
        match event {
            EndpointerEvent::Started { first_slot } => Said::Start(first_slot),
            EndpointerEvent::Frame { slot, .. } => Said::Frame(slot),
            EndpointerEvent::Ended { audio, voiced_from, voiced_to, why } => {
                Said::End(audio, voiced_from, voiced_to, why)
            }
        }
    }

    fn stretch(voiced: bool, slots: usize) -> impl Iterator<Item = (bool, i16)> {
        std::iter::repeat_n((voiced, if voiced { 5_000 } else { 10 }), slots)
    }

    #[test]
    fn a_turn_has_pre_roll_voice_and_post_roll() {
        let mut endpointer = Endpointer::new(&Config::default());
        let said =
            feed(&mut endpointer, 0, stretch(false, 100).chain(stretch(true, 50)).chain(stretch(false, 40)));
        assert_eq!(said[0], Said::Start(85));
        let frames: Vec<Said> = (85..160).map(Said::Frame).collect();
        assert_eq!(said[1..76], frames[..]);
        let Said::End(audio, from, to, why) = &said[76] else { panic!("{said:?}") };
        assert_eq!((audio.first_slot, audio.slots, *from, *to), (85, 75, 100, 149));
        assert_eq!(*why, EndReason::Silence);
        assert_eq!(said.len(), 77);
    }

    #[test]
    fn a_click_starts_nothing() {
        let mut endpointer = Endpointer::new(&Config::default());
        let click = stretch(false, 30).chain(stretch(true, 3)).chain(stretch(false, 60));
        assert_eq!(feed(&mut endpointer, 0, click), []);
    }

    #[test]
    fn a_cough_ends_as_too_short() {
        let mut endpointer = Endpointer::new(&Config::default());
        let said =
            feed(&mut endpointer, 0, stretch(false, 30).chain(stretch(true, 5)).chain(stretch(false, 60)));
        assert!(matches!(said.last(), Some(Said::End(_, 30, 34, EndReason::TooShort))), "{said:?}");
    }

    #[test]
    fn a_short_pause_stays_within_the_turn() {
        let mut endpointer = Endpointer::new(&Config::default());
        let talk =
            stretch(true, 30).chain(stretch(false, 25)).chain(stretch(true, 30)).chain(stretch(false, 40));
        let said = feed(&mut endpointer, 0, talk);
        let frames: Vec<u64> =
            said.iter().filter_map(|s| if let Said::Frame(slot) = s { Some(*slot) } else { None }).collect();
        assert_eq!(frames, (0..95).collect::<Vec<_>>());
        assert_eq!(said.iter().filter(|s| matches!(s, Said::Start(_))).count(), 1);
    }

    #[test]
    fn a_long_turn_is_split_at_its_quietest_point() {
        let mut endpointer = Endpointer::new(&Config::default());
        // A dip at slots 470 to 472, within the second before slot 500.
        let talk = (0..700).map(|slot| (true, if (470..473).contains(&slot) { 100 } else { 6_000 }));
        let said = feed(&mut endpointer, 0, talk.chain(stretch(false, 40)));
        let ends: Vec<_> = said
            .iter()
            .filter_map(|s| if let Said::End(audio, .., why) = s { Some((*audio, *why)) } else { None })
            .collect();
        assert_eq!(ends.len(), 2);
        assert_eq!((ends[0].0.first_slot, ends[0].0.slots, ends[0].1), (0, 472, EndReason::Continued));
        assert_eq!(
            (ends[1].0.first_slot, ends[1].0.slots, ends[1].1),
            (472, 700 + 10 - 472, EndReason::Silence)
        );
    }

    #[test]
    fn a_turn_silent_before_the_split_does_not_continue() {
        let mut endpointer = Endpointer::new(&Config::default());
        let said = feed(&mut endpointer, 0, stretch(true, 480).chain(stretch(false, 60)));
        assert_eq!(said.iter().filter(|s| matches!(s, Said::Start(_))).count(), 1);
        assert!(matches!(said.last(), Some(Said::End(.., EndReason::Silence))), "{:?}", said.last());
    }

    #[test]
    fn silence_that_is_known_of_ahead_counts_towards_the_end() {
        let ended_at = |ahead: u64| {
            let mut endpointer = Endpointer::new(&Config::default());
            feed(&mut endpointer, 0, stretch(true, 50));
            (50..100).find(|&slot| {
                let mut ended = None;
                endpointer.push(slot, SlotMark::Silent, None, false, ahead, |cut| {
                    if let Said::End(audio, ..) = plain(cut) {
                        ended = Some(audio.slots);
                    }
                });
                // All of the post-roll is given out whatever is known ahead.
                ended.inspect(|slots| assert_eq!(*slots, 60)).is_some()
            })
        };
        assert_eq!((ended_at(0), ended_at(4), ended_at(1_000)), (Some(79), Some(75), Some(64)));
    }

    #[test]
    fn withdrawn_consent_ends_the_turn_and_gives_nothing_more_out() {
        let mut endpointer = Endpointer::new(&Config::default());
        feed(&mut endpointer, 0, stretch(true, 30).chain(stretch(false, 15)));
        let mut said = Vec::new();
        endpointer.revoke(|cut| said.push(plain(cut)));
        assert!(matches!(said[..], [Said::End(_, _, _, EndReason::ConsentWithdrawn)]), "{said:?}");
        // What was held back before was forgotten: the next turn has no pre-roll from there.
        let next = feed(&mut endpointer, 45, stretch(true, 5));
        assert_eq!(next[0], Said::Start(45));
    }

    proptest! {
        #[test]
        fn turns_never_overlap_and_their_frames_have_no_gap(
            stretches in prop::collection::vec((any::<bool>(), 1usize..120, 0i16..8_000), 1..40),
        ) {
            let mut endpointer = Endpointer::new(&Config::default());
            let talk = stretches.into_iter().flat_map(|(voiced, slots, level)| std::iter::repeat_n((voiced, level), slots));
            let mut said = feed(&mut endpointer, 0, talk);
            endpointer.finish(EndReason::SessionEnded, |cut| said.push(plain(cut)));
            let (mut open, mut next, mut free) = (false, 0, 0);
            for event in said {
                match event {
                    Said::Start(slot) => {
                        prop_assert!(!open && slot >= free);
                        (open, next) = (true, slot);
                    }
                    Said::Frame(slot) => {
                        prop_assert!(open && slot == next);
                        next += 1;
                    }
                    Said::End(audio, from, to, _) => {
                        prop_assert!(open && audio.first_slot + audio.slots == next && audio.marks.total() == audio.slots);
                        prop_assert!(audio.slots <= 500 + 10);
                        prop_assert!(from <= to && to < next);
                        (open, free) = (false, next);
                    }
                }
            }
            prop_assert!(!open);
        }
    }
}
