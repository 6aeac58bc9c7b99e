//! Sound files: each track as WAV, the Opus tracks as they are, and everybody in one.
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::audio::{DISCORD_RATE, SLOT_SAMPLES_48K};
use crate::bundle::error::{BundleError, Doing, Result};
use crate::bundle::manifest::{Track, TrackFormat};
use crate::bundle::reader::Reader;
use crate::bundle::wav::header;

/// Seconds of a WAV file at 48 kHz mono, by its 32-bit sizes.
const MAX_SLOTS: u64 = (u32::MAX as u64 - 44) / (SLOT_SAMPLES_48K as u64 * 2);

/// Writes a file that must not be there, under another name until it is whole.
pub(super) fn write_new(to: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    if to.symlink_metadata().is_ok() {
        return Err(BundleError::Exists(to.to_path_buf()));
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).doing("create", folder)?;
    }
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let mut out = BufWriter::new(File::create(&part).doing("create", &part)?);
    let written = write(&mut out).and_then(|()| out.flush().doing("write", &part));
    drop(out);
    match written {
        Ok(()) => fs::rename(&part, to).doing("rename", &part),
        Err(error) => {
            // The error that matters is the one that stopped the writing.
            let _ = fs::remove_file(&part);
            Err(error)
        }
    }
}

/// A name for a track's file: what a person reads, then the id that tells two of the same name apart.
fn file_name(track: &Track, extension: &str) -> String {
    let name: String = track.name.chars().filter(|c| c.is_alphanumeric()).take(40).collect();
    let name = if name.is_empty() { "track".to_owned() } else { name };
    format!("{name}-{}.{extension}", track.user)
}

/// Every track that has sound as a WAV file of its own in `folder`. `progress` gets slots done and slots in all.
pub fn wav(bundle: &Reader, folder: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Vec<PathBuf>> {
    let tracks = with_sound(bundle)?;
    let total = tracks.len() as u64 * bundle.manifest().end_slot();
    let (mut done, mut files) = (0, Vec::new());
    for track in tracks {
        let to = folder.join(file_name(track, "wav"));
        let pcm = bundle.pcm_48k(track)?;
        write_wav(&to, pcm.rate(), bundle.manifest().end_slot(), pcm, || {
            done += 1;
            progress(done, total);
        })?;
        files.push(to);
    }
    Ok(files)
}

/// Every Opus track as it is, and every PCM track as WAV, in `folder`.
pub fn ogg(bundle: &Reader, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for track in with_sound(bundle)? {
        let extension = if track.format == Some(TrackFormat::OggOpus) { "ogg" } else { "wav" };
        let to = folder.join(file_name(track, extension));
        let from = bundle.path(bundle.blob_of(track)?)?;
        write_new(&to, |out| {
            let mut file = File::open(&from).doing("open", &from)?;
            std::io::copy(&mut file, out).doing("copy", &from).map(|_| ())
        })?;
        files.push(to);
    }
    Ok(files)
}

/// Everybody, the bot included, in one 48 kHz mono WAV file.
pub fn mix(bundle: &Reader, to: &Path, mut progress: impl FnMut(u64, u64)) -> Result<()> {
    let mut voices = Vec::new();
    for track in with_sound(bundle)? {
        voices.push(bundle.pcm_48k(track)?);
    }
    let slots = bundle.manifest().end_slot();
    let mut done = 0;
    let mixed = std::iter::from_fn(|| {
        let mut sum = [0i32; SLOT_SAMPLES_48K];
        let mut any = false;
        for voice in &mut voices {
            match voice.next() {
                Some(Ok(slot)) => {
                    any = true;
                    add(&mut sum, &slot);
                }
                Some(Err(error)) => return Some(Err(error)),
                None => {}
            }
        }
        any.then(|| Ok(sum.iter().map(|sample| soft(*sample)).collect()))
    });
    write_wav(to, DISCORD_RATE, slots, mixed, || {
        done += 1;
        progress(done, slots);
    })
}

/// Adds a slot at whatever rate to one at 48 kHz, between samples by the line through them.
fn add(sum: &mut [i32; SLOT_SAMPLES_48K], slot: &[i16]) {
    if slot.len() == SLOT_SAMPLES_48K {
        for (sum, sample) in sum.iter_mut().zip(slot) {
            *sum += i32::from(*sample);
        }
        return;
    }
    let Some(last) = slot.len().checked_sub(1) else {
        return;
    };
    for (i, sum) in sum.iter_mut().enumerate() {
        let at = i * slot.len();
        let (index, rest) = (at / SLOT_SAMPLES_48K, (at % SLOT_SAMPLES_48K) as i32);
        let (here, next) = (i32::from(slot[index.min(last)]), i32::from(slot[(index + 1).min(last)]));
        *sum += here + (next - here) * rest / SLOT_SAMPLES_48K as i32;
    }
}

/// Keeps a sum within 16 bits without the crackle of a hard cut: linear up to 3/4, then ever flatter.
fn soft(sum: i32) -> i16 {
    const KNEE: i32 = 24_576;
    const ROOM: i64 = 32_767 - KNEE as i64;
    let over = i64::from(sum.abs() - KNEE);
    let out = if over <= 0 { i64::from(sum.abs()) } else { i64::from(KNEE) + over * ROOM / (over + ROOM) };
    (out * i64::from(sum.signum())) as i16
}

fn write_wav(
    to: &Path,
    rate: u32,
    slots: u64,
    pcm: impl Iterator<Item = Result<Vec<i16>>>,
    mut progress: impl FnMut(),
) -> Result<()> {
    if slots > MAX_SLOTS {
        return Err(BundleError::TooLarge {
            file: to.display().to_string(),
            what: "the track, in slots of 20 ms,",
            found: slots,
            limit: MAX_SLOTS,
        });
    }
    let slot = u64::from(rate / 50);
    write_new(to, |out| {
        out.write_all(&header(rate, slots * slot)).doing("write", to)?;
        let mut written = 0;
        for samples in pcm.take(slots as usize) {
            for sample in samples? {
                out.write_all(&sample.to_le_bytes()).doing("write", to)?;
                written += 1;
            }
            progress();
        }
        for _ in written..slots * slot {
            out.write_all(&[0, 0]).doing("write", to)?;
        }
        Ok(())
    })
}

fn with_sound(bundle: &Reader) -> Result<Vec<&Track>> {
    let tracks: Vec<_> = bundle.manifest().tracks.iter().filter(|track| track.blob.is_some()).collect();
    if tracks.is_empty() { Err(BundleError::NoSuch("track with sound".into())) } else { Ok(tracks) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_never_leaves_16_bits_and_is_true_to_quiet_sums() {
        assert_eq!(soft(20_000), 20_000);
        assert_eq!(soft(-20_000), -20_000);
        let mut last = 0;
        for sum in (0..1_000_000).step_by(997) {
            let out = soft(sum);
            assert!(out >= last, "not monotone at {sum}");
            last = out;
        }
    }
}
