//! Watches the disk's free room while a bundle is written.
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use speech::models::disk;

use super::notice::Notice;

/// Free room at which a warning is due: some hours of a few speakers.
const LOW_BYTES: u64 = 512 << 20;
/// How often the disk is asked.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// Looks at the disk's free room now and then, and warns once.
#[derive(Debug)]
pub(super) struct DiskWatch {
    folder: PathBuf,
    looked: Option<Instant>,
    warned: bool,
}

impl DiskWatch {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), looked: None, warned: false }
    }

    pub(super) fn look(&mut self, now: Instant) -> Option<Notice> {
        self.look_with(now, disk::free)
    }

    fn look_with(&mut self, now: Instant, free: impl Fn(&Path) -> Option<u64>) -> Option<Notice> {
        if self.warned
            || self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < LOOK_INTERVAL)
        {
            return None;
        }
        self.looked = Some(now);
        let free = free(&self.folder).filter(|free| *free < LOW_BYTES)?;
        self.warned = true;
        Some(Notice::DiskLow { free })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_disk_is_reported_once() {
        let mut watch = DiskWatch::new(Path::new("/"));
        let begun = Instant::now();
        // It fills up, and is nearly full from the fortieth look on.
        let reported: Vec<(u32, Notice)> = (0..100u32)
            .filter_map(|n| {
                let free = |_: &Path| Some(LOW_BYTES + 39 - u64::from(n));
                Some((n, watch.look_with(begun + LOOK_INTERVAL * n, free)?))
            })
            .collect();
        assert_eq!(reported, [(40, Notice::DiskLow { free: LOW_BYTES - 1 })]);
        assert!(Notice::DiskLow { free: 7_000_000 }.in_words().contains("7 MB"));
    }
}
