//! The bot's voice on its way into the bundle. It is written while it is played, so that a kill in the midst of a long
//! sentence costs a part of a second of it and not the sentence.
use std::time::Duration;

use antiphon_core::audio::{SLOT_MS, SLOT_SAMPLES_48K};
use antiphon_core::capture_note::CaptureNote;
use antiphon_core::ids::TurnId;
use antiphon_core::time::Timestamp;
use bundle::{BundleError, Writer};

use super::voice_output::Clip;

/// How far behind the clock it is written: a voice connection may be behind by that much, and what was not played is not
/// to be in the record. Should it be more, the end is taken back when it is known.
const BEHIND: Duration = Duration::from_millis(300);
/// How often it is written.
const EVERY: Duration = Duration::from_millis(200);

/// Slots by which a sentence may be moved without a word.
const HEARD: u64 = 5;

/// A clip that is being played.
#[derive(Debug)]
pub(super) struct Playing {
    pub(super) clip: Clip,
    /// When its first frame went out.
    pub(super) began: Timestamp,
    written: Duration,
}

impl Playing {
    pub(super) fn new(clip: Clip, began: Timestamp) -> Self {
        Self { clip, began, written: Duration::ZERO }
    }

    /// How many milliseconds of it can be written by now, if there is enough to make it worth while.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<u32> {
        let sure = now.since(self.began).saturating_sub(BEHIND);
        if sure < self.written + EVERY {
            return None;
        }
        let all = Duration::from_millis(self.clip.millis().into());
        if self.written >= all {
            return None;
        }
        self.written = sure;
        u32::try_from(sure.min(all).as_millis()).ok()
    }
}

/// What was played of a clip so far.
#[derive(Debug, Clone)]
pub(super) struct Played {
    /// When it began.
    pub(super) at: Timestamp,
    pub(super) clip: Clip,
    pub(super) played_ms: u32,
    /// Whether that is all there will be of it.
    pub(super) over: bool,
}

/// The writer's end: which frames of the present clip are written.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    clip: Option<(TurnId, u32)>,
    /// Where it begins.
    first: u64,
    frames: u64,
}

impl Spoken {
    /// Sentences follow each other without a pause, and each is padded to whole slots: one may be due before the end of
    /// the one before it. So it is when this process was slow to learn that it began. It is moved behind it; that it was
    /// moved by more than can be heard is noted.
    fn place(&self, writer: &mut Writer, at: Timestamp) -> Result<u64, BundleError> {
        let (due, free) = (writer.slot_at(at), writer.bot_voice_end());
        if free > due + HEARD {
            let late = (free - due) * u64::from(SLOT_MS);
            let what = format!("a sentence of the bot lies {late} ms later than it is said to have begun");
            writer.note(at, CaptureNote::Other { what })?;
        }
        Ok(due.max(free))
    }

    pub(super) fn write(&mut self, writer: &mut Writer, played: &Played) -> Result<(), BundleError> {
        let name = (played.clip.turn, played.clip.index);
        if self.clip != Some(name) {
            *self = Self { clip: Some(name), first: self.place(writer, played.at)?, frames: 0 };
        }
        let whole = u64::from(played.played_ms / SLOT_MS);
        if played.over && whole < self.frames {
            writer.take_back_bot_voice(self.frames - whole)?;
            self.frames = whole;
        }
        let skip = usize::try_from(self.frames).unwrap_or(usize::MAX).saturating_mul(SLOT_SAMPLES_48K);
        let samples = played.clip.first_millis(played.played_ms);
        let mut frame = [0i16; SLOT_SAMPLES_48K];
        for part in samples.get(skip..).unwrap_or_default().chunks(SLOT_SAMPLES_48K) {
            // What remains of the last one is known when the clip has ended.
            if part.len() < SLOT_SAMPLES_48K && !played.over {
                break;
            }
            frame[..part.len()].copy_from_slice(part);
            frame[part.len()..].fill(0);
            writer.bot_voice(self.first + self.frames, &frame)?;
            self.frames += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_is_never_written_beyond_clock_or_end() {
        let clip = Clip { turn: TurnId(1), index: 0, pcm: vec![0; 48_000].into() };
        let mut playing = Playing::new(clip, Timestamp(5_000_000));
        let due: Vec<(u64, u32)> = (0..200)
            .map(|n| n * 20)
            .filter_map(|ms| playing.due(Timestamp(5_000_000 + ms * 1_000)).map(|due| (ms, due)))
            .collect();
        assert_eq!(due, [(500, 200), (700, 400), (900, 600), (1_100, 800), (1_300, 1_000)]);
    }
}
