//! Opus in Ogg (RFC 7845), of one stream with one or two channels.
use std::io::Cursor;

use ogg::PacketReader;

use super::content::{MAX_SECONDS, Remark, Samples, Sound};

/// Opus is decoded at its own rate.
const RATE: u32 = 48_000;
/// The most samples of one packet and channel: 120 ms.
const MAX_PACKET: usize = 5_760;

/// Decodes a file.
pub(super) fn parse(bytes: &[u8]) -> Result<Sound, String> {
    let mut packets = PacketReader::new(Cursor::new(bytes));
    let head = packets.read_packet().map_err(|error| error.to_string())?.ok_or("it is empty")?;
    let [channels, low, high] = match head.data.get(9..12) {
        Some(&[channels, low, high]) => [channels, low, high],
        _ => return Err("its Opus header ends too early".into()),
    };
    let skip = usize::from(u16::from_le_bytes([low, high]));
    let mix = match channels {
        1 => opus2::Channels::Mono,
        2 => opus2::Channels::Stereo,
        other => return Err(format!("its Opus has {other} channels, of which one or two are read")),
    };
    let channels = usize::from(channels);
    let mut decoder = opus2::Decoder::new(RATE, mix).map_err(|error| error.to_string())?;
    let (mut samples, mut block) = (Vec::new(), vec![0.0f32; MAX_PACKET * channels]);
    let (mut damaged, mut end, mut cut, mut first) = (0u64, None, true, true);
    loop {
        let packet = match packets.read_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(_) => {
                damaged += 1;
                break;
            }
        };
        if packet.stream_serial() != head.stream_serial() {
            continue;
        }
        // The second packet has the tags.
        if std::mem::take(&mut first) {
            continue;
        }
        if packet.last_in_stream() {
            cut = false;
            end = usize::try_from(packet.absgp_page()).ok();
        }
        match decoder.decode_float(&packet.data, &mut block, false) {
            Ok(frames) => samples.extend_from_slice(block.get(..frames * channels).unwrap_or_default()),
            Err(_) => damaged += 1,
        }
        if samples.len() / channels > RATE as usize * (MAX_SECONDS as usize + 1) {
            break;
        }
    }
    // The last page says how much of the last packet counts.
    if let Some(end) = end {
        samples.truncate(end.saturating_mul(channels));
    }
    samples.drain(..samples.len().min(skip * channels));
    let mut remarks = Vec::new();
    if damaged > 0 {
        remarks.push(Remark::Damaged { packets: damaged });
    }
    if cut && !samples.is_empty() {
        let there = (samples.len() / channels) as f64 / f64::from(RATE);
        remarks.push(Remark::Unfinished { there });
    }
    let channels = u16::try_from(channels).unwrap_or(2);
    Ok(Sound { rate: RATE, channels, form: "Ogg Opus".into(), remarks, samples: Samples::Floats(samples) })
}
