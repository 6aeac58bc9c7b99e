//! When written data is synced to the disk: the choice, and the writer's clock for it.
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Open runs are written down at least this often, so that a crash costs no more of them.
pub(crate) const CHECKPOINT_EVERY: Duration = Duration::from_millis(500);
/// The same in slots.
pub(crate) const CHECKPOINT_SLOTS: u64 = 25;

/// When files are synced to the disk (`fdatasync`). A killed process loses nothing that was written, whatever is chosen:
/// that is the kernel's by then. This is about the power going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// Only when the bundle is sealed. The kernel writes back when it likes (Linux: within half a minute).
    Never,
    /// This often.
    Interval(Duration),
    /// As soon as nothing more waits to be written.
    Each,
}

impl Default for Fsync {
    fn default() -> Self {
        Self::Interval(Duration::from_secs(1))
    }
}

/// A text that is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of never, interval, each")]
pub struct BadFsync(String);

impl FromStr for Fsync {
    type Err = BadFsync;

    /// `interval` is the default one of a second.
    fn from_str(text: &str) -> Result<Self, BadFsync> {
        match text.trim().to_ascii_lowercase().as_str() {
            "never" => Ok(Self::Never),
            "interval" => Ok(Self::default()),
            "each" => Ok(Self::Each),
            _ => Err(BadFsync(text.to_owned())),
        }
    }
}

/// What is due, and when it was done last.
#[derive(Debug)]
pub(crate) struct Upkeep {
    pub(crate) fsync: Fsync,
    synced: Option<Instant>,
    checkpointed: Option<Instant>,
}

impl Upkeep {
    pub(crate) fn new(fsync: Fsync) -> Self {
        Self { fsync, synced: None, checkpointed: None }
    }

    pub(crate) fn sync_due(&mut self, now: Instant) -> bool {
        match self.fsync {
            Fsync::Never => false,
            Fsync::Each => true,
            Fsync::Interval(every) => due(&mut self.synced, now, every),
        }
    }

    pub(crate) fn checkpoint_due(&mut self, now: Instant) -> bool {
        due(&mut self.checkpointed, now, CHECKPOINT_EVERY)
    }
}

fn due(last: &mut Option<Instant>, now: Instant, every: Duration) -> bool {
    let due = last.is_none_or(|last| now.saturating_duration_since(last) >= every);
    if due {
        *last = Some(now);
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_by_name_and_others_are_refused() {
        assert_eq!("each".parse(), Ok(Fsync::Each));
        assert_eq!(" Never ".parse(), Ok(Fsync::Never));
        assert_eq!("interval".parse(), Ok(Fsync::Interval(Duration::from_secs(1))));
        assert!("often".parse::<Fsync>().unwrap_err().to_string().contains("never, interval, each"));
    }

    #[test]
    fn an_interval_is_due_once_in_its_time() {
        let begun = Instant::now();
        let mut upkeep = Upkeep::new(Fsync::Interval(Duration::from_secs(1)));
        let due: Vec<bool> = [0, 500, 999, 1_000, 1_500, 2_100]
            .map(|ms| upkeep.sync_due(begun + Duration::from_millis(ms)))
            .to_vec();
        assert_eq!(due, [true, false, false, true, false, true]);
        assert!(!Upkeep::new(Fsync::Never).sync_due(begun));
    }
}
