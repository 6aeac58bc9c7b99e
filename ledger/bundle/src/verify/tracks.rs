//! Every page and packet of a track can be read, and it is as long as the session.
use std::cmp::Ordering;
use std::io::Read;
use std::sync::atomic::AtomicU64;

use super::findings::Findings;
use super::packet_slots::PacketSlots;
use super::scan::{Feed, scan};
use crate::codec::flac::FlacBlocks;
use crate::codec::ogg_packets::OggPackets;
use crate::codec::wav::{HEADER, read_header};
use crate::format::error::{BundleError, Result};
use crate::format::manifest::{Blob, Track, TrackFormat};
use crate::format::slot_set::SlotSet;
use crate::read::reader::Reader;
use antiphon_core::audio::SLOT_SAMPLES_48K;

/// Slots by which a track may go on behind the session's end: the longest packet, and what ends the track.
const MAX_OVERRUN_SLOTS: u64 = 7;

/// The most samples of a WAV file, of which FLAC tracks are made: its sizes have 32 bits.
const MAX_SAMPLES: u64 = (u32::MAX as u64 - HEADER) / 2;

pub(super) fn check(bundle: &Reader, track: &Track, blob: &Blob, read: &AtomicU64, findings: &mut Findings) {
    let end = bundle.manifest().end_slot();
    let result = scan(bundle, blob, read, &mut findings.digests, |feed, _| match track.format {
        Some(TrackFormat::OggOpus) => ogg(feed, track, blob, end).map(Some),
        Some(TrackFormat::Wav) => wav(feed, track, blob).map(|()| None),
        Some(TrackFormat::Flac) => flac(feed, track, blob).map(|()| None),
        None => Ok(None),
    });
    match result {
        Some(Ok(Some((packets, slots)))) => {
            findings.packets += packets;
            findings.packet_slots = Some(PacketSlots { user: track.user, file: blob.name.clone(), slots });
        }
        Some(Err(error)) => findings.problems.add(error),
        Some(Ok(None)) | None => {}
    }
}

fn ogg(feed: &mut Feed<'_>, track: &Track, blob: &Blob, end: u64) -> Result<(u64, SlotSet)> {
    const SLOT: u64 = SLOT_SAMPLES_48K as u64;
    let fault = |message: String| BundleError::Track { file: blob.name.clone(), message };
    let mut packets = OggPackets::over(feed, &blob.name)?;
    // The low half of the speaker's id: what separates two speakers' files that were exchanged.
    if packets.serial() != track.user.0 as u32 {
        return Err(fault(format!("its stream {} is not that of user {}", packets.serial(), track.user)));
    }
    let (mut n, mut slots) = (0, SlotSet::default());
    while let Some(packet) = packets.next_packet()? {
        n += 1;
        let slot = packet.sample / SLOT;
        if slot > end + MAX_OVERRUN_SLOTS {
            return Err(fault(format!("goes on at slot {slot}, where the session has ended at slot {end}")));
        }
        if !slots.add(slot, 1) {
            return Err(fault("has too many gaps between its packets".into()));
        }
    }
    if packets.samples() < track.end_slot * SLOT {
        return Err(fault(format!(
            "ends at sample {}, before its last slot {}",
            packets.samples(),
            track.end_slot
        )));
    }
    if !packets.ends_whole(blob.bytes) {
        return Err(fault("goes on after the end of its stream".into()));
    }
    Ok((n, slots))
}

fn wav(feed: &mut Feed<'_>, track: &Track, blob: &Blob) -> Result<()> {
    let fault = |message: String| BundleError::Track { file: blob.name.clone(), message };
    let info = read_header(&blob.name, feed.by_ref())?;
    if info.rate != track.rate {
        return Err(fault(format!("has {} Hz, manifest.json says {}", info.rate, track.rate)));
    }
    // The samples are any bytes: to be there is all that is asked of them.
    match blob.bytes.cmp(&(HEADER + info.samples * 2)) {
        Ordering::Less => Err(fault("truncated: fewer samples than its header says".into())),
        Ordering::Greater => Err(fault("goes on after the samples that its header states".into())),
        Ordering::Equal => Ok(()),
    }
}

fn flac(feed: &mut Feed<'_>, track: &Track, blob: &Blob) -> Result<()> {
    let mut blocks = FlacBlocks::open(feed, &blob.name, true)?;
    let (rate, samples) = (blocks.rate(), blocks.samples());
    let fault = |message: String| Err(BundleError::Track { file: blob.name.clone(), message });
    if rate != track.rate {
        return fault(format!("has {rate} Hz, manifest.json says {}", track.rate));
    }
    if samples < (track.end_slot * u64::from(rate / 50)).min(MAX_SAMPLES) {
        return fault(format!("ends at sample {samples}, before its last slot {}", track.end_slot));
    }
    blocks.try_for_each(|block| block.map(drop))
}
