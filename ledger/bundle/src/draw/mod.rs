//! The session as one SVG drawing on one time axis: waveforms, turns and words by person, what is known of each slot,
//! playback, barge-in, and the decisions of both lanes.
//!
//! [`scale`] places time, [`events`] gathers what happened, [`outline`] the sound, [`text`] measures and escapes words,
//! [`strokes`] puts the parts on the page. The drawing needs nothing from outside: no fonts, scripts or images.
mod events;
mod outline;
mod page;
mod scale;
mod strokes;
mod text;

use std::io::Write;
use std::path::Path;

use super::export::files::write_new;
use super::export::voice::Voice;
use crate::format::error::{Doing, Result};
use crate::format::manifest::TrackKind;
use crate::read::reader::Reader;
use antiphon_core::event::DecisionKind;

use events::Events;
use outline::Outline;
use scale::Scale;

pub use text::escape;

/// Draws the session into one SVG file. `progress` gets slots done and slots in all.
pub fn plot(bundle: &Reader, to: &Path, mut progress: impl FnMut(u64, u64)) -> Result<()> {
    let manifest = bundle.manifest();
    let slots = manifest.end_slot();
    let events = Events::gather(bundle)?;
    let scale = Scale::new(events.end_ms.max(slots * 20));
    let total = slots * manifest.tracks.len() as u64;
    let mut done = 0;
    let mut outlines = Vec::new();
    for track in &manifest.tracks {
        let mut outline = Outline::new(scale);
        if track.blob.is_some() {
            for (slot, samples) in (0..).zip(Voice::of(bundle, track)?) {
                outline.add(slot, &samples?);
                done += 1;
                progress(done, total);
            }
        } else {
            done += slots;
            progress(done, total);
        }
        outlines.push((track, outline));
    }
    // The bot's track stands between the people and the decisions.
    outlines.sort_by_key(|(track, _)| track.kind == TrackKind::Bot);
    let svg = page::draw(manifest, scale, &events, &outlines);
    write_new(to, |out| out.write_all(svg.as_bytes()).doing("write", to))
}

/// A decision's kind in a word, as labels have it.
pub(super) fn decision_name(kind: DecisionKind) -> &'static str {
    match kind {
        DecisionKind::Transcriber => "transcriber",
        DecisionKind::Respond => "respond",
        DecisionKind::Intent => "intent",
        DecisionKind::Model => "model",
        DecisionKind::Style => "style",
        DecisionKind::Voice => "voice",
        DecisionKind::Interrupt => "interrupt",
        DecisionKind::Fallback => "fallback",
        DecisionKind::Policy => "policy",
    }
}
