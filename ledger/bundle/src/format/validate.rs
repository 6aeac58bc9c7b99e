//! Whether a manifest makes sense: names that stay within the bundle, sizes, counts and marks that can be. What it says is used
//! before every byte is read, to size work by; so nothing may be larger than the files that stand behind it.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::error::{BundleError, Result};
use super::manifest::{
    INPUTS, MANIFEST, MANIFEST_OPEN, Manifest, TIMELINE, TRANSCRIPTS, Track, TrackFormat, actions_file,
};
use super::names;
use super::runs::MAX_SLOTS;
use antiphon_core::audio::DISCORD_RATE;
use antiphon_core::ids::Lane;

/// The most blobs.
pub(crate) const MAX_BLOBS: usize = 2_048;
/// The most bytes of a blob: a day of 48 kHz PCM has half as many.
pub(crate) const MAX_BLOB: u64 = 16 << 30;
/// A WAV file that is as long as it can be may have less sound than its session: its sizes have 32 bits.
const MAX_WAV: u64 = u32::MAX as u64 - 400_000;
/// No session is longer.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);

/// Sizes of blobs by name.
type Sizes<'a> = BTreeMap<&'a str, u64>;

/// Checks all that can be checked in the manifest alone. Names the field that is wrong.
pub(crate) fn check(manifest: &Manifest) -> Result<()> {
    let sizes = blobs(manifest)?;
    counts(manifest, &sizes)?;
    if manifest.ended < manifest.started {
        return Err(value("ended", "lies before started"));
    }
    if manifest.ended.since(manifest.started) > LONGEST {
        return Err(value("ended", "lies more than 31 days after started"));
    }
    let mut taken = BTreeSet::new();
    for (i, track) in manifest.tracks.iter().enumerate() {
        let wrong = |(field, message): (&str, String)| value(&format!("tracks[{i}].{field}"), &message);
        slots(track).map_err(wrong)?;
        if let Some(blob) = &track.blob
            && !taken.insert(blob)
        {
            return Err(wrong(("blob", format!("{blob:?} is another track's already"))));
        }
        sound(track, manifest.end_slot(), &sizes).map_err(wrong)?;
    }
    Ok(())
}

fn value(field: &str, message: &str) -> BundleError {
    BundleError::Value { file: MANIFEST.into(), field: field.to_owned(), message: message.to_owned() }
}

fn blobs(manifest: &Manifest) -> Result<Sizes<'_>> {
    if manifest.blobs.len() > MAX_BLOBS {
        return Err(BundleError::TooLarge {
            file: MANIFEST.into(),
            what: "the number of blobs",
            found: manifest.blobs.len() as u64,
            limit: MAX_BLOBS as u64,
        });
    }
    // Two names that differ in case only are one file on some systems.
    let mut folded = BTreeSet::from([MANIFEST.to_owned(), MANIFEST_OPEN.to_owned()]);
    for (i, blob) in manifest.blobs.iter().enumerate() {
        let there = !folded.insert(blob.name.to_ascii_lowercase());
        if let Some(why) = names::fault(&blob.name).or(there.then_some("it stands there already")) {
            return Err(BundleError::Name {
                field: format!("blobs[{i}].name"),
                name: blob.name.clone(),
                why,
            });
        }
        if blob.bytes > MAX_BLOB {
            return Err(BundleError::TooLarge {
                file: blob.name.clone(),
                what: "its size in manifest.json",
                found: blob.bytes,
                limit: MAX_BLOB,
            });
        }
    }
    let sizes: Sizes<'_> = manifest.blobs.iter().map(|blob| (blob.name.as_str(), blob.bytes)).collect();
    match lines().into_iter().find(|name| !sizes.contains_key(name)) {
        Some(name) => Err(value("blobs", &format!("names no {name}"))),
        None => Ok(sizes),
    }
}

/// The files that every bundle has.
fn lines() -> [&'static str; 5] {
    [INPUTS, TIMELINE, TRANSCRIPTS, actions_file(Lane::Production), actions_file(Lane::Sandbox)]
}

/// A line has at least a byte.
fn counts(manifest: &Manifest, sizes: &Sizes<'_>) -> Result<()> {
    let counts = &manifest.counts;
    for (field, count, file) in [
        ("inputs", counts.inputs, INPUTS),
        ("turns", counts.turns, INPUTS),
        ("production_actions", counts.production_actions, actions_file(Lane::Production)),
        ("sandbox_actions", counts.sandbox_actions, actions_file(Lane::Sandbox)),
        ("transcripts", counts.transcripts, TRANSCRIPTS),
        ("timeline", counts.timeline, TIMELINE),
    ] {
        let bytes = sizes.get(file).copied().unwrap_or_default();
        if count > bytes {
            return Err(value(
                &format!("counts.{field}"),
                &format!("{count} lines in {bytes} bytes of {file}"),
            ));
        }
    }
    Ok(())
}

/// A field of a track, and what is wrong with it.
type Wrong = (&'static str, String);

fn slots(track: &Track) -> std::result::Result<(), Wrong> {
    let (first, end, marks) = (track.first_slot, track.end_slot, &track.marks);
    if first > end || end > MAX_SLOTS {
        return Err(("end_slot", format!("{end} after first_slot {first}")));
    }
    let marked = [marks.received, marks.concealed, marks.undecryptable, marks.silent, marks.withheld];
    let marked = marked.iter().try_fold(0u64, |sum, marks| sum.checked_add(*marks));
    match marked {
        Some(marked) if marked <= end => Ok(()),
        _ => Err(("marks", format!("more than the {end} slots of the track"))),
    }
}

fn sound(track: &Track, session: u64, sizes: &Sizes<'_>) -> std::result::Result<(), Wrong> {
    let (format, name) = match (track.format, &track.blob) {
        (Some(format), Some(name)) => (format, name.as_str()),
        (None, None) => return Ok(()),
        _ => return Err(("blob", "goes together with format: both or none".into())),
    };
    let bytes = match sizes.get(name) {
        Some(bytes) if !lines().contains(&name) => *bytes,
        Some(_) => return Err(("blob", format!("{name:?} has no sound"))),
        None => return Err(("blob", format!("{name:?} is not among the blobs"))),
    };
    let rate = track.rate;
    let opus = format == TrackFormat::OggOpus;
    if opus && rate != DISCORD_RATE {
        return Err(("rate", format!("is {rate}, Opus tracks have {DISCORD_RATE}")));
    }
    if !rate.is_multiple_of(50) || !(8_000..=192_000).contains(&rate) {
        return Err(("rate", format!("{rate} samples a second don't make 20 ms slots")));
    }
    let channels = track.channels;
    if channels == 0 || channels > if opus { 2 } else { 1 } {
        return Err(("channels", format!("{channels} in a track of {format:?}")));
    }
    // Export and playback go through as many slots as are stated.
    let most = match format {
        // The smallest packets are of 120 ms, in three bytes with their lacing.
        TrackFormat::OggOpus => bytes.saturating_mul(2),
        // Four slots of silence at 48 kHz are a frame of some ten bytes, and more slots at lower rates.
        TrackFormat::Flac => bytes.saturating_mul(8),
        TrackFormat::Wav if bytes < MAX_WAV => bytes / u64::from(rate / 25),
        TrackFormat::Wav => MAX_SLOTS,
    };
    if session > most {
        let message =
            format!("the session has {session} slots, more than the {bytes} bytes of {name} can hold");
        return Err(("end_slot", message));
    }
    Ok(())
}
