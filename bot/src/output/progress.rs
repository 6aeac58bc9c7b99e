//! Progress on the standard error: bars for people at a terminal, nothing otherwise.
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often a spinner turns.
const SPIN_INTERVAL: Duration = Duration::from_millis(100);

/// A bar or spinner, cleared when it is dropped.
struct Shown(ProgressBar);

impl Shown {
    fn new(bar: ProgressBar, template: &str, doing: &str) -> Self {
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(bar.with_style(style.progress_chars("━╸ ")).with_message(doing.to_owned()))
    }

    fn set(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A bar over so many of so many steps.
pub(crate) fn bar(doing: &str) -> impl FnMut(u64, u64) + use<> {
    let shown =
        Shown::new(ProgressBar::no_length(), "{msg:>10} {bar:32.cyan} {percent:>3} %  {eta} left", doing);
    move |done, total| shown.set(done, total)
}

/// A bar over so many of so many bytes.
pub(crate) fn byte_bar(doing: &str) -> impl Fn(u64, u64) + use<> {
    let template =
        "{msg:>10} {bar:32.cyan} {decimal_bytes} of {decimal_total_bytes}  {decimal_bytes_per_sec}";
    let shown = Shown::new(ProgressBar::no_length(), template, doing);
    move |done, total| shown.set(done, total)
}

/// Turns for as long as the work takes.
pub(crate) fn spin<T>(doing: &str, work: impl FnOnce() -> T) -> T {
    let shown = Shown::new(ProgressBar::new_spinner(), "{spinner:.cyan} {msg}  {elapsed}", doing);
    shown.0.enable_steady_tick(SPIN_INTERVAL);
    work()
}
