//! Notices to the people in the channel about the recording.
use bundle::BundleError;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_say_what_happened_without_the_machines_paths() {
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
}
