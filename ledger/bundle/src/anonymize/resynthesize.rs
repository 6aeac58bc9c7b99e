//! Speaks the scrubbed transcripts again, each line where it was said.
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use crate::codec::wav::WavTrack;
use crate::format::error::{BundleError, Result};
use crate::format::lines::TranscriptLine;
use crate::format::manifest::{Manifest, TRACKS, TrackFormat, TrackKind};
use antiphon_core::audio::{DISCORD_RATE, SLOT_SAMPLES_48K};
use antiphon_core::ids::UserId;

/// Something to be spoken.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// By whom: the pseudonym, so that each keeps a voice.
    pub user: UserId,
    /// By the bot.
    pub bot: bool,
    pub text: &'a str,
}

/// Speaks a line: 48 kHz mono. The error is for the person who must act.
pub type Voice<'a> = dyn FnMut(Line<'_>) -> std::result::Result<Vec<i16>, String> + 'a;

/// What became of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spoken {
    pub(super) lines: u64,
    /// Lines that the session's end cut off.
    pub(super) cut: u64,
}

/// Writes a WAV track for everybody who said something. A line that would begin before the same person's last one has
/// ended begins behind it; the session does not get longer.
pub(super) fn tracks(
    to: &Path,
    manifest: &mut Manifest,
    mut said: Vec<TranscriptLine>,
    voice: &mut Voice<'_>,
) -> Result<Spoken> {
    said.sort_by_key(|line| (line.start_ms, line.turn));
    let end = manifest.end_slot() * SLOT_SAMPLES_48K as u64;
    let (mut spoken, mut open) = (Spoken::default(), BTreeMap::new());
    for line in &said {
        let Some(track) = manifest.tracks.iter().find(|track| track.user == line.user) else {
            continue;
        };
        let name = if track.kind == TrackKind::Bot { "bot".to_owned() } else { track.user.to_string() };
        let text = line.text.replace(['[', ']'], " ");
        let pcm = voice(Line { user: line.user, bot: line.bot, text: &text })
            .map_err(|message| BundleError::Track { file: format!("{TRACKS}/{name}.wav"), message })?;
        let (track, free, _) = match open.entry(line.user) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(new) => {
                let track = WavTrack::create(&to.join(TRACKS).join(format!("{name}.wav")), DISCORD_RATE)?;
                new.insert((track, 0, name))
            }
        };
        let start = line.start_ms.saturating_mul(48).max(*free).min(end);
        let room = usize::try_from(end - start).unwrap_or(usize::MAX);
        let fits = &pcm[..pcm.len().min(room)];
        spoken.lines += 1;
        spoken.cut += u64::from(fits.len() < pcm.len());
        track.write_at(start, fits)?;
        *free = start + fits.len() as u64;
    }
    for (user, (wav, _, name)) in open {
        wav.finish(end)?;
        if let Some(track) = manifest.tracks.iter_mut().find(|track| track.user == user) {
            track.format = Some(TrackFormat::Wav);
            track.blob = Some(format!("{TRACKS}/{name}.wav"));
            (track.rate, track.channels) = (DISCORD_RATE, 1);
        }
    }
    Ok(spoken)
}
