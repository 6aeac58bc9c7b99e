//! Mixes all tracks into one.
use std::path::Path;

use super::files::with_sound;
use super::tracks::write_wav;
use super::voice::Voice;
use crate::codec::samples::is_silent;
use crate::format::error::{BundleError, Result};
use crate::read::reader::Reader;
use antiphon_core::audio::{DISCORD_RATE, SLOT_SAMPLES_48K};

/// Yields the session slot by slot, 48 kHz mono, the bot included.
pub struct Mix {
    voices: Vec<Voice>,
    left: u64,
}

impl std::fmt::Debug for Mix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mix").field("voices", &self.voices.len()).finish_non_exhaustive()
    }
}

impl Mix {
    /// Everybody who has a track with sound, or only those whose name or id is `only`.
    pub fn of(bundle: &Reader, only: Option<&str>) -> Result<Self> {
        let mut voices = Vec::new();
        for track in with_sound(bundle)? {
            if only.is_none_or(|only| track.name.eq_ignore_ascii_case(only) || track.user.to_string() == only)
            {
                voices.push(Voice::of(bundle, track)?);
            }
        }
        if let (true, Some(only)) = (voices.is_empty(), only) {
            let names: Vec<_> = with_sound(bundle)?.into_iter().map(|track| track.name.as_str()).collect();
            return Err(BundleError::NoSuch(format!("sound of {only:?}; there is {}", names.join(", "))));
        }
        Ok(Self { voices, left: bundle.manifest().end_slot() })
    }

    /// How many slots are left.
    pub fn slots(&self) -> u64 {
        self.left
    }
}

impl Iterator for Mix {
    type Item = Result<Vec<i16>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let mut sum = [0i32; SLOT_SAMPLES_48K];
        let mut any = false;
        for voice in &mut self.voices {
            match voice.next()? {
                Ok(slot) if is_silent(&slot) => {}
                Ok(slot) => {
                    any = true;
                    add(&mut sum, &slot);
                }
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(if any {
            sum.iter().map(|sample| soft(*sample)).collect()
        } else {
            vec![0; SLOT_SAMPLES_48K]
        }))
    }
}

/// Everybody, the bot included, in one 48 kHz mono WAV file.
pub fn mix(bundle: &Reader, to: &Path, mut progress: impl FnMut(u64, u64)) -> Result<()> {
    let mixed = Mix::of(bundle, None)?;
    let (slots, mut done) = (mixed.slots(), 0);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_stays_in_16_bits_and_keeps_quiet_sums() {
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
