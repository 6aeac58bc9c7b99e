//! The queue before the bundle's thread: bounded, in order, and with room that only decisions may take.
//!
//! One queue, not two, because the bundle must learn of things in the order in which they happened (consent taken back
//! stands before the slots that it withholds). Sound fills no more than its share of it: a disk that is behind loses
//! sound first, which is marked, and never a decision because of sound, without which the bundle could not be replayed.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// Whose share of the queue something takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// Slots, packets, clips, and notes about them.
    Sound,
    /// What the session's course depends on.
    Decisions,
}

/// The near end.
#[derive(Debug)]
pub(super) struct Entrance<T> {
    queue: SyncSender<(Share, T)>,
    sounds: Arc<AtomicUsize>,
    most_sounds: usize,
}

/// The far end.
#[derive(Debug)]
pub(super) struct Exit<T> {
    queue: Receiver<(Share, T)>,
    sounds: Arc<AtomicUsize>,
}

/// A queue with room for so many sounds, and besides for so many decisions.
pub(super) fn bounded<T>(sounds: usize, decisions: usize) -> (Entrance<T>, Exit<T>) {
    let (near, far) = sync_channel(sounds + decisions);
    let waiting = Arc::new(AtomicUsize::new(0));
    let entrance = Entrance { queue: near, sounds: waiting.clone(), most_sounds: sounds };
    (entrance, Exit { queue: far, sounds: waiting })
}

impl<T> Entrance<T> {
    /// Puts something in, unless its share is full or nobody takes anything out any more.
    pub(super) fn offer(&self, share: Share, entry: T) -> bool {
        let sound = share == Share::Sound;
        if sound && self.sounds.fetch_add(1, Ordering::AcqRel) >= self.most_sounds {
            self.sounds.fetch_sub(1, Ordering::AcqRel);
            return false;
        }
        match self.queue.try_send((share, entry)) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                if sound {
                    self.sounds.fetch_sub(1, Ordering::AcqRel);
                }
                false
            }
        }
    }

    /// Puts something in and waits for room; false when nobody takes anything out any more.
    pub(super) fn put(&self, entry: T) -> bool {
        self.queue.send((Share::Decisions, entry)).is_ok()
    }
}

impl<T> Exit<T> {
    /// Takes the next thing out, if it comes within this time.
    pub(super) fn within(&mut self, time: Duration) -> Result<T, RecvTimeoutError> {
        self.queue.recv_timeout(time).map(|taken| self.taken(taken))
    }

    fn taken(&self, (share, entry): (Share, T)) -> T {
        if share == Share::Sound {
            self.sounds.fetch_sub(1, Ordering::AcqRel);
        }
        entry
    }
}

impl<T> Iterator for Exit<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.queue.recv().ok().map(|taken| self.taken(taken))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sound_never_takes_the_room_of_decisions() {
        let (near, mut far) = bounded(2, 2);
        assert!(near.offer(Share::Sound, 'a') && near.offer(Share::Decisions, 'b'));
        assert!(near.offer(Share::Sound, 'c') && !near.offer(Share::Sound, 'x'));
        assert!(near.offer(Share::Decisions, 'd') && !near.offer(Share::Decisions, 'x'));
        assert_eq!(far.next(), Some('a'));
        assert!(near.offer(Share::Sound, 'e'), "there is room for one sound again");
        drop(near);
        assert_eq!(far.collect::<String>(), "bcde", "in the order in which it came");
    }

    #[test]
    fn nothing_is_taken_when_nobody_listens() {
        let (near, far) = bounded(2, 2);
        drop(far);
        assert!(!near.offer(Share::Decisions, 1) && !near.offer(Share::Sound, 2) && !near.put(3));
    }

    proptest! {
        #[test]
        fn whatever_comes_as_many_decisions_fit_as_were_promised(
            steps in prop::collection::vec(prop_oneof![Just(None), Just(Some(Share::Sound)), Just(Some(Share::Decisions))], 0..200),
        ) {
            let (near, mut far) = bounded::<usize>(5, 3);
            let mut model: VecDeque<(Share, usize)> = VecDeque::new();
            for (number, step) in steps.into_iter().enumerate() {
                let waiting = |share| model.iter().filter(|(of, _)| *of == share).count();
                match step {
                    Some(Share::Sound) => {
                        let taken = near.offer(Share::Sound, number);
                        // Decisions beyond their share may take what sound leaves free, never the other way round.
                        prop_assert_eq!(taken, waiting(Share::Sound) < 5 && model.len() < 8);
                        if taken { model.push_back((Share::Sound, number)); }
                    }
                    Some(Share::Decisions) => {
                        let taken = near.offer(Share::Decisions, number);
                        prop_assert!(taken || waiting(Share::Decisions) >= 3);
                        if taken { model.push_back((Share::Decisions, number)); }
                    }
                    None => if let Some((_, expected)) = model.pop_front() {
                        prop_assert_eq!(far.next(), Some(expected));
                    }
                }
            }
        }
    }
}
