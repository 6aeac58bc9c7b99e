//! A row of the time axis for each track.
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::scale::{Scale, px};
use super::waveform::Outline;
use antiphon_core::audio::{SLOT_MS, SlotMark};
use antiphon_core::ids::UserId;
use bundle::{Reader, Result, TimelineLine, Track, TrackKind};

/// Pixels of a track's row.
pub(super) const ROW: f64 = 64.0;
/// Samples a second for the outline: enough for its shape, and the fastest to decode.
const RATE: u32 = 8_000;
/// Colours of the style sheet for speakers.
pub(super) const COLOURS: usize = 6;

/// A track's row.
#[derive(Debug, Serialize)]
pub(super) struct LaneRow {
    pub(super) name: String,
    pub(super) detail: String,
    pub(super) colour: String,
    pub(super) y: String,
    pub(super) middle: String,
    pub(super) waveform: Option<String>,
    pub(super) withheld: Vec<Stretch>,
    /// Ticks where packets were lost and concealed.
    pub(super) concealed: Option<String>,
    /// Ticks where packets could not be decrypted or decoded.
    pub(super) undecryptable: Option<String>,
    /// For those who cannot see it.
    pub(super) description: String,
}

/// From and how wide, in pixels.
#[derive(Debug, Serialize)]
pub(super) struct Stretch {
    pub(super) x: String,
    pub(super) width: String,
}

/// The colour of each speaker, by the order of tracks.
pub(super) fn colours(reader: &Reader) -> BTreeMap<UserId, String> {
    let speakers = reader.manifest().tracks.iter().filter(|track| track.kind == TrackKind::Speaker);
    let mut colours: BTreeMap<_, _> =
        speakers.enumerate().map(|(i, track)| (track.user, format!("s{}", i % COLOURS))).collect();
    colours.insert(reader.manifest().bot.user, "bot".to_owned());
    colours
}

/// What the timeline says about each speaker's slots, on the page's scale.
#[derive(Debug, Default)]
struct Marks {
    withheld: Vec<(u64, u64)>,
    concealed: BTreeSet<u32>,
    undecryptable: BTreeSet<u32>,
}

/// The rows of all tracks.
pub(super) fn rows(reader: &Reader, scale: Scale) -> Result<Vec<LaneRow>> {
    let mut marks: BTreeMap<UserId, Marks> = BTreeMap::new();
    for line in reader.timeline()? {
        if let TimelineLine::Slots(run) = line? {
            let of = marks.entry(run.user).or_default();
            let column = |slot: u64| scale.x(slot * u64::from(SLOT_MS)) as u32;
            let columns = column(run.first_slot)..=column(run.first_slot + run.slots.saturating_sub(1));
            match run.mark {
                SlotMark::Withheld => match of.withheld.last_mut() {
                    Some((from, slots)) if *from + *slots == run.first_slot => *slots += run.slots,
                    _ => of.withheld.push((run.first_slot, run.slots)),
                },
                SlotMark::Concealed => of.concealed.extend(columns),
                SlotMark::Undecryptable => of.undecryptable.extend(columns),
                SlotMark::Received | SlotMark::Silent => {}
            }
        }
    }
    let colours = colours(reader);
    let mut rows = Vec::new();
    for (n, track) in reader.manifest().tracks.iter().enumerate() {
        let marks = match track.kind {
            TrackKind::Speaker => marks.remove(&track.user).unwrap_or_default(),
            TrackKind::Bot => Marks::default(),
        };
        rows.push(row(reader, scale, track, n, &marks, colours.get(&track.user))?);
    }
    Ok(rows)
}

fn row(
    reader: &Reader,
    scale: Scale,
    track: &Track,
    n: usize,
    marks: &Marks,
    colour: Option<&String>,
) -> Result<LaneRow> {
    let y = n as f64 * ROW;
    let middle = y + ROW / 2.0;
    let mut outline = Outline::new(scale);
    if track.blob.is_some() {
        let mut hidden = marks.withheld.iter().peekable();
        for (slot, samples) in (0..).zip(reader.pcm(track, RATE)?) {
            let samples = samples?;
            while hidden.next_if(|(from, slots)| from + slots <= slot).is_some() {}
            // Nothing that comes of sound is shown where there was no consent, not even what a decoder lets ring on.
            if hidden.peek().is_none_or(|(from, _)| slot < *from) {
                outline.add(slot, &samples);
            }
        }
    }
    let stretch = |(from, slots): &(u64, u64)| {
        let (x, end) = (scale.x(from * u64::from(SLOT_MS)), scale.x((from + slots) * u64::from(SLOT_MS)));
        Stretch { x: px(x), width: px((end - x).max(1.0)) }
    };
    let ticks = |columns: &BTreeSet<u32>| {
        let path: String = columns.iter().map(|x| format!("M{x} {}v6", px(y + ROW - 8.0))).collect();
        (!path.is_empty()).then_some(path)
    };
    let seconds = |slots: u64| format!("{:.1} s", slots as f64 * f64::from(SLOT_MS) / 1_000.0);
    let counts = track.marks;
    let (detail, description) = match track.kind {
        TrackKind::Bot => {
            let played = seconds(counts.received);
            (format!("played {played}"), format!("{}: the bot's voice, {played} really played", track.name))
        }
        TrackKind::Speaker => {
            let mut parts = Vec::new();
            for (slots, what) in [(counts.received, "heard"), (counts.withheld, "withheld")] {
                if slots > 0 {
                    parts.push(format!("{what} {}", seconds(slots)));
                }
            }
            let detail = if parts.is_empty() { "silent".to_owned() } else { parts.join(", ") };
            let (lost, odd) = (counts.concealed, counts.undecryptable);
            (
                detail.clone(),
                format!("{}: {detail}, {lost} packets concealed, {odd} undecryptable", track.name),
            )
        }
    };
    Ok(LaneRow {
        name: track.name.clone(),
        detail,
        colour: colour.cloned().unwrap_or_else(|| "s0".into()),
        y: px(y),
        middle: px(middle),
        waveform: outline.path(middle, ROW / 2.0 - 8.0),
        withheld: marks.withheld.iter().map(stretch).collect(),
        concealed: ticks(&marks.concealed),
        undecryptable: ticks(&marks.undecryptable),
        description,
    })
}
