//! One track's sound, exactly as long as the session.
use crate::format::error::Result;
use crate::format::manifest::Track;
use crate::read::pcm::Pcm;
use crate::read::reader::Reader;

/// Yields a track's slots from slot 0 to the session's last: silence where the track has ended (or was cut off), nothing
/// beyond the end. Opus comes at 48 kHz with the pre-skip taken off, PCM at its own rate.
pub(crate) struct Voice {
    pcm: Pcm,
    left: u64,
    slot: usize,
}

impl Voice {
    pub(crate) fn of(bundle: &Reader, track: &Track) -> Result<Self> {
        let pcm = bundle.pcm_48k(track)?;
        let slot = (pcm.rate() / 50) as usize;
        Ok(Self { pcm, left: bundle.manifest().end_slot(), slot })
    }

    pub(crate) fn rate(&self) -> u32 {
        self.pcm.rate()
    }

    /// Samples of a slot.
    pub(crate) fn slot(&self) -> usize {
        self.slot
    }

    /// Slots that are left.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }
}

impl Iterator for Voice {
    type Item = Result<Vec<i16>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(self.pcm.next().unwrap_or_else(|| Ok(vec![0; self.slot])))
    }
}
