//! One speaker's part of a bundle being written: marks, the open run, the track.
use std::path::{Path, PathBuf};

use base64::Engine as _;

use crate::codec::ogg_track::OggTrack;
use crate::codec::opus;
use crate::codec::wav::WavTrack;
use crate::files::JsonLinesFile;
use crate::format::error::{BundleError, Result};
use crate::format::lines::{SlotRun, Surplus, TimelineLine};
use crate::format::manifest::{TRACKS, Track, TrackFormat, TrackKind};
use crate::format::packet_info::PacketInfo;
use crate::format::runs::OpenRun;
use antiphon_core::audio::{DISCORD_RATE, SlotCounts, SlotMark};
use antiphon_core::capture_note::CaptureNote;
use antiphon_core::ids::UserId;

/// Slots a second.
const SLOTS_A_SECOND: u32 = 50;
/// A week. A slot beyond is a mistake, and filling the track up to it would fill the disk.
const MAX_SLOT: u64 = 7 * 24 * 3600 * SLOTS_A_SECOND as u64;

/// A speaker whose last slot lies so far back is away. The slots of one who is not come within two seconds of each
/// other's.
const BEHIND_SLOTS: u64 = 10 * SLOTS_A_SECOND as u64;

enum Sound {
    /// Nothing was received yet that may be kept: there is no file, and for a person who never consents never one.
    Nothing,
    Ogg(OggTrack),
    Wav(WavTrack),
}

pub(crate) struct Speaker {
    user: UserId,
    folder: PathBuf,
    sound: Sound,
    run: Option<OpenRun>,
    marks: SlotCounts,
    last_mark: Option<SlotMark>,
    first: Option<u64>,
    next: u64,
}

impl Speaker {
    pub(crate) fn new(user: UserId, folder: &Path) -> Self {
        Self {
            user,
            folder: folder.to_path_buf(),
            sound: Sound::Nothing,
            run: None,
            marks: SlotCounts::default(),
            last_mark: None,
            first: None,
            next: 0,
        }
    }

    pub(crate) fn packet(
        &mut self,
        slot: u64,
        mark: SlotMark,
        packet: Option<PacketInfo<'_>>,
        timeline: &mut JsonLinesFile,
    ) -> Result<()> {
        if matches!(self.sound, Sound::Wav(_)) && packet.is_none() {
            return self.pcm(slot, mark, None, timeline);
        }
        self.in_order(slot)?;
        if matches!(self.sound, Sound::Wav(_)) {
            return Err(self.fault(slot, "a packet for a track that is kept as PCM"));
        }
        if matches!(self.sound, Sound::Nothing) && mark == SlotMark::Received && packet.is_some() {
            let user = self.user.to_string();
            let path = self.folder.join(format!("{user}.ogg"));
            // The serial number only has to differ between streams of one file: the id's low half will do.
            let serial = self.user.0 as u32;
            self.sound = Sound::Ogg(OggTrack::create(&path, serial, &[("ANTIPHON_USER", &user)])?);
        }
        let payload = packet.as_ref().map(|packet| packet.payload);
        let refused = match &mut self.sound {
            Sound::Ogg(track) => track.slot(slot, mark, payload)?,
            Sound::Nothing | Sound::Wav(_) => None,
        };
        if let (Some(refused), Some(packet)) = (refused, &packet) {
            metrics::counter!("antiphon_bundle_packets_refused_total").increment(1);
            let note = CaptureNote::PacketRefused { user: self.user, slot, why: refused.why().into() };
            timeline.write(&TimelineLine::Note { at: packet.arrival, note })?;
            // Not in the track, so the timeline must not say that it is.
            return self.mark(slot, SlotMark::Undecryptable, None, timeline);
        }
        self.mark(slot, mark, packet.as_ref(), timeline)
    }

    /// A packet of the slot written last, which has a packet already: its sound follows that one's.
    pub(crate) fn shared(
        &mut self,
        slot: u64,
        packet: PacketInfo<'_>,
        timeline: &mut JsonLinesFile,
    ) -> Result<()> {
        self.surplus(slot, packet, timeline)?;
        match &mut self.sound {
            Sound::Ogg(track) if self.last_mark == Some(SlotMark::Received) && slot + 1 == self.next => {
                track.shared(slot, packet.payload)
            }
            _ => Ok(()),
        }
    }

    /// The last slot's mark decides: a packet folded into a withheld slot is withheld with it.
    pub(crate) fn surplus(
        &mut self,
        slot: u64,
        packet: PacketInfo<'_>,
        timeline: &mut JsonLinesFile,
    ) -> Result<()> {
        if self.last_mark.is_none_or(|mark| mark == SlotMark::Withheld) {
            return Err(BundleError::Withheld { user: self.user, slot });
        }
        if packet.payload.len() > opus::MAX_PACKET {
            return Err(self.fault(slot, "a packet larger than any Opus packet"));
        }
        timeline.write(&TimelineLine::Surplus(Surplus {
            user: self.user,
            slot,
            ssrc: packet.ssrc,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            epoch: packet.epoch,
            arrival: packet.arrival,
            opus: base64::engine::general_purpose::STANDARD.encode(packet.payload),
        }))
    }

    pub(crate) fn pcm(
        &mut self,
        slot: u64,
        mark: SlotMark,
        samples: Option<&[i16]>,
        timeline: &mut JsonLinesFile,
    ) -> Result<()> {
        self.in_order(slot)?;
        if matches!(self.sound, Sound::Ogg(_)) {
            return Err(self.fault(slot, "PCM for a track that is kept as Opus packets"));
        }
        if let Some(samples) = samples {
            let rate = u32::try_from(samples.len()).unwrap_or(u32::MAX).saturating_mul(SLOTS_A_SECOND);
            match &self.sound {
                Sound::Wav(track) if track.rate() != rate => {
                    return Err(self.fault(slot, &format!("{rate} Hz in a track of {} Hz", track.rate())));
                }
                Sound::Wav(_) => {}
                _ if !(8_000..=192_000).contains(&rate) => {
                    return Err(
                        self.fault(slot, &format!("{} samples are not 20 ms of sound", samples.len()))
                    );
                }
                _ => {
                    let path = self.folder.join(format!("{}.wav", self.user));
                    self.sound = Sound::Wav(WavTrack::create(&path, rate)?);
                }
            }
            if let Sound::Wav(track) = &mut self.sound {
                track.write_at(slot * samples.len() as u64, samples)?;
            }
        }
        self.mark(slot, mark, None, timeline)
    }

    /// The session goes on, at `end_slot`, and this speaker perhaps does not. Silence is owed to a track of packets up to the
    /// session's end. It is written as time goes by: at the end there may be no room for hours of it.
    pub(crate) fn keep_up(&mut self, end_slot: u64) -> Result<()> {
        let behind = end_slot.saturating_sub(BEHIND_SLOTS);
        match &mut self.sound {
            Sound::Ogg(track) if self.next < behind => track.keep_up(behind),
            _ => Ok(()),
        }
    }

    /// The run that grows.
    pub(crate) fn run(&self) -> Option<&SlotRun> {
        self.run.as_ref().map(OpenRun::so_far)
    }

    /// To disk with what was written; gives whether the file is one that was not synced before.
    pub(crate) fn sync(&mut self) -> Result<bool> {
        match &mut self.sound {
            Sound::Nothing => Ok(false),
            Sound::Ogg(track) => track.sync(),
            Sound::Wav(track) => track.sync(),
        }
    }

    /// Ends the track.
    pub(crate) fn finish(
        mut self,
        name: String,
        end_slot: u64,
        timeline: &mut JsonLinesFile,
    ) -> Result<Track> {
        if let Some(run) = self.run.take() {
            timeline.write(&TimelineLine::Slots(run.close()))?;
        }
        let user = self.user;
        let (format, blob, rate, channels) = match self.sound {
            Sound::Nothing => (None, None, DISCORD_RATE, 0),
            Sound::Ogg(track) => {
                track.finish(end_slot)?;
                (Some(TrackFormat::OggOpus), Some(format!("{TRACKS}/{user}.ogg")), DISCORD_RATE, 2)
            }
            Sound::Wav(track) => {
                let rate = track.rate();
                track.finish(end_slot * u64::from(rate / SLOTS_A_SECOND))?;
                (Some(TrackFormat::Wav), Some(format!("{TRACKS}/{user}.wav")), rate, 1)
            }
        };
        Ok(Track {
            user,
            name,
            kind: TrackKind::Speaker,
            format,
            blob,
            rate,
            channels,
            first_slot: self.first.unwrap_or(0),
            end_slot: self.next,
            marks: self.marks,
        })
    }

    fn mark(
        &mut self,
        slot: u64,
        mark: SlotMark,
        packet: Option<&PacketInfo<'_>>,
        timeline: &mut JsonLinesFile,
    ) -> Result<()> {
        self.marks.add(mark);
        self.last_mark = Some(mark);
        self.first.get_or_insert(slot);
        self.next = slot + 1;
        if !self.run.as_mut().is_some_and(|run| run.extend(slot, mark, packet)) {
            let open = OpenRun::begin(self.user, slot, mark, packet);
            if let Some(run) = self.run.replace(open) {
                timeline.write(&TimelineLine::Slots(run.close()))?;
            }
        }
        Ok(())
    }

    fn in_order(&self, slot: u64) -> Result<()> {
        if slot > MAX_SLOT {
            return Err(self.fault(slot, "lies more than a week after the session's start"));
        }
        match slot < self.next {
            true => Err(BundleError::OutOfOrder {
                track: self.user.to_string(),
                slot,
                last: self.next.saturating_sub(1),
            }),
            false => Ok(()),
        }
    }

    fn fault(&self, slot: u64, message: &str) -> BundleError {
        BundleError::Value {
            file: format!("{TRACKS}/{}", self.user),
            field: format!("slot {slot}"),
            message: message.to_owned(),
        }
    }
}
