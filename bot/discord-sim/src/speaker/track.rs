//! One heard stream, put in order and in time: packets in, decoded pieces with their place out. Time is an input.
//!
//! A piece's place comes from the RTP timestamp, anchored to the first packet's arrival. When a sender's clock stood
//! still while it was silent (songbird, discord.js), the next stretch of speech is anchored by its arrival again. A
//! stall in the network, which ends in a burst, moves nothing.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use opus2::{Channels, Decoder};

use super::clip::{FRAME_SAMPLES, rms};
use super::wav::RATE;
use crate::client::HeardFrame;
use crate::client::rtp::SILENCE_FRAME;

/// Packets held back at most, waiting for an earlier one.
const MAX_HELD: usize = 4;
/// Lost frames that are concealed at most in a row; more are silence.
const MAX_CONCEALED: u64 = 5;
/// A step in the sequence that means another stream rather than loss or reordering.
const NEW_STREAM: i64 = 3000;
/// After silence frames, an arrival this much later than the timestamp says means that the sender's clock stood still.
const PAUSED_AFTER_SILENCE: Duration = Duration::from_millis(60);
/// Without silence frames (some clients send none), the same at once.
const PAUSED: Duration = Duration::from_secs(1);
/// Without silence frames, a shorter pause shows by everything that arrives within so long being late by as much.
const WINDOW: Duration = Duration::from_millis(500);
/// 120 ms, the longest an Opus packet can be.
const MAX_DECODED: usize = 5760;

/// Where a decoded piece came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A packet, which arrived then.
    Packet(Instant),
    /// libopus's guess for a packet that did not come.
    Concealed,
}

/// A decoded piece of sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Its place: samples at 48 kHz since the recording began.
    pub at: u64,
    /// 48 kHz mono.
    pub samples: Vec<f32>,
    /// Where it came from.
    pub source: Source,
}

impl Piece {
    /// Its loudness, as amplitude.
    pub fn level(&self) -> f32 {
        rms(&self.samples)
    }
}

/// Counts of one stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TrackStats {
    /// Frames decoded.
    pub frames: u64,
    /// Of these, silence frames.
    pub silence: u64,
    /// Of these, frames that came without end-to-end encryption, silence aside.
    pub plain: u64,
    /// Frames concealed.
    pub concealed: u64,
    /// Frames that were lost (concealed or not).
    pub lost: u64,
    /// Frames that came after their time, or twice.
    pub late: u64,
    /// Frames that libopus refused.
    pub undecodable: u64,
}

struct Anchor {
    timestamp: u32,
    at: u64,
}

/// One stream's state.
pub struct Track {
    started: Instant,
    ssrc: u32,
    decoder: Decoder,
    anchor: Option<Anchor>,
    next: Option<i64>,
    last_timestamp: u32,
    after_silence: bool,
    least_late: i64,
    window: Option<u64>,
    end: u64,
    held: BTreeMap<i64, HeardFrame>,
    stats: TrackStats,
}

impl std::fmt::Debug for Track {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Track").field("ssrc", &self.ssrc).field("end", &self.end).finish_non_exhaustive()
    }
}

impl Track {
    /// A stream of a recording that began at `started`.
    pub fn new(started: Instant, ssrc: u32) -> Result<Self, opus2::Error> {
        Ok(Self {
            started,
            ssrc,
            decoder: Decoder::new(RATE, Channels::Mono)?,
            anchor: None,
            next: None,
            last_timestamp: 0,
            after_silence: false,
            least_late: i64::MAX,
            window: None,
            end: 0,
            held: BTreeMap::new(),
            stats: TrackStats::default(),
        })
    }

    /// The counts so far.
    pub const fn stats(&self) -> TrackStats {
        self.stats
    }

    /// A frame came; what can be decoded now, in order.
    pub fn push(&mut self, frame: HeardFrame) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if frame.ssrc != self.ssrc {
            pieces = self.flush();
            self.start_over(frame.ssrc);
        }
        let mut number = self.unwrap(frame.sequence);
        if self.next.is_some_and(|next| (number - next).abs() > NEW_STREAM) {
            pieces.extend(self.flush());
            self.start_over(frame.ssrc);
            number = i64::from(frame.sequence);
        }
        let next = *self.next.get_or_insert(number);
        if number < next || self.held.contains_key(&number) {
            self.stats.late += 1;
            return pieces;
        }
        self.held.insert(number, frame);
        while let Some((number, _)) = self.held.first_key_value() {
            let is_next = Some(*number) == self.next;
            if !is_next && self.held.len() <= MAX_HELD {
                break;
            }
            let Some((number, frame)) = self.held.pop_first() else { break };
            self.take(number, &frame, &mut pieces);
        }
        pieces
    }

    /// What is held back is decoded with its gaps: nothing more will come.
    pub fn flush(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while let Some((number, frame)) = self.held.pop_first() {
            self.take(number, &frame, &mut pieces);
        }
        pieces
    }

    fn start_over(&mut self, ssrc: u32) {
        self.ssrc = ssrc;
        self.anchor = None;
        self.next = None;
        self.after_silence = false;
        if let Err(error) = self.decoder.reset_state() {
            tracing::debug!(%error, "libopus would not start over");
        }
    }

    /// The sequence number without its wrapping.
    fn unwrap(&self, sequence: u16) -> i64 {
        let Some(next) = self.next else { return i64::from(sequence) };
        let step = sequence.wrapping_sub((next & 0xffff) as u16) as i16;
        next + i64::from(step)
    }

    fn take(&mut self, number: i64, frame: &HeardFrame, pieces: &mut Vec<Piece>) {
        let missing = self.next.map_or(0, |next| u64::try_from(number - next).unwrap_or(0));
        self.next = Some(number + 1);
        let at = self.place(frame);
        if missing > 0 {
            self.stats.lost += missing;
            self.conceal(missing, frame.timestamp, at, pieces);
        }
        self.last_timestamp = frame.timestamp;
        self.after_silence = frame.opus == SILENCE_FRAME;

        let mut buffer = [0.0; MAX_DECODED];
        let samples = match self.decoder.decode_float(&frame.opus, &mut buffer, false) {
            Ok(len) => buffer.get(..len).unwrap_or_default().to_vec(),
            Err(error) => {
                self.stats.undecodable += 1;
                tracing::debug!(user = %frame.user, %error, "libopus refused a frame");
                return;
            }
        };
        self.stats.frames += 1;
        self.stats.silence += u64::from(self.after_silence);
        self.stats.plain += u64::from(!frame.encrypted && !self.after_silence);
        self.emit(Piece { at, samples, source: Source::Packet(frame.at) }, pieces);
    }

    /// Where a frame belongs.
    fn place(&mut self, frame: &HeardFrame) -> u64 {
        let arrived = samples_in(frame.at.saturating_duration_since(self.started));
        let at = match &self.anchor {
            Some(anchor) => {
                let ticks = i64::from(frame.timestamp.wrapping_sub(anchor.timestamp) as i32);
                let expected = anchor.at.saturating_add_signed(ticks);
                let late = arrived as i64 - expected as i64;
                let patience = samples_in(if self.after_silence { PAUSED_AFTER_SILENCE } else { PAUSED });
                // A timestamp from the future is no help either.
                if late > patience as i64 || -late > samples_in(PAUSED) as i64 {
                    self.least_late = i64::MAX;
                    self.window = None;
                    arrived
                } else {
                    expected + self.pause_noticed(arrived, late)
                }
            }
            None => arrived,
        };
        let at = at.max(self.end);
        // Anchoring again with each frame keeps the 32-bit difference small for hours.
        self.anchor = Some(Anchor { timestamp: frame.timestamp, at });
        at
    }

    /// How long the sender's clock must have stood still, given that this frame is so late and those before it were.
    fn pause_noticed(&mut self, arrived: u64, late: i64) -> u64 {
        self.least_late = self.least_late.min(late);
        let since = *self.window.get_or_insert(arrived);
        if arrived.saturating_sub(since) < samples_in(WINDOW) {
            return 0;
        }
        self.window = None;
        let pause = std::mem::replace(&mut self.least_late, i64::MAX);
        if pause > samples_in(PAUSED_AFTER_SILENCE) as i64 { pause.unsigned_abs() } else { 0 }
    }

    /// Guesses the end of a gap before the frame at `at`, when its timestamp says that it is a gap in the sound.
    fn conceal(&mut self, missing: u64, timestamp: u32, at: u64, pieces: &mut Vec<Piece>) {
        let gap = u64::from(timestamp.wrapping_sub(self.last_timestamp)) / FRAME_SAMPLES as u64;
        if gap != missing + 1 || self.after_silence {
            return;
        }
        let count = missing.min(MAX_CONCEALED);
        let mut buffer = [0.0; FRAME_SAMPLES];
        for n in 0..count {
            let Ok(len) = self.decoder.decode_float(&[], &mut buffer, false) else { return };
            let back = (missing - n) * FRAME_SAMPLES as u64;
            let samples = buffer.get(..len).unwrap_or_default().to_vec();
            self.stats.concealed += 1;
            self.emit(Piece { at: at.saturating_sub(back), samples, source: Source::Concealed }, pieces);
        }
    }

    fn emit(&mut self, piece: Piece, pieces: &mut Vec<Piece>) {
        if piece.at < self.end {
            return;
        }
        self.end = piece.at + piece.samples.len() as u64;
        pieces.push(piece);
    }
}

/// How many samples at 48 kHz a duration lasts.
pub fn samples_in(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros() * u128::from(RATE) / 1_000_000).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::clip::Clip;
    use super::super::clip::tests::{glide, likeness};
    use super::*;
    use crate::client::outbox::FRAME;
    use crate::ids::UserId;

    struct Stream {
        start: Instant,
        clip: Clip,
    }

    impl Stream {
        fn new(seconds: f32) -> Self {
            Self { start: Instant::now(), clip: Clip::from_pcm(&glide(seconds)).unwrap() }
        }

        fn track(&self) -> Track {
            Track::new(self.start, 5).unwrap()
        }

        /// Frame `n`, sent at its time, that many milliseconds after the start.
        fn frame(&self, n: usize, arrives_ms: u64) -> HeardFrame {
            HeardFrame {
                user: UserId(1),
                ssrc: 5,
                sequence: 65_530_u16.wrapping_add(n as u16),
                timestamp: 4_294_960_000_u32.wrapping_add(n as u32 * 960),
                at: self.start + Duration::from_millis(arrives_ms),
                opus: self.clip.frames()[n].opus.clone(),
                encrypted: true,
            }
        }
    }

    fn silence(mut frame: HeardFrame) -> HeardFrame {
        frame.opus = SILENCE_FRAME.to_vec();
        frame
    }

    /// The pieces laid out from sample 0.
    fn laid(pieces: &[Piece]) -> Vec<f32> {
        let mut sound = Vec::new();
        for piece in pieces {
            sound.resize(piece.at as usize, 0.0);
            sound.extend_from_slice(&piece.samples);
        }
        sound
    }

    #[test]
    fn frames_are_placed_by_arrival_and_timestamps() {
        let stream = Stream::new(1.0);
        let mut track = stream.track();
        let mut pieces = Vec::new();
        for n in 0..50 {
            // Each with another delay of up to 15 ms: only the first one's counts.
            pieces.extend(track.push(stream.frame(n, 500 + n as u64 * 20 + (n as u64 * 7) % 16)));
        }
        assert_eq!(pieces.len(), 50);
        for (n, piece) in pieces.iter().enumerate() {
            assert_eq!(piece.at, 24_000 + n as u64 * 960);
        }
        let heard: Vec<f32> = pieces.iter().flat_map(|piece| piece.samples.clone()).collect();
        assert_eq!(heard, stream.clip.decoded().unwrap(), "bit for bit what the frames decode to");
    }

    #[test]
    fn reordered_frames_are_put_right_and_doubles_are_counted() {
        let stream = Stream::new(0.4);
        let mut track = stream.track();
        let order = [0, 2, 1, 3, 3, 6, 5, 4, 7, 1, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19];
        let pieces: Vec<Piece> =
            order.iter().flat_map(|n| track.push(stream.frame(*n, *n as u64 * 20))).collect();
        let heard: Vec<f32> = pieces.iter().flat_map(|piece| piece.samples.clone()).collect();
        assert_eq!(heard, stream.clip.decoded().unwrap());
        assert_eq!((track.stats().late, track.stats().lost), (2, 0));
    }

    #[test]
    fn a_lost_frame_is_concealed_in_its_place() {
        let stream = Stream::new(1.0);
        let mut track = stream.track();
        let mut pieces: Vec<Piece> = (0..50)
            .filter(|n| ![10, 30, 31].contains(n))
            .flat_map(|n| track.push(stream.frame(n, n as u64 * 20)))
            .collect();
        pieces.extend(track.flush());
        assert_eq!(pieces.len(), 50);
        assert!(pieces.iter().enumerate().all(|(n, piece)| piece.at == n as u64 * 960));
        assert_eq!((track.stats().lost, track.stats().concealed), (3, 3));
        assert_eq!(pieces[10].source, Source::Concealed);
        let (alike, lag) = likeness(&laid(&pieces), &stream.clip.decoded().unwrap(), 480);
        assert!(alike > 0.9 && lag == 0, "{alike} alike at {lag}");
    }

    #[test]
    fn a_pause_stays_whatever_the_senders_clock_did() {
        for clock_runs in [true, false] {
            let stream = Stream::new(1.0);
            let mut track = stream.track();
            let mut pieces = Vec::new();
            for n in 0..20 {
                pieces.extend(track.push(stream.frame(n, n as u64 * 20)));
            }
            for n in 20..25 {
                pieces.extend(track.push(silence(stream.frame(n, n as u64 * 20))));
            }
            // A second later.
            for n in 25..50 {
                let mut frame = stream.frame(n, 1000 + n as u64 * 20);
                if clock_runs {
                    frame.timestamp = frame.timestamp.wrapping_add(48_000);
                }
                pieces.extend(track.push(frame));
            }
            assert_eq!(pieces[24].at, 24 * 960);
            assert_eq!(pieces[25].at, 48_000 + 25 * 960, "clock runs on: {clock_runs}");
            assert_eq!(track.stats().lost, 0);
            assert_eq!(track.stats().silence, 5);
        }
    }

    #[test]
    fn a_stall_that_ends_in_a_burst_moves_nothing() {
        let stream = Stream::new(2.0);
        let mut track = stream.track();
        let pieces: Vec<Piece> = (0..100_u64)
            .flat_map(|n| {
                let arrives = if (10..60).contains(&n) { (n * 20).max(200 + 900) } else { n * 20 };
                track.push(stream.frame(n as usize, arrives))
            })
            .collect();
        assert!(pieces.iter().enumerate().all(|(n, piece)| piece.at == n as u64 * 960));
    }

    #[test]
    fn a_pause_without_silence_frames_is_noticed_within_a_second() {
        let stream = Stream::new(3.0);
        let mut track = stream.track();
        let pieces: Vec<Piece> = (0..150_u64)
            .flat_map(|n| {
                let arrives = if n < 20 { n * 20 } else { n * 20 + 500 };
                track.push(stream.frame(n as usize, arrives))
            })
            .collect();
        assert_eq!(pieces[19].at, 19 * 960);
        assert_eq!(pieces[75].at, 75 * 960 + 24_000);
        assert_eq!(pieces[149].at, 149 * 960 + 24_000);
    }

    #[test]
    fn a_sender_with_a_new_stream_stays_in_time() {
        let stream = Stream::new(0.5);
        let mut track = stream.track();
        track.push(stream.frame(0, 0));
        let mut other = stream.frame(1, 700);
        other.ssrc = 6;
        other.timestamp = 17;
        other.sequence = 40_000;
        let pieces = track.push(other);
        assert_eq!(pieces[0].at, 33_600);
    }

    #[test]
    fn a_timestamp_from_another_world_falls_back_on_the_arrival() {
        let stream = Stream::new(0.5);
        let mut track = stream.track();
        track.push(stream.frame(0, 0));
        let mut odd = stream.frame(1, 20);
        odd.timestamp = odd.timestamp.wrapping_add(1 << 30);
        assert_eq!(track.push(odd)[0].at, 960);
        let mut back = stream.frame(2, 40);
        back.timestamp = 7;
        assert_eq!(track.push(back)[0].at, 1920);
    }

    #[test]
    fn noise_instead_of_opus_is_counted() {
        let stream = Stream::new(0.5);
        let mut track = stream.track();
        let mut bad = stream.frame(0, 0);
        bad.opus = vec![0xff; 3];
        track.push(bad);
        let mut empty = stream.frame(1, 20);
        empty.opus.clear();
        track.push(empty);
        assert_eq!(track.push(stream.frame(2, 40)).len(), 1);
        assert!(track.stats().undecodable >= 1, "{:?}", track.stats());
    }

    #[test]
    fn places_stay_true_while_sequence_and_timestamp_wrap() {
        let stream = Stream::new(0.02);
        let mut track = stream.track();
        let mut last = 0;
        for n in 0..10_000_u64 {
            let mut frame = stream.frame(0, n * 20);
            frame.sequence = (60_000 + n) as u16;
            frame.timestamp = (n as u32).wrapping_mul(960).wrapping_add(4_290_000_000);
            for piece in track.push(frame) {
                last = piece.at;
            }
        }
        assert_eq!(last, 9_999 * 960);
        assert_eq!(samples_in(FRAME), 960);
    }
}
