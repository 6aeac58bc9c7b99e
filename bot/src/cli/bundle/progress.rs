//! How far long work has come.
use std::io::IsTerminal;

use crate::output::progress;

/// A progress line, every tenth of the way; only for people at a terminal.
pub(in crate::cli) fn bar(doing: &'static str) -> impl FnMut(u64, u64) {
    let shown = std::io::stderr().is_terminal();
    let mut last = 0;
    move |done, total| {
        let tenth = (done * 10).checked_div(total).unwrap_or(10);
        if shown && tenth > last {
            last = tenth;
            progress(format!("{doing} {tenth}0 %"));
        }
    }
}
