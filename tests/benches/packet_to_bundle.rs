//! Speakers captured per core, from the RTP packet to the bundle on disk, against libopus decoding the same packets
//! alone: the limit, since capture must decode at least; and the same speech mirrored as 48 kHz PCM, from the frame of sound to
//! the bundle. One thread, real speech, one run for all.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark prints, and stops when it cannot go on"
)]
use std::process::Command;
use std::time::{Duration, Instant};

use antiphon_core::audio::{SLOT_SAMPLES_16K, SLOT_SAMPLES_48K};
use antiphon_core::event::{Consent, Flags, Input, Member, Settings};
use antiphon_core::ids::{ChannelId, GuildId, SessionId, UserId};
use antiphon_core::time::Timestamp;
use bundle::{Head, PacketInfo, Policies, Tail, Writer};
use capture::mirror::wire::{Codec, Declaration};
use capture::mirror::{Intake, Piece};
use capture::{Captured, Config, Packet, Payload, Pipeline};

const SPEAKERS: u64 = 10;
const ROUNDS: usize = 5;

fn main() {
    let speech = speech();
    let packets = encoded(&speech);
    let seconds = packets.len() as f64 * 0.02;
    println!(
        "{SPEAKERS} speakers, {seconds:.0} s of espeak-ng speech each, Opus 64 kbit/s, 20 ms packets; median of {ROUNDS}"
    );
    let (mut alone, mut whole, mut mirrored, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let decoding = decode_alone(&packets);
        let capturing = packet_to_bundle(&packets);
        alone.push(decoding);
        whole.push(capturing);
        mirrored.push(mirror_to_bundle(&speech));
        ratios.push(capturing.as_secs_f64() / decoding.as_secs_f64());
    }
    let per_core = |took: Duration| SPEAKERS as f64 * seconds / took.as_secs_f64();
    let (alone, whole) = (median(&mut alone), median(&mut whole));
    ratios.sort_by(f64::total_cmp);
    println!("libopus alone          {:>8.0} speakers a core", per_core(alone));
    println!("packet to bundle       {:>8.0} speakers a core", per_core(whole));
    println!("mirrored PCM to bundle {:>8.0} speakers a core", per_core(median(&mut mirrored)));
    println!(
        "cost against libopus   {:>8.2} times (min {:.2}, max {:.2})",
        ratios[ROUNDS / 2],
        ratios[0],
        ratios[ROUNDS - 1]
    );
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Sentences by espeak-ng, at 48 kHz.
fn speech() -> Vec<f32> {
    let text =
        "The quick brown fox jumps over the lazy dog. She sells sea shells by the sea shore. ".repeat(8);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let wav = folder.path().join("speech.wav");
    let spoken = Command::new("espeak-ng").args(["-v", "en-us", "-w"]).arg(&wav).arg(text).status();
    assert!(spoken.is_ok_and(|status| status.success()), "espeak-ng is needed: make setup");
    let mut reader = hound::WavReader::open(&wav).expect("espeak-ng writes WAV");
    let rate = f64::from(reader.spec().sample_rate);
    let samples: Vec<f32> =
        reader.samples::<i16>().map(|s| f32::from(s.expect("a sample")) / 32_768.0).collect();
    // Linear interpolation will do: what is measured is time.
    let count = (samples.len() as f64 * 48_000.0 / rate) as usize;
    (0..count)
        .map(|n| {
            let place = n as f64 * rate / 48_000.0;
            let (whole, part) = (place as usize, place.fract() as f32);
            let next = samples.get(whole + 1).copied().unwrap_or(0.0);
            samples[whole] * (1.0 - part) + next * part
        })
        .collect()
}

/// As Opus packets.
fn encoded(at_48k: &[f32]) -> Vec<bytes::Bytes> {
    let mut encoder =
        opus2::Encoder::new(48_000, opus2::Channels::Mono, opus2::Application::Voip).expect("an encoder");
    encoder.set_bitrate(opus2::Bitrate::Bits(64_000)).expect("a bitrate");
    at_48k
        .chunks_exact(SLOT_SAMPLES_48K)
        .map(|frame| encoder.encode_vec_float(frame, 4_000).expect("a packet").into())
        .collect()
}

fn decode_alone(packets: &[bytes::Bytes]) -> Duration {
    let mut decoders: Vec<_> = (0..SPEAKERS)
        .map(|_| opus2::Decoder::new(16_000, opus2::Channels::Mono).expect("a decoder"))
        .collect();
    let mut pcm = [0i16; SLOT_SAMPLES_16K];
    let began = Instant::now();
    for packet in packets {
        for decoder in &mut decoders {
            std::hint::black_box(decoder.decode(packet, &mut pcm, false).expect("decodes"));
        }
    }
    began.elapsed()
}

fn packet_to_bundle(packets: &[bytes::Bytes]) -> Duration {
    to_bundle(packets.len() as u64, |n, at, user, pipeline| {
        pipeline.packet(Packet {
            at,
            user: UserId(user),
            ssrc: user as u32,
            sequence: n as u16,
            timestamp: (n * 960) as u32,
            epoch: None,
            payload: Payload::Opus(packets[n as usize].clone()),
        });
    })
}

fn mirror_to_bundle(speech: &[f32]) -> Duration {
    let blocks: Vec<Vec<u8>> = speech
        .chunks_exact(SLOT_SAMPLES_48K)
        .map(|block| block.iter().flat_map(|s| ((s * 32_000.0) as i16).to_le_bytes()).collect())
        .collect();
    let mut intakes: Vec<Intake> = (10..10 + SPEAKERS)
        .map(|user| {
            let (codec, rate, name) = (Codec::Pcm16, 48_000, String::new());
            let declared = Declaration { user: UserId(user), name, codec, rate, channels: 1, consent: true };
            Intake::new(&declared, user as u32).expect("an intake")
        })
        .collect();
    to_bundle(blocks.len() as u64, |n, at, user, pipeline| {
        // The block ends with the slot.
        let came = at.after(Duration::from_millis(20));
        let intake = &mut intakes[(user - 10) as usize];
        let taken = intake.audio(came, n as u32, n * 960, &blocks[n as usize], |piece| {
            if let Piece::Sound(sound) = piece {
                pipeline.sound(sound);
            }
        });
        taken.expect("sound as declared");
    })
}

/// Feeds so many slots of every speaker and records what comes out.
fn to_bundle(slots: u64, mut feed: impl FnMut(u64, Timestamp, u64, &mut Pipeline)) -> Duration {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let start = Timestamp::from_millis(1_700_000_000_000);
    let bot = Member { user: UserId(1), name: "Antiphon".into(), bot: true };
    let head = Head {
        session: SessionId(uuid::Uuid::now_v7()),
        guild: GuildId(1),
        channel: ChannelId(2),
        started: start,
        bot,
        flags: Flags::default(),
        settings: Settings::default(),
        providers: vec![],
        policies: Policies::default(),
        versions: Default::default(),
    };
    let began = Instant::now();
    let mut writer = Writer::create(&folder.path().join("bundle"), head).expect("a bundle");
    let mut pipeline = Pipeline::new(Config::default(), start).expect("a pipeline");
    for user in 10..10 + SPEAKERS {
        let member = Member { user: UserId(user), name: format!("speaker {user}"), bot: false };
        pipeline.member_joined(start, member.user, Consent::Granted);
        writer.input(start, &Input::MemberJoined { member, consent: Consent::Granted }).expect("written");
    }
    let mut turns = 0;
    for n in 0..slots {
        let at = start.after(Duration::from_millis(n * 20));
        for user in 10..10 + SPEAKERS {
            feed(n, at, user, &mut pipeline);
        }
        pipeline.tick(at);
        while let Some(captured) = pipeline.next() {
            turns += u64::from(matches!(captured, Captured::SpeechStarted { .. }));
            record(&mut writer, captured);
        }
    }
    let end = start.after(Duration::from_millis(slots * 20 + 1_000));
    pipeline.finish(end);
    while let Some(captured) = pipeline.next() {
        record(&mut writer, captured);
    }
    writer.seal(Tail { ended: end, reason: "measured".into(), ledger: None }).expect("sealed");
    let took = began.elapsed();
    assert!(turns >= SPEAKERS, "speech was found in each track");
    took
}

fn record(writer: &mut Writer, captured: Captured) {
    let Captured::Slot(slot) = captured else { return };
    if let Some(bytes) = &slot.original {
        let samples: Vec<i16> =
            bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        return writer.pcm(slot.user, slot.slot, slot.mark, Some(&samples)).expect("written");
    }
    let info = slot.packet.as_ref().and_then(|packet| {
        packet.opus.as_ref().map(|payload| PacketInfo {
            ssrc: packet.ssrc,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            epoch: packet.epoch,
            arrival: packet.arrived,
            payload,
        })
    });
    writer.slot(slot.user, slot.slot, slot.mark, info).expect("written");
}
