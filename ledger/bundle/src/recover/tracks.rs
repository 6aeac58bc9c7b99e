//! Tracks that broke off: how far each goes, and its end put right.
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use super::quarantine::Aside;
use super::report::FileKept;
use crate::codec::ogg_packets::OggPackets;
use crate::codec::ogg_track::{OggTrack, PageEnd};
use crate::codec::wav::{HEADER, WavTrack};
use crate::codec::{opus, wav};
use crate::format::error::{BundleError, Doing, Result};
use crate::format::manifest::{TRACKS, TrackFormat};
use crate::format::names;
use crate::write::bot_voice::BOT_FILE;
use antiphon_core::audio::SLOT_SAMPLES_48K;
use antiphon_core::ids::UserId;
use antiphon_core::private_files;

/// A track that was found.
#[derive(Debug)]
pub(super) struct Found {
    /// Its name within the bundle.
    pub(super) name: String,
    pub(super) format: TrackFormat,
    pub(super) rate: u32,
    /// Whole slots that are in it.
    pub(super) slots: u64,
    bytes: u64,
}

/// Everything in the folder of tracks.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    pub(super) speakers: BTreeMap<UserId, Found>,
    pub(super) bot: Option<Found>,
    /// Tracks of which nothing can be used, moved away.
    pub(super) gone: Vec<FileKept>,
}

/// Looks at every track. What is no track of ours stays where it is.
pub(super) fn look(dir: &Path, aside: &Aside<'_>) -> Result<Tracks> {
    let folder = dir.join(TRACKS);
    private_files::create_dir_all(&folder).doing("create", &folder)?;
    let mut files: Vec<String> = fs::read_dir(&folder)
        .doing("read", &folder)?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut tracks = Tracks::default();
    for file in files {
        let name = format!("{TRACKS}/{file}");
        // Cut off while it was sealed: the WAV file is there still, and whole.
        if let Some(stem) = file.strip_suffix(".flac")
            && folder.join(format!("{stem}.wav")).is_file()
        {
            let path = dir.join(&name);
            fs::remove_file(&path).doing("remove", &path)?;
            continue;
        }
        let user = file
            .strip_suffix(".ogg")
            .or_else(|| file.strip_suffix(".wav"))
            .and_then(|user| user.parse::<u64>().ok())
            .map(UserId);
        if user.is_none() && file != BOT_FILE {
            continue;
        }
        let (path, bytes) = names::regular_file(dir, &name)?;
        let looked = match file.ends_with(".ogg") {
            true => look_at_ogg(&path, &name),
            false => look_at_wav(&path, &name, bytes),
        };
        let taken = user.is_some_and(|user| tracks.speakers.contains_key(&user));
        match looked {
            Ok((slots, rate)) if !taken => {
                let format = if rate.is_some() { TrackFormat::Wav } else { TrackFormat::OggOpus };
                let rate = rate.unwrap_or(antiphon_core::audio::DISCORD_RATE);
                let found = Found { name, format, rate, slots, bytes };
                match user {
                    Some(user) => drop(tracks.speakers.insert(user, found)),
                    None => tracks.bot = Some(found),
                }
            }
            Err(error @ BundleError::Io { .. }) => return Err(error),
            looked => {
                let why =
                    looked.err().map_or("the speaker has another track".into(), |error| error.to_string());
                tracks.gone.push(gone(&name, bytes, why, aside)?);
            }
        }
    }
    Ok(tracks)
}

/// Moves a track away of which nothing can be used.
fn gone(name: &str, bytes: u64, why: String, aside: &Aside<'_>) -> Result<FileKept> {
    Ok(FileKept {
        name: name.to_owned(),
        found_bytes: bytes,
        kept_bytes: 0,
        kept: "nothing".into(),
        lost: Some(why),
        aside: Some(aside.remove(name)?),
    })
}

/// Whole slots, and the rate of a PCM track.
type Looked = (u64, Option<u32>);

fn look_at_ogg(path: &Path, name: &str) -> Result<Looked> {
    let mut packets = OggPackets::open(path, name)?;
    loop {
        match packets.next_packet() {
            Ok(Some(_)) => {}
            Err(error @ BundleError::Io { .. }) => return Err(error),
            Ok(None) | Err(_) => break,
        }
    }
    Ok((packets.samples() / SLOT_SAMPLES_48K as u64, None))
}

fn look_at_wav(path: &Path, name: &str, bytes: u64) -> Result<Looked> {
    let info = wav::read_header(name, &mut BufReader::new(File::open(path).doing("open", path)?))?;
    let samples = bytes.saturating_sub(HEADER) / 2;
    Ok((samples / u64::from(info.rate / 50), Some(info.rate)))
}

/// Ends a track: its sound stands up to `until`, and silence follows up to `end`.
pub(super) fn finish(dir: &Path, found: Found, until: u64, end: u64, aside: &Aside<'_>) -> Result<FileKept> {
    match found.format {
        TrackFormat::OggOpus => finish_ogg(dir, found, until, end, aside),
        TrackFormat::Wav | TrackFormat::Flac => finish_wav(dir, found, until, end, aside),
    }
}

/// A track that nothing in the timeline speaks of.
pub(super) fn unknown(found: &Found, aside: &Aside<'_>) -> Result<FileKept> {
    gone(&found.name, found.bytes, "the timeline knows nothing of it".into(), aside)
}

fn finish_ogg(dir: &Path, found: Found, until: u64, end: u64, aside: &Aside<'_>) -> Result<FileKept> {
    let path = dir.join(&found.name);
    let mut packets = OggPackets::open(&path, &found.name)?;
    // The last page's end with something kept behind it: the track goes on from there, for only its last packet may
    // carry the end of the stream. After the two headers the packets of the skipped 80 ms are behind the first.
    let mut boundary: Option<PageEnd> = None;
    let mut candidate: Option<PageEnd> = None;
    let mut behind: Vec<(Vec<u8>, usize)> = Vec::new();
    let (mut kept, mut dropped) = (0u64, 0u64);
    let mut torn = None;
    loop {
        let packet = match packets.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(error @ BundleError::Io { .. }) => return Err(error),
            Err(error) => {
                // Pages without the end of the stream are how every track looks that is being recorded.
                torn = (!packets.ends_whole(found.bytes)).then(|| error.to_string());
                break;
            }
        };
        if packet.sample >= until * SLOT_SAMPLES_48K as u64 {
            dropped += u64::from(!opus::is_filler(&packet.data));
            continue;
        }
        if let Some(end) = candidate.take() {
            boundary = Some(end);
            behind.clear();
        }
        candidate = packets.page_end(packet.last_in_page);
        behind.push((packet.data, packet.samples));
        kept += 1;
    }
    let stream = (packets.serial(), packets.delay());
    // With no boundary everything after the headers is behind: the skipped packets were read by `open`, so they come again.
    let at = boundary.unwrap_or(packets.headers_end());
    if boundary.is_none() {
        let skipped = packets.skipped();
        behind.splice(0..0, skipped);
    }
    let lost = lost_of_ogg(torn, dropped, until);
    let piece = if lost.is_some() { aside.keep(&found.name, at.offset)? } else { None };
    OggTrack::resume(&path, stream, at, behind)?.finish(end)?;
    Ok(FileKept {
        name: found.name,
        found_bytes: found.bytes,
        kept_bytes: at.offset,
        kept: format!("{kept} packets, up to slot {}", until.min(found.slots)),
        lost,
        aside: piece,
    })
}

fn lost_of_ogg(torn: Option<String>, dropped: u64, until: u64) -> Option<String> {
    let dropped = (dropped > 0).then(|| {
        format!("{dropped} packets from slot {until} on, of which the timeline does not say when they came")
    });
    match (torn, dropped) {
        (Some(torn), Some(dropped)) => Some(format!("{torn}; {dropped}")),
        (torn, dropped) => torn.or(dropped),
    }
}

fn finish_wav(dir: &Path, found: Found, until: u64, end: u64, aside: &Aside<'_>) -> Result<FileKept> {
    let path = dir.join(&found.name);
    let slot = u64::from(found.rate / 50);
    let there = found.bytes.saturating_sub(HEADER) / 2;
    let keep = there.min(until * slot);
    let stands = HEADER + keep * 2;
    // Behind the last slot that bears a mark silence does no harm; sound is named.
    let piece = aside.keep(&found.name, stands)?;
    let lost = piece.as_ref().map(|_| {
        format!("{} bytes behind slot {until}, of which the timeline has no marks", found.bytes - stands)
    });
    WavTrack::resume(&path, found.rate, keep)?.finish(end * slot)?;
    Ok(FileKept {
        name: found.name,
        found_bytes: found.bytes,
        kept_bytes: stands,
        kept: format!("{keep} samples, up to slot {}", until.min(found.slots)),
        lost,
        aside: piece,
    })
}
