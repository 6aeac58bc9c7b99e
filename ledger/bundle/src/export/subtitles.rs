//! What was said, as subtitles for the mix.
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use super::files::{one_line, write_new};
use crate::format::error::{Doing, Result};
use crate::format::lines::TranscriptLine;
use crate::read::reader::Reader;

/// A subtitle stays at least so long, or nobody can read it.
const SHORTEST_MS: u64 = 700;

/// WebVTT, with a voice tag for each speaker (W3C, WebVTT: The Web Video Text Tracks Format, section 3).
pub fn vtt(bundle: &Reader, to: &Path) -> Result<()> {
    let mut text = String::from("WEBVTT\n");
    for line in spoken(bundle)? {
        let (from, until) = span(&line);
        let (name, said) = (escape(&cue(&line.name)), escape(&cue(&line.text)));
        let _ = write!(text, "\n{} --> {}\n<v {name}>{said}\n", clock(from, '.'), clock(until, '.'));
    }
    write_new(to, |out| out.write_all(text.as_bytes()).doing("write", to))
}

/// SubRip.
pub fn srt(bundle: &Reader, to: &Path) -> Result<()> {
    let mut text = String::new();
    for (n, line) in (1..).zip(spoken(bundle)?) {
        let (from, until) = span(&line);
        let (name, said) = (cue(&line.name), cue(&line.text));
        let _ = write!(text, "{n}\n{} --> {}\n{name}: {said}\n\n", clock(from, ','), clock(until, ','));
    }
    write_new(to, |out| out.write_all(text.as_bytes()).doing("write", to))
}

pub(crate) fn spoken(bundle: &Reader) -> Result<Vec<TranscriptLine>> {
    let mut lines = bundle.transcripts()?.collect::<Result<Vec<_>>>()?;
    lines.sort_by_key(|line| (line.start_ms, line.turn));
    Ok(lines)
}

fn span(line: &TranscriptLine) -> (u64, u64) {
    (line.start_ms, line.end_ms.max(line.start_ms.saturating_add(SHORTEST_MS)))
}

/// An empty line would end the cue, and `-->` would start a new one.
fn cue(text: &str) -> String {
    one_line(text).replace("-->", "->")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn clock(ms: u64, point: char) -> String {
    let (s, ms) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}{point}{ms:03}", s / 3600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_break_out_of_their_cue() {
        assert_eq!(escape(&cue("a\n\n00:01 --> 00:02 <b>")), "a 00:01 -&gt; 00:02 &lt;b&gt;");
        assert_eq!(clock(3_661_042, '.'), "01:01:01.042");
    }
}
