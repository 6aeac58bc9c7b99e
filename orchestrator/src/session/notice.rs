//! What people in the channel are told about the recording.
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use antiphon_core::record::{Body, Record};
use antiphon_core::time::Timestamp;
use bundle::BundleError;

use super::playback::VoiceOrder;
use super::recording::Recording;
use super::runner::Runner;
use speech::models::disk;

/// Free room at which a warning is due: some hours of a few speakers.
const LOW: u64 = 512 << 20;
/// How often the disk is asked.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notice {
    /// There is little room left.
    DiskLow {
        /// Bytes.
        free: u64,
    },
    /// There is none: recording stopped.
    DiskFull,
    /// Recording stopped for another reason.
    Stopped,
}

impl Notice {
    pub(super) fn stopped(error: &BundleError) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match error {
            BundleError::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded) => {
                Self::DiskFull
            }
            _ => Self::Stopped,
        }
    }

    /// For the channel. Paths and errors of the machine are the log's.
    pub(super) fn in_words(&self) -> String {
        const KEPT: &str =
            "What was recorded until now is kept. I go on listening and answering, unrecorded.";
        match self {
            Self::DiskLow { free } => format!(
                "\u{26A0}\u{FE0F} My disk is nearly full ({} MB left): this recording may have to stop early.",
                free / 1_000_000
            ),
            Self::DiskFull => {
                format!("\u{26A0}\u{FE0F} My disk is full: I have stopped recording. {KEPT}")
            }
            Self::Stopped => {
                format!("\u{26A0}\u{FE0F} Something is wrong with my disk: I have stopped recording. {KEPT}")
            }
        }
    }

    /// For metrics and the ledger.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::DiskLow { .. } => "disk_low",
            Self::DiskFull => "disk_full",
            Self::Stopped => "disk_failed",
        }
    }
}

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
        if self.warned || self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < LOOK_EVERY)
        {
            return None;
        }
        self.looked = Some(now);
        let free = free(&self.folder).filter(|free| *free < LOW)?;
        self.warned = true;
        Some(Notice::DiskLow { free })
    }
}

impl Runner {
    /// People are told when their recording is in danger or has stopped, and the ledger keeps that they were.
    pub(super) fn tell_of_the_recording(&mut self, now: Timestamp) {
        while let Some(notice) = self.recording.as_ref().and_then(Recording::notice) {
            tracing::warn!(notice = notice.as_str(), "people are told about the recording");
            if let Some(recorder) = &self.recorder {
                let details = serde_json::json!({ "notice": notice.as_str() });
                let body = Body::Audit { what: "recording".into(), who: "disk".into(), details };
                recorder.record(Record::new(self.guild, self.session, now, None, body));
            }
            if !matches!(notice, Notice::DiskLow { .. }) {
                self.status.send_modify(|status| status.recording = false);
            }
            self.voice.order(VoiceOrder::Post { text: notice.in_words() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_what_happened_without_the_machines_paths() {
        let full = |kind: std::io::ErrorKind| BundleError::Io {
            doing: "write",
            path: "/srv/secret/place".into(),
            source: kind.into(),
        };
        let notice = Notice::stopped(&full(std::io::ErrorKind::StorageFull));
        assert_eq!(notice, Notice::DiskFull);
        assert!(notice.in_words().contains("disk is full") && notice.in_words().contains("is kept"));
        let notice = Notice::stopped(&full(std::io::ErrorKind::Other));
        assert!(notice.in_words().contains("stopped recording") && !notice.in_words().contains("secret"));
    }

    #[test]
    fn a_low_disk_is_told_once() {
        let mut watch = DiskWatch::new(Path::new("/"));
        let begun = Instant::now();
        // It fills up, and is nearly full from the fortieth look on.
        let told: Vec<(u32, Notice)> = (0..100u32)
            .filter_map(|n| {
                let free = |_: &Path| Some(LOW + 39 - u64::from(n));
                Some((n, watch.look_with(begun + LOOK_EVERY * n, free)?))
            })
            .collect();
        assert_eq!(told, [(40, Notice::DiskLow { free: LOW - 1 })]);
        assert!(Notice::DiskLow { free: 7_000_000 }.in_words().contains("7 MB"));
    }
}
