//! As much of an Opus packet as a container needs to know: how long it is, and what may stand where none came.
//! RFC 6716, section 3.
use antiphon_core::audio::SLOT_SAMPLES_48K;

/// Larger packets are not voice: an Opus frame has at most 1275 bytes (RFC 6716, 3.2.1), a packet on the wire
/// less than Discord's datagrams can carry.
pub(crate) const MAX_PACKET: usize = 4096;

/// 20 ms of silence, as Discord's clients send it at the end of speech: CELT, fullband, mono.
pub(crate) const SILENCE_20MS: [u8; 3] = [0xF8, 0xFF, 0xFE];

/// Silence of 10, 5 and 2.5 ms: the shorter frame sizes of the same configuration.
const SILENCE_SHORT: [(usize, [u8; 3]); 3] =
    [(480, [0xF0, 0xFF, 0xFE]), (240, [0xE8, 0xFF, 0xFE]), (120, [0xE0, 0xFF, 0xFE])];

/// The longest silence packet that fits into `samples` (48 kHz), and its length.
pub(crate) fn silence_within(samples: usize) -> Option<(usize, [u8; 3])> {
    if samples >= SLOT_SAMPLES_48K {
        return Some((SLOT_SAMPLES_48K, SILENCE_20MS));
    }
    SILENCE_SHORT.into_iter().find(|(length, _)| *length <= samples)
}

/// A packet that asks the decoder to conceal 20 ms, as RFC 7845, section 4.1 wants for packets that never came:
/// the configuration of the packet before, and a frame of no bytes.
pub(crate) fn conceal_20ms(previous_toc: Option<u8>) -> [u8; 1] {
    // Only a configuration of 20 ms frames stands for 20 ms; any other gives way to CELT fullband.
    let toc = previous_toc.filter(|toc| frame_samples(*toc) == SLOT_SAMPLES_48K).unwrap_or(SILENCE_20MS[0]);
    [toc & 0b1111_1100]
}

/// Whether a packet of a track stands for a slot in which none was kept: silence, or a request for concealment. Discord's
/// clients send the former themselves.
pub(crate) fn is_filler(packet: &[u8]) -> bool {
    packet.len() <= 1 || packet == SILENCE_20MS || SILENCE_SHORT.iter().any(|(_, silence)| packet == silence)
}

/// Samples of one frame at 48 kHz, from the packet's first byte (RFC 6716, table 2).
fn frame_samples(toc: u8) -> usize {
    let config = toc >> 3;
    match config {
        0..=11 => [480, 960, 1920, 2880][usize::from(config & 3)],
        12..=15 => [480, 960][usize::from(config & 1)],
        _ => [120, 240, 480, 960][usize::from(config & 3)],
    }
}

/// Samples of a packet at 48 kHz; none when it is malformed (RFC 6716, section 3.4: R1 to R7).
pub(crate) fn packet_samples(packet: &[u8]) -> Option<usize> {
    if packet.len() > MAX_PACKET {
        return None;
    }
    let (&toc, rest) = packet.split_first()?;
    let frames = match toc & 3 {
        0 if rest.len() <= 1275 => 1,
        1 if rest.len() % 2 == 0 && rest.len() / 2 <= 1275 => 2,
        2 => {
            let (first, length_bytes) = frame_length(rest)?;
            if first + length_bytes > rest.len() || rest.len() - first - length_bytes > 1275 {
                return None;
            }
            2
        }
        3 => usize::from(*rest.first()? & 0x3F),
        _ => return None,
    };
    let samples = frames * frame_samples(toc);
    // At most 120 ms (R5), at least one frame.
    (1..=5760).contains(&samples).then_some(samples)
}

/// A frame's length as coded in one or two bytes (RFC 6716, section 3.2.1).
fn frame_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = usize::from(*bytes.first()?);
    if first < 252 { Some((first, 1)) } else { Some((usize::from(*bytes.get(1)?) * 4 + first, 2)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_agree_with_libopus_for_every_configuration() {
        for toc in 0..=255u8 {
            let packet = match toc & 3 {
                0 => vec![toc, 1, 2, 3],
                1 => vec![toc, 1, 2],
                2 => vec![toc, 1, 9, 9],
                _ => vec![toc, 2, 9, 9],
            };
            assert_eq!(
                packet_samples(&packet),
                opus2::packet::get_nb_samples(&packet, 48_000).ok(),
                "first byte {toc:#x}"
            );
        }
    }

    #[test]
    fn silence_and_concealment_decode_to_20_ms() {
        let mut decoder = opus2::Decoder::new(48_000, opus2::Channels::Stereo).unwrap();
        let mut pcm = vec![1i16; 5760 * 2];
        assert_eq!(decoder.decode(&SILENCE_20MS, &mut pcm, false).unwrap(), 960);
        assert!(pcm[..1920].iter().all(|sample| *sample == 0));
        assert_eq!(packet_samples(&conceal_20ms(Some(0x7F))), Some(960));
        assert_eq!(decoder.decode(&conceal_20ms(None), &mut pcm, false).unwrap(), 960);
        for (length, packet) in SILENCE_SHORT {
            assert_eq!(decoder.decode(&packet, &mut pcm, false).unwrap(), length);
        }
    }

    proptest! {
        #[test]
        fn no_outside_bytes_panic_or_last_over_120_ms(
            packet in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            if let Some(samples) = packet_samples(&packet) {
                prop_assert!((120..=5760).contains(&samples));
            }
        }
    }
}
