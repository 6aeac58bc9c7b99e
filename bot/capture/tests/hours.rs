//! Hours of talk on a virtual clock, mirrored and live, from the senders' samples to the tracks of a bundle: where each sentence
//! is found again, against when it was spoken. A binary of its own, with one test, because the memory held is the whole
//! process's.
//!
//! The ordinary run takes nine minutes of talk; `ANTIPHON_HOURS=6` six hours.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod common;
#[path = "common/live.rs"]
mod live;

use std::collections::BTreeMap;
use std::time::Duration;

use antiphon_core::audio::SlotMark;
use antiphon_core::event::{Consent, Flags, Member, Settings};
use antiphon_core::ids::{ChannelId, GuildId, SessionId, UserId};
use antiphon_core::time::Timestamp;
use bundle::{Fsync, Head, PacketInfo, Policies, Reader, Tail, Writer};
use capture::mirror::wire::{Codec, Declaration};
use capture::mirror::{Intake, Piece};
use capture::{Captured, Config, Pipeline, Slot};
use common::*;

#[global_allocator]
static ALLOCATOR: live::Live = live::Live;

/// The least delay between a speaker's sound and us: 5 ms, for all.
const WAY_US: u64 = 5_000;

/// Whose, its sequence number and timestamp, and its bytes.
type Block = (usize, u32, u64, Vec<u8>);

/// How a person speaks: from when on, by which clock, and how it reaches us.
struct Voice {
    user: UserId,
    /// Parts in a million by which their clock is fast.
    ppm: i64,
    rate: u32,
    /// When they begin, in true microseconds.
    from_us: u64,
    /// What is pushed to a mirror; none for packets.
    mirror: Option<Intake>,
    sequence: u32,
    encoder: Option<opus2::Encoder>,
    /// Their sentence at their own rate, and how far they are in it.
    sentence: Vec<i16>,
    place: Option<usize>,
    /// Blocks of 20 ms by their own clock since they began, and the block at which they speak next.
    block: u64,
    next: u64,
    /// When each sentence began, in true microseconds.
    spoken: Vec<u64>,
}

impl Voice {
    /// When a block begins: their clock against the true one.
    fn begins(&self, block: u64) -> u64 {
        let own = block as i64 * 20_000;
        self.from_us + (own - own * self.ppm / 1_000_000) as u64
    }

    /// The block after this one is taken in when it is whole.
    fn due(&self) -> u64 {
        self.begins(self.block + 1)
    }

    /// Speaks the next block; gives its sound, if they speak.
    fn speak(&mut self, chance: &mut Chance) -> Option<Vec<i16>> {
        let samples = (self.rate / 50) as usize;
        if self.place.is_none() && self.block >= self.next {
            self.place = Some(0);
            self.spoken.push(self.begins(self.block));
        }
        let sound = self.place.map(|from| {
            let to = (from + samples).min(self.sentence.len());
            let mut sound = self.sentence[from..to].to_vec();
            sound.resize(samples, 0);
            self.place = (to < self.sentence.len()).then_some(to);
            sound
        });
        self.block += 1;
        if sound.is_some() && self.place.is_none() {
            // A pause of half a second to a minute.
            self.next = self.block + 25 + chance.next() % 3_000;
        }
        sound
    }
}

fn resampled(pcm: &[i16], rate: u32) -> Vec<i16> {
    // Only ever a third: the mean of three keeps what a correlation looks at.
    let step = (48_000 / rate) as usize;
    pcm.chunks_exact(step)
        .map(|part| (part.iter().map(|s| i32::from(*s)).sum::<i32>() / step as i32) as i16)
        .collect()
}

fn voice(user: u64, ppm: i64, rate: u32, from_us: u64, mirrored: bool, sentence: &[i16]) -> Voice {
    let declaration = Declaration {
        user: UserId(user),
        name: "x".into(),
        codec: Codec::Pcm16,
        rate,
        channels: 1,
        consent: true,
    };
    let encoder = || {
        let mut encoder =
            opus2::Encoder::new(48_000, opus2::Channels::Mono, opus2::Application::Voip).unwrap();
        encoder.set_bitrate(opus2::Bitrate::Bits(48_000)).unwrap();
        encoder
    };
    Voice {
        user: UserId(user),
        ppm,
        rate,
        from_us,
        mirror: mirrored.then(|| Intake::new(&declaration, user as u32 * 1_000).unwrap()),
        sequence: 7,
        encoder: (!mirrored).then(encoder),
        sentence: resampled(sentence, rate),
        place: None,
        block: 0,
        next: 20 + user * 37,
        spoken: Vec::new(),
    }
}

fn head() -> Head {
    Head {
        session: SessionId(Default::default()),
        guild: GuildId(1),
        channel: ChannelId(2),
        started: START,
        bot: Member { user: UserId(99), name: "Antiphon".into(), bot: true },
        flags: Flags::default(),
        settings: Settings::default(),
        providers: vec![],
        policies: Policies::default(),
        versions: BTreeMap::new(),
    }
}

fn keep(writer: &mut Writer, slot: &Slot) {
    match (&slot.packet, &slot.original) {
        (Some(packet), _) => {
            let info = packet.opus.as_ref().map(|payload| PacketInfo {
                ssrc: packet.ssrc,
                sequence: packet.sequence,
                timestamp: packet.timestamp,
                epoch: None,
                arrival: packet.arrived,
                payload,
            });
            writer.slot(slot.user, slot.slot, slot.mark, info).unwrap();
        }
        (None, Some(bytes)) if slot.mark == SlotMark::Received => {
            let samples: Vec<i16> =
                bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
            writer.pcm(slot.user, slot.slot, slot.mark, Some(&samples)).unwrap();
        }
        _ => writer.slot(slot.user, slot.slot, slot.mark, None).unwrap(),
    }
}

/// By how many microseconds the sentence comes later in `found` than it would if `found` began with it, -30 to 50 ms; at 4 kHz.
fn lag_us(sentence: &[i16], found: &[i16], rate: u32) -> i64 {
    let low = |pcm: &[i16]| -> Vec<f32> {
        let step = (rate / 4_000) as usize;
        pcm.chunks_exact(step).map(|part| part.iter().map(|s| f32::from(*s)).sum()).collect()
    };
    let (sentence, found) = (low(sentence), low(found));
    // `found` begins 40 ms before.
    let length = 4_000.min(sentence.len()).min(found.len() - 360);
    let product = |shift: usize| -> f32 {
        sentence[..length].iter().zip(&found[shift..shift + length]).map(|(a, b)| a * b).sum()
    };
    let best = (40..=360).map(|shift| (product(shift), shift)).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap().1;
    (best as i64 - 160) * 250
}

#[test]
fn hours_of_talk_stay_aligned_in_bounded_memory() {
    let hours: f64 =
        std::env::var("ANTIPHON_HOURS").ok().and_then(|hours| hours.parse().ok()).unwrap_or(0.15);
    let end_us = (hours * 3_600e6) as u64;
    let sentence = say("Seven silver swans swam silently seaward.", "en-us");
    let mut voices = [
        voice(1, 200, 16_000, 3_211, true, &sentence),
        voice(2, -200, 48_000, 77_003, true, &sentence),
        // Joins when two thirds are over.
        voice(3, 0, 16_000, end_us / 3 * 2 + 13_579, true, &sentence),
        voice(4, 150, 48_000, 8_765, false, &sentence),
    ];
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&dir.path().join("bundle"), head()).unwrap().with_fsync(Fsync::Never);
    let mut pipeline = Pipeline::new(Config::default(), START).unwrap();
    let mut chance = Chance(0x5EED);
    let mut joined = [false; 4];
    // What arrives later: by time, then by number.
    let mut flying: BTreeMap<(u64, u64), Block> = BTreeMap::new();
    let (mut now_us, mut n, mut sent) = (0, 0, 0u64);
    let (mut held_early, mut held_late, mut waiting) = (0, 0, 0);
    while now_us < end_us {
        now_us += 20_000;
        for (i, voice) in voices.iter_mut().enumerate() {
            if !joined[i] && voice.from_us <= now_us {
                joined[i] = true;
                pipeline.member_joined(Timestamp(START.0 + voice.from_us), voice.user, Consent::Granted);
            }
            while voice.due() <= now_us {
                let timestamp = voice.block * u64::from(voice.rate / 50);
                let due = voice.due();
                let Some(sound) = voice.speak(&mut chance) else { continue };
                let bytes = match &mut voice.encoder {
                    Some(encoder) => encoder.encode_vec(&sound, 1_000).unwrap(),
                    None => sound.iter().flat_map(|s| s.to_le_bytes()).collect(),
                };
                let sequence = voice.sequence;
                voice.sequence += 1;
                n += 1;
                // One in fifty packets is lost on its way; what is pushed over a socket is not. Both are held up, now and
                // then for longer.
                if voice.mirror.is_none() && chance.unit() < 0.02 {
                    continue;
                }
                let stall = if chance.unit() < 0.002 { 60_000.0 } else { 0.0 };
                let held_up = (-2_000.0 * (1.0 - chance.unit()).ln()).min(50_000.0) + stall;
                sent += 1;
                flying.insert((due + WAY_US + held_up as u64, n), (i, sequence, timestamp, bytes));
            }
        }
        while let Some(entry) = flying.first_entry().filter(|entry| entry.key().0 <= now_us) {
            let ((arrival, _), (i, sequence, timestamp, bytes)) = entry.remove_entry();
            let at = Timestamp(START.0 + arrival);
            pipeline.tick(at);
            let user = voices[i].user;
            match &mut voices[i].mirror {
                Some(intake) => {
                    let mut pieces = Vec::new();
                    intake.audio(at, sequence, timestamp, &bytes, |piece| pieces.push(piece)).unwrap();
                    for piece in pieces {
                        let Piece::Sound(sound) = piece else { panic!("PCM became a packet") };
                        pipeline.sound(sound);
                    }
                }
                None => pipeline.packet(capture::Packet {
                    at,
                    user,
                    ssrc: 4,
                    sequence: sequence as u16,
                    timestamp: timestamp as u32,
                    epoch: None,
                    payload: capture::Payload::Opus(bytes.into()),
                }),
            }
            pipeline.drain(|captured| {
                if let Captured::Slot(slot) = captured {
                    keep(&mut writer, &slot);
                }
            });
        }
        pipeline.tick(Timestamp(START.0 + now_us));
        pipeline.drain(|captured| {
            if let Captured::Slot(slot) = captured {
                keep(&mut writer, &slot);
            }
        });
        waiting = waiting.max(pipeline.held());
        // The sentences' moments are the test's own.
        let held = live::held() - voices.iter().map(|voice| voice.spoken.capacity() * 8).sum::<usize>();
        // Everybody is there from two thirds on; before, they are not.
        if now_us > end_us / 4 * 3 && now_us <= end_us / 5 * 4 {
            held_early = held_early.max(held);
        } else if now_us > end_us / 5 * 4 {
            held_late = held_late.max(held);
        }
    }
    pipeline.finish(Timestamp(START.0 + end_us));
    pipeline.drain(|captured| {
        if let Captured::Slot(slot) = captured {
            keep(&mut writer, &slot);
        }
    });
    let ended = START.after(Duration::from_micros(end_us));
    writer.seal(Tail { ended, reason: "over".into(), ledger: None }).unwrap();

    let reader = Reader::open(&dir.path().join("bundle")).unwrap();
    assert_eq!(reader.verify(|_, _| {}).unwrap().problems, Vec::<String>::new());
    // Where each sentence is in its track, against when it was spoken (and came by the fastest way).
    let mut found: Vec<(u64, UserId, i64)> = Vec::new();
    for voice in &voices {
        let track = reader.manifest().speaker(voice.user).unwrap();
        let per_ms = track.rate as usize / 1_000;
        let mut spoken = voice.spoken.iter().peekable();
        // Two seconds that pass by.
        let (mut window, mut begins) = (Vec::<i16>::new(), 0usize);
        for slot in reader.pcm(track, track.rate).unwrap() {
            window.extend(slot.unwrap());
            while let Some(&&at_us) = spoken.peek() {
                let place = (at_us + WAY_US) as usize * per_ms / 1_000;
                let (from, to) = (place.saturating_sub(40 * per_ms), place + 1_100 * per_ms);
                if to > begins + window.len() {
                    break;
                }
                let lag = lag_us(&voice.sentence, &window[from - begins..to - begins], track.rate);
                found.push((at_us, voice.user, lag));
                spoken.next();
            }
            let surplus = window.len().saturating_sub(2_000 * per_ms);
            if surplus > 4_000 * per_ms {
                window.drain(..surplus);
                begins += surplus;
            }
        }
    }
    found.sort_unstable();
    for voice in &voices {
        let mut lags: Vec<i64> =
            found.iter().filter(|(_, user, _)| *user == voice.user).map(|(_, _, lag)| *lag).collect();
        lags.sort_unstable();
        let track = reader.manifest().speaker(voice.user).unwrap();
        println!(
            "user {} ({:+} ppm, {}): {} sentences found from {:+.1} to {:+.1} ms away from where they were spoken; {:?}",
            voice.user,
            voice.ppm,
            if voice.mirror.is_some() { format!("mirrored, {} Hz", voice.rate) } else { "live".into() },
            lags.len(),
            lags[0] as f64 / 1e3,
            lags[lags.len() - 1] as f64 / 1e3,
            track.marks
        );
        assert!(lags.len() >= voice.spoken.len() - 1);
    }
    // Any two sentences within five minutes of each other.
    let mut apart = 0;
    for (i, (at, _, lag)) in found.iter().enumerate() {
        for (_, _, other) in found[i + 1..].iter().take_while(|(then, _, _)| then - at < 300_000_000) {
            apart = apart.max((lag - other).abs());
        }
    }
    println!(
        "{hours} h, {sent} blocks: any two tracks at most {:.1} ms apart; at most {waiting} pieces waited; \
         memory held {} kB at three quarters, {} kB after",
        apart as f64 / 1e3,
        held_early / 1024,
        held_late / 1024
    );
    assert!(apart <= 24_000, "a frame, and what the first moments after a pause don't know: {apart} us");
    assert!(held_late <= held_early + 64 * 1024, "memory grew from {held_early} to {held_late} bytes");
    assert!(waiting <= 4 * 2 * 64, "{waiting} pieces waited");
}
