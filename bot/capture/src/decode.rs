//! Opus to 16 kHz mono, and something in place of what is missing.
//!
//! libopus decodes to 16 kHz mono natively (RFC 6716, 4.1: the decoder may run at any of five rates, whatever the
//! encoder used), so there is nothing to resample. It is the libopus that songbird brings, by way of `opus2`.
use antiphon_core::audio::{SLOT_SAMPLES_16K, SPEECH_RATE};

use crate::captured::Frame;

/// The longest Opus packet: 120 ms (RFC 6716, 3.2.5).
const MAX_PACKET_48K: usize = 5_760;
const MAX_PACKET_16K: usize = MAX_PACKET_48K / 3;
/// No Opus packet of 20 ms is longer (RFC 6716, 3.4: 1275 bytes a frame); six such frames make the longest packet.
pub(crate) const MAX_PACKET_BYTES: usize = 6 * 1_275 + 7;
/// Slots that libopus conceals in a row. Its concealment has faded out by then; zeros follow.
const CONCEAL_RUN: u32 = 5;

/// A packet that libopus would not take, or a decoder that could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not decodable as Opus")]
pub(crate) struct Undecodable;

/// Length of an Opus packet in samples of 48 kHz, read from its first bytes.
pub(crate) fn packet_samples(packet: &[u8]) -> Result<u32, Undecodable> {
    if packet.is_empty() || packet.len() > MAX_PACKET_BYTES {
        return Err(Undecodable);
    }
    match opus2::packet::get_nb_samples(packet, antiphon_core::audio::DISCORD_RATE) {
        Ok(samples) if (1..=MAX_PACKET_48K).contains(&samples) => Ok(samples as u32),
        _ => Err(Undecodable),
    }
}

/// Whether a packet carries a coarser copy of the 20 ms before it (in-band FEC). In SILK's frames the flags come first,
/// as plain bits: for each channel one for voice activity a frame, then one for the copy (RFC 6716, 4.2.3 and 4.2.4).
pub(crate) fn has_fec(packet: &[u8]) -> bool {
    let &[toc, first, ..] = packet else { return false };
    // Configurations 16 and up are CELT only; only single-frame packets of 10 and 20 ms are looked into.
    let config = toc >> 3;
    let short_silk = (config < 12 && matches!(config & 3, 0 | 1)) || (12..16).contains(&config);
    let stereo = toc & 0b100 != 0;
    short_silk && toc & 0b11 == 0 && (first >> 6 & 1 == 1 || stereo && first >> 4 & 1 == 1)
}

/// One speaker's decoder. Its memory is taken when it is made.
pub(crate) struct SpeechDecoder {
    opus: opus2::Decoder,
    scratch: Box<[i16; MAX_PACKET_16K]>,
    /// What of the last packet reaches beyond its first slot.
    rest: std::ops::Range<usize>,
    concealed: u32,
}

impl std::fmt::Debug for SpeechDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpeechDecoder").field("rest", &self.rest).field("concealed", &self.concealed).finish()
    }
}

impl SpeechDecoder {
    pub(crate) fn new() -> Result<Self, Undecodable> {
        let opus = opus2::Decoder::new(SPEECH_RATE, opus2::Channels::Mono).map_err(|_| Undecodable)?;
        Ok(Self { opus, scratch: Box::new([0; MAX_PACKET_16K]), rest: 0..0, concealed: 0 })
    }

    /// As new: another encoder speaks from now on.
    pub(crate) fn reset(&mut self) {
        // Resetting allocated state cannot fail; if it did, the next packets would show it.
        let _ = self.opus.reset_state();
        self.rest = 0..0;
        self.concealed = 0;
    }

    /// Decodes a packet. `out` gets its sound from `at` (in samples) to the slot's end; what is longer is kept for
    /// [`SpeechDecoder::rest`]. Returns how far the slot is filled.
    pub(crate) fn decode(&mut self, packet: &[u8], out: &mut Frame, at: usize) -> Result<usize, Undecodable> {
        self.rest = 0..0;
        packet_samples(packet)?;
        let samples = self.opus.decode(packet, &mut self.scratch[..], false).map_err(|_| Undecodable)?;
        self.concealed = 0;
        let end = (at + samples).min(SLOT_SAMPLES_16K);
        out.0[at..end].copy_from_slice(&self.scratch[..end - at]);
        self.rest = end - at..samples;
        Ok(end)
    }

    /// The next slot's worth of a packet longer than a slot. Short of that, zeros.
    pub(crate) fn rest(&mut self, out: &mut Frame) {
        let take = self.rest.len().min(SLOT_SAMPLES_16K);
        out.0[..take].copy_from_slice(&self.scratch[self.rest.start..self.rest.start + take]);
        out.0[take..].fill(0);
        self.rest.start += take;
    }

    /// Fills a slot for which nothing came: exactly one slot, whatever was lost.
    pub(crate) fn conceal(&mut self, out: &mut Frame) {
        self.concealed = self.concealed.saturating_add(1);
        if self.concealed > CONCEAL_RUN
            || !matches!(self.opus.decode(&[], &mut out.0, false), Ok(SLOT_SAMPLES_16K))
        {
            *out = Frame::SILENCE;
        }
    }

    /// Fills a slot from the copy in the packet that follows it; libopus conceals if there is none. Says whether there
    /// was one.
    pub(crate) fn repair(&mut self, next: &[u8], out: &mut Frame) -> bool {
        if has_fec(next) && matches!(self.opus.decode(next, &mut out.0, true), Ok(SLOT_SAMPLES_16K)) {
            self.concealed = 0;
            return true;
        }
        self.conceal(out);
        false
    }
}

/// The libopus that decodes here: the one that songbird links too.
pub fn opus_version() -> String {
    opus2::version().to_owned()
}

#[cfg(test)]
mod tests {
    use opus2::{Application, Bitrate, Channels, Encoder};

    use super::*;

    fn tone(n: usize, rate: f32) -> Vec<i16> {
        (0..n).map(|i| ((i as f32 * 440.0 * std::f32::consts::TAU / rate).sin() * 9_000.0) as i16).collect()
    }

    #[test]
    fn the_libopus_in_this_program_is_the_one_we_know() {
        // 1.3 is what Debian 12 has; the decoder's output at 16 kHz is what the tests below rest upon.
        let version = opus2::version();
        assert!(version.starts_with("libopus 1.") && !version.starts_with("libopus 1.2"), "{version}");
    }

    #[test]
    fn a_packet_of_any_length_fills_whole_slots() {
        let mut encoder = Encoder::new(48_000, Channels::Mono, Application::Audio).unwrap();
        for ms in [20usize, 40, 60] {
            let packet = encoder.encode_vec(&tone(48 * ms, 48_000.0), 4_000).unwrap();
            assert_eq!(packet_samples(&packet).unwrap() as usize, 48 * ms);
            let mut decoder = SpeechDecoder::new().unwrap();
            let mut out = Frame::SILENCE;
            assert_eq!(decoder.decode(&packet, &mut out, 0).unwrap(), SLOT_SAMPLES_16K);
            for _ in 1..ms / 20 {
                out = Frame::SILENCE;
                decoder.rest(&mut out);
                assert!(out.energy() > 1_000_000, "{ms} ms: the rest holds sound");
            }
            decoder.rest(&mut out);
            assert_eq!(out, Frame::SILENCE);
        }
    }

    #[test]
    fn stereo_is_decoded_to_mono() {
        let mut encoder = Encoder::new(48_000, Channels::Stereo, Application::Audio).unwrap();
        let mut decoder = SpeechDecoder::new().unwrap();
        let mut out = Frame::SILENCE;
        for frame in tone(9_600, 48_000.0).chunks(960) {
            let both: Vec<i16> = frame.iter().flat_map(|&s| [s, s]).collect();
            let packet = encoder.encode_vec(&both, 4_000).unwrap();
            assert_eq!(decoder.decode(&packet, &mut out, 0).unwrap(), SLOT_SAMPLES_16K);
        }
        // A sine of amplitude 9000 has a mean square of 40.5 million.
        assert!((30_000_000..50_000_000).contains(&out.energy()), "{}", out.energy());
    }

    #[test]
    fn concealment_fills_one_slot_and_fades_out() {
        let mut encoder = Encoder::new(48_000, Channels::Mono, Application::Voip).unwrap();
        let mut decoder = SpeechDecoder::new().unwrap();
        let mut out = Frame::SILENCE;
        for frame in tone(9_600, 48_000.0).chunks(960) {
            let packet = encoder.encode_vec(frame, 4_000).unwrap();
            decoder.decode(&packet, &mut out, 0).unwrap();
        }
        let spoken = out.energy();
        decoder.conceal(&mut out);
        assert!(out.energy() > spoken / 100, "the first concealed slot still sounds");
        for _ in 0..CONCEAL_RUN {
            decoder.conceal(&mut out);
        }
        assert_eq!(out, Frame::SILENCE);
    }

    #[test]
    fn a_lost_packet_is_repaired_from_the_next() {
        let mut encoder = Encoder::new(16_000, Channels::Mono, Application::Voip).unwrap();
        encoder.set_inband_fec(true).unwrap();
        encoder.set_packet_loss_perc(30).unwrap();
        encoder.set_bitrate(Bitrate::Bits(24_000)).unwrap();
        encoder.set_bandwidth(opus2::Bandwidth::Wideband).unwrap();
        encoder.set_signal(opus2::Signal::Voice).unwrap();
        // A tone that moves, so that concealment and repair differ.
        let sweep: Vec<i16> = (0..16_000)
            .map(|i| {
                ((i as f32 * (200.0 + i as f32 / 40.0) * std::f32::consts::TAU / 16_000.0).sin() * 9_000.0)
                    as i16
            })
            .collect();
        let packets: Vec<Vec<u8>> =
            sweep.chunks(320).map(|frame| encoder.encode_vec(frame, 4_000).unwrap()).collect();
        let lost = (20..40).find(|&k| has_fec(&packets[k + 1])).expect("some packet carries a copy");
        let run = |with: &mut dyn FnMut(&mut SpeechDecoder, &mut Frame)| {
            let mut decoder = SpeechDecoder::new().unwrap();
            let mut out = Frame::SILENCE;
            for packet in &packets[..lost] {
                decoder.decode(packet, &mut out, 0).unwrap();
            }
            with(&mut decoder, &mut out);
            out
        };
        let truth = run(&mut |decoder, out| _ = decoder.decode(&packets[lost], out, 0).unwrap());
        let repaired = run(&mut |decoder, out| assert!(decoder.repair(&packets[lost + 1], out)));
        let concealed = run(&mut |decoder, out| decoder.conceal(out));
        let error = |frame: &Frame| {
            frame
                .0
                .iter()
                .zip(&truth.0)
                .map(|(a, b)| f64::from(i32::from(*a) - i32::from(*b)).powi(2))
                .sum::<f64>()
        };
        assert!(
            error(&repaired) < error(&concealed) / 2.0,
            "{} against {}",
            error(&repaired),
            error(&concealed)
        );
    }

    #[test]
    fn garbage_is_refused_and_does_no_harm() {
        let mut decoder = SpeechDecoder::new().unwrap();
        let mut out = Frame::SILENCE;
        assert_eq!(decoder.decode(&[], &mut out, 0), Err(Undecodable));
        assert_eq!(decoder.decode(&[0xff, 0xff, 0xff], &mut out, 0), Err(Undecodable));
        assert_eq!(decoder.decode(&vec![0xfc; MAX_PACKET_BYTES + 1], &mut out, 0), Err(Undecodable));
        decoder.conceal(&mut out);
    }
}
