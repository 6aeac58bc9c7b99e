//! What a client is about to say: clips, sent one frame each 20 ms against absolute deadlines, then silence frames.
//! Time is an input.
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::rtp::SILENCE_FRAMES;

/// One frame's length.
pub const FRAME: Duration = Duration::from_millis(20);
/// Clips waiting at most.
pub const MAX_CLIPS: usize = 32;
/// A delay after which the deadlines start over instead of being caught up with a burst.
const GIVE_UP_CATCHING_UP: Duration = Duration::from_millis(200);

/// One encoded 20 ms frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Opus.
    pub opus: Vec<u8>,
    /// Whether it is loud enough to count as voice.
    pub voiced: bool,
}

/// What became of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Played {
    /// When its first frame was due.
    pub started: Instant,
    /// When its last frame had been spoken, or it was stopped.
    pub ended: Instant,
    /// When the first voiced frame was sent.
    pub first_voiced: Option<Instant>,
    /// When the last voiced frame was sent.
    pub last_voiced: Option<Instant>,
    /// Frames sent.
    pub sent: u32,
    /// Frames that had their time but were not sent: muted, or no key.
    pub unsent: u32,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
}

/// What is due now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// A frame of the clip with this id.
    Voice(Frame),
    /// One of the silence frames after speech.
    Silence,
}

struct Playing {
    id: u64,
    frames: Arc<[Frame]>,
    at: usize,
    played: Option<Played>,
}

/// The queue of clips and the pacing.
#[derive(Default)]
pub struct Outbox {
    clips: VecDeque<Playing>,
    begun: Vec<(u64, Instant)>,
    finished: Vec<(u64, Played)>,
    silence_left: u8,
    next_at: Option<Instant>,
    next_id: u64,
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").field("clips", &self.clips.len()).field("next_at", &self.next_at).finish()
    }
}

impl Outbox {
    /// Queues a clip. None when [`MAX_CLIPS`] are waiting.
    pub fn push(&mut self, frames: Arc<[Frame]>, now: Instant) -> Option<u64> {
        if self.clips.len() >= MAX_CLIPS {
            return None;
        }
        let id = self.next_id;
        self.next_id += 1;
        // Straight after the silence frames of an earlier clip, its pacing goes on.
        self.next_at.get_or_insert(now);
        if frames.is_empty() {
            let nothing = Played {
                started: now,
                ended: now,
                first_voiced: None,
                last_voiced: None,
                sent: 0,
                unsent: 0,
                interrupted: false,
            };
            self.finished.push((id, nothing));
        } else {
            self.clips.push_back(Playing { id, frames, at: 0, played: None });
        }
        self.settle();
        Some(id)
    }

    /// When the next frame is due; none when there is nothing to say.
    pub const fn next_at(&self) -> Option<Instant> {
        self.next_at
    }

    /// Whether a clip (not only the silence after it) is being said or waits.
    pub fn is_speaking(&self) -> bool {
        !self.clips.is_empty()
    }

    /// Whether the first frame of a clip is next.
    pub fn is_at_start(&self) -> bool {
        self.clips.front().is_some_and(|clip| clip.at == 0)
    }

    /// Puts the next frame off, without losing its place.
    pub fn hold_until(&mut self, at: Instant) {
        if self.next_at.is_some() {
            self.next_at = Some(at);
        }
    }

    /// The frame that is due, if any. Report to [`Outbox::done`] what became of it.
    pub fn due(&mut self, now: Instant) -> Option<Due> {
        let due_at = self.next_at.filter(|at| *at <= now)?;
        if now.duration_since(due_at) > GIVE_UP_CATCHING_UP {
            self.next_at = Some(now);
        }
        if let Some(clip) = self.clips.front() {
            return clip.frames.get(clip.at).cloned().map(Due::Voice);
        }
        Some(Due::Silence)
    }

    /// The frame from [`Outbox::due`] was sent, or had its time without being sent.
    pub fn done(&mut self, now: Instant, was_sent: bool) {
        let Some(due_at) = self.next_at else { return };
        let next = due_at + FRAME;
        self.next_at = Some(next);
        if let Some(clip) = self.clips.front_mut() {
            let voiced = clip.frames.get(clip.at).is_some_and(|frame| frame.voiced);
            if clip.played.is_none() {
                self.begun.push((clip.id, due_at));
            }
            let played = clip.played.get_or_insert(Played {
                started: due_at,
                ended: next,
                first_voiced: None,
                last_voiced: None,
                sent: 0,
                unsent: 0,
                interrupted: false,
            });
            played.ended = next;
            if was_sent {
                played.sent += 1;
                self.silence_left = SILENCE_FRAMES;
                if voiced {
                    played.first_voiced.get_or_insert(now);
                    played.last_voiced = Some(now);
                }
            } else {
                played.unsent += 1;
            }
            clip.at += 1;
            if clip.at >= clip.frames.len() {
                self.finished.push((clip.id, *played));
                self.clips.pop_front();
            }
        } else {
            self.silence_left = self.silence_left.saturating_sub(1);
        }
        self.settle();
    }

    /// Stops at once: clips that had begun are finished as interrupted, those that waited are too.
    pub fn stop(&mut self, now: Instant) {
        for clip in self.clips.drain(..) {
            let nothing = Played {
                started: now,
                ended: now,
                first_voiced: None,
                last_voiced: None,
                sent: 0,
                unsent: 0,
                interrupted: true,
            };
            let played = clip.played.map_or(nothing, |played| Played { interrupted: true, ..played });
            self.finished.push((clip.id, played));
        }
        self.settle();
    }

    /// The clips that began since the last call, and when.
    pub fn take_begun(&mut self) -> Vec<(u64, Instant)> {
        std::mem::take(&mut self.begun)
    }

    /// The clips that ended since the last call.
    pub fn take_finished(&mut self) -> Vec<(u64, Played)> {
        std::mem::take(&mut self.finished)
    }

    fn settle(&mut self) {
        if self.clips.is_empty() && self.silence_left == 0 {
            self.next_at = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(frames: usize) -> Arc<[Frame]> {
        (0..frames).map(|n| Frame { opus: vec![n as u8], voiced: n % 2 == 0 }).collect()
    }

    /// Plays until nothing is due any more, waking `late` after each deadline; the times of sending.
    fn play(outbox: &mut Outbox, late: Duration) -> Vec<(Due, Instant)> {
        let mut sent = Vec::new();
        while let Some(at) = outbox.next_at() {
            let now = at + late;
            sent.push((outbox.due(now).unwrap(), now));
            outbox.done(now, true);
        }
        sent
    }

    #[test]
    fn frames_leave_every_20_ms_and_silence_follows() {
        let start = Instant::now();
        let mut outbox = Outbox::default();
        let id = outbox.push(clip(3), start).unwrap();
        let sent = play(&mut outbox, Duration::ZERO);
        assert_eq!(outbox.take_begun(), [(id, start)]);
        assert_eq!(sent.len(), 8);
        for (n, (due, at)) in sent.iter().enumerate() {
            assert_eq!(*at, start + FRAME * n as u32);
            assert_eq!(matches!(due, Due::Voice(_)), n < 3);
        }
        let [(finished, played)] = outbox.take_finished()[..] else { panic!() };
        assert_eq!((finished, played.sent, played.interrupted), (id, 3, false));
        assert_eq!((played.started, played.ended), (start, start + FRAME * 3));
        assert_eq!((played.first_voiced, played.last_voiced), (Some(start), Some(start + FRAME * 2)));
    }

    #[test]
    fn waking_late_does_not_add_up() {
        let start = Instant::now();
        let mut outbox = Outbox::default();
        outbox.push(clip(50), start);
        let sent = play(&mut outbox, Duration::from_millis(3));
        assert_eq!(sent[49].1, start + FRAME * 49 + Duration::from_millis(3));
    }

    #[test]
    fn after_a_long_stall_there_is_no_burst() {
        let start = Instant::now();
        let mut outbox = Outbox::default();
        outbox.push(clip(50), start);
        let late = start + Duration::from_secs(3);
        outbox.due(late).unwrap();
        outbox.done(late, true);
        assert_eq!(outbox.next_at(), Some(late + FRAME));
    }

    #[test]
    fn clips_follow_each_other_without_a_gap() {
        let start = Instant::now();
        let mut outbox = Outbox::default();
        outbox.push(clip(2), start);
        outbox.push(clip(2), start);
        let sent = play(&mut outbox, Duration::ZERO);
        assert!(sent[..4].iter().all(|(due, _)| matches!(due, Due::Voice(_))));
        assert_eq!(sent.len(), 9);
        assert_eq!(outbox.take_finished().len(), 2);
    }

    #[test]
    fn stopping_ends_in_silence_frames_and_says_what_was_interrupted() {
        let start = Instant::now();
        let mut outbox = Outbox::default();
        outbox.push(clip(50), start);
        outbox.push(clip(50), start);
        outbox.due(start).unwrap();
        outbox.done(start, true);
        outbox.stop(start + FRAME);
        let finished = outbox.take_finished();
        assert!(finished.iter().all(|(_, played)| played.interrupted));
        assert_eq!((finished[0].1.sent, finished[1].1.sent), (1, 0));
        assert_eq!(finished[0].1.ended, start + FRAME);
        let rest = play(&mut outbox, Duration::ZERO);
        assert!(rest.len() == 5 && rest.iter().all(|(due, _)| *due == Due::Silence));
    }

    #[test]
    fn unsent_frames_are_counted_and_need_no_silence() {
        let start = Instant::now();
        let mut outbox = Outbox::default();
        outbox.push(clip(2), start);
        for _ in 0..2 {
            let at = outbox.next_at().unwrap();
            outbox.due(at).unwrap();
            outbox.done(at, false);
        }
        assert_eq!(outbox.next_at(), None);
        let [(_, played)] = outbox.take_finished()[..] else { panic!() };
        assert_eq!((played.sent, played.unsent, played.last_voiced), (0, 2, None));
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut outbox = Outbox::default();
        let now = Instant::now();
        for _ in 0..MAX_CLIPS {
            assert!(outbox.push(clip(1), now).is_some());
        }
        assert_eq!(outbox.push(clip(1), now), None);
    }

    #[test]
    fn an_empty_clip_is_finished_at_once() {
        let mut outbox = Outbox::default();
        let now = Instant::now();
        outbox.push(Arc::from([]), now).unwrap();
        assert_eq!((outbox.take_finished().len(), outbox.next_at()), (1, None));
    }
}
