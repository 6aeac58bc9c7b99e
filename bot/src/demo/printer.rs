//! What a person sees while it happens.
use std::path::Path;
use std::time::Instant;

use super::summary::Summary;
use crate::output::progress;

/// Prints to the standard error, each line with the time since the start.
#[derive(Debug, Clone)]
pub(super) struct Printer {
    began: Instant,
}

impl Printer {
    pub(super) fn new(began: Instant) -> Self {
        Self { began }
    }

    /// Something happened.
    pub(super) fn happened(&self, what: impl AsRef<str>) {
        progress(format!("{:6.1} s  {}", self.began.elapsed().as_secs_f64(), what.as_ref()));
    }

    /// Somebody says something.
    pub(super) fn says(&self, who: &str, what: &str) {
        self.happened(format!("{who:>9}: {what}"));
    }

    /// The end.
    pub(super) fn summary(&self, summary: &Summary, out: &Path) {
        progress("");
        for check in &summary.checks {
            let mark = if check.held { "ok    " } else { "FAILED" };
            progress(format!("  {mark}  {}: {}", check.what, check.found));
        }
        progress("");
        progress(format!("speech to text  {}", summary.stt.words));
        progress(format!("language model  {}", summary.llm.words));
        progress(format!("text to speech  {}", summary.tts.words));
        progress("");
        let show = |file: &str, what: &str| {
            progress(format!("  {:<44} {what}", out.join(file).display().to_string()));
        };
        show("reply.wav", "the bot's voice as Alice heard it");
        show("heard/", "what each person heard");
        show("bundle/", "the recorded session");
        show("parity.html", "both lanes side by side: open it in a browser");
        show("summary.json", "every figure");
        progress("");
        let verdict = if summary.held() { "Everything held." } else { "Not everything held: see above." };
        progress(format!("{verdict} ({:.1} s)", self.began.elapsed().as_secs_f64()));
    }
}
