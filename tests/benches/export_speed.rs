//! How fast a bundle is exported to WAV, FLAC, a mix and Ogg, against ffmpeg converting the same Ogg files (of Ogg: copying
//! the packets into new ones), both on one thread, in turns within one run. Digests are not part of either.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark prints, and stops when it cannot go on"
)]
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use antiphon_core::audio::{SLOT_SAMPLES_48K, SlotMark};
use antiphon_core::event::{Flags, Member, Settings};
use antiphon_core::ids::{ChannelId, GuildId, SessionId, UserId};
use antiphon_core::time::Timestamp;
use bundle::export::Form;
use bundle::{Head, PacketInfo, Policies, Reader, Tail, Writer, export};

const SPEAKERS: u64 = 3;
const MINUTES: u64 = 10;
const ROUNDS: usize = 5;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().join("bundle");
    record(&dir, &speech_packets());
    let reader = Reader::open(&dir).expect("the bundle opens");
    let tracks: Vec<PathBuf> = (1..=SPEAKERS).map(|user| dir.join(format!("tracks/{user}.ogg"))).collect();
    println!(
        "{SPEAKERS} speakers, {MINUTES} min of espeak-ng speech each, Opus 64 kbit/s; median of {ROUNDS}; ffmpeg with -threads 1, \
         its start included"
    );
    println!("{:<6} {:>16} {:>16} {:>24}", "", "ours, x real time", "ffmpeg", "ours / ffmpeg (min, max)");
    for form in [Form::Wav, Form::Flac, Form::Mix, Form::Ogg] {
        let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let out = folder.path().join(format!("out-{round}"));
            std::fs::create_dir_all(&out).expect("a folder");
            let to = if form.is_folder() { out.join("ours") } else { out.join("ours.wav") };
            let began = Instant::now();
            export::write(&reader, form, &to, |_, _| {}).expect("the export");
            let took = began.elapsed();
            let began = Instant::now();
            ffmpeg(form, &tracks, &out);
            let other = began.elapsed();
            std::fs::remove_dir_all(&out).expect("the folder goes");
            ratios.push(other.as_secs_f64() / took.as_secs_f64());
            ours.push(took);
            theirs.push(other);
        }
        ratios.sort_by(f64::total_cmp);
        // A mix is one session long, however many speak.
        let seconds = (MINUTES * 60 * if form == Form::Mix { 1 } else { SPEAKERS }) as f64;
        println!(
            "{:<6} {:>16.0} {:>16.0} {:>12.2} ({:.2}, {:.2})",
            format!("{form:?}").to_lowercase(),
            seconds / median(&mut ours).as_secs_f64(),
            seconds / median(&mut theirs).as_secs_f64(),
            ratios[ROUNDS / 2],
            ratios[0],
            ratios[ROUNDS - 1]
        );
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The same conversion: mono, 16 bit, 48 kHz.
fn ffmpeg(form: Form, tracks: &[PathBuf], out: &Path) {
    let run = |inputs: &[PathBuf], more: &[&str], to: &Path| {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-threads", "1", "-filter_threads", "1"]);
        command.args(["-filter_complex_threads", "1"]);
        for input in inputs {
            command.arg("-i").arg(input);
        }
        let done =
            command.args(more).args(["-ac", "1", "-ar", "48000", "-sample_fmt", "s16"]).arg(to).status();
        assert!(done.is_ok_and(|status| status.success()), "ffmpeg is needed: make setup");
    };
    if form == Form::Mix {
        let filter = format!("amix=inputs={}:normalize=0", tracks.len());
        return run(tracks, &["-filter_complex", &filter], &out.join("theirs.wav"));
    }
    if form == Form::Ogg {
        for (n, track) in tracks.iter().enumerate() {
            let mut command = Command::new("ffmpeg");
            command.args(["-v", "error", "-nostdin", "-i"]).arg(track).args(["-c", "copy"]);
            let done = command.arg(out.join(format!("theirs-{n}.ogg"))).status();
            assert!(done.is_ok_and(|status| status.success()), "ffmpeg is needed: make setup");
        }
        return;
    }
    let extension = if form == Form::Flac { "flac" } else { "wav" };
    for (n, track) in tracks.iter().enumerate() {
        run(std::slice::from_ref(track), &[], &out.join(format!("theirs-{n}.{extension}")));
    }
}

/// Everybody says the packets over and over.
fn record(dir: &Path, packets: &[Vec<u8>]) {
    let started = Timestamp::from_millis(1_772_366_400_000);
    let head = Head {
        session: SessionId(uuid::Uuid::from_u128(7)),
        guild: GuildId(1),
        channel: ChannelId(2),
        started,
        bot: Member { user: UserId(9), name: "Antiphon".into(), bot: true },
        flags: Flags::default(),
        settings: Settings::default(),
        providers: vec![],
        policies: Policies::default(),
        versions: Default::default(),
    };
    let mut writer = Writer::create(dir, head).expect("a bundle");
    let slots = MINUTES * 60 * 50;
    for slot in 0..slots {
        let payload = &packets[slot as usize % packets.len()];
        for user in 1..=SPEAKERS {
            let packet = PacketInfo {
                ssrc: user as u32,
                sequence: slot as u16,
                timestamp: slot as u32 * SLOT_SAMPLES_48K as u32,
                epoch: None,
                arrival: Timestamp(started.0 + slot * 20_000),
                payload,
            };
            writer.slot(UserId(user), slot, SlotMark::Received, Some(packet)).expect("a slot");
        }
    }
    let ended = Timestamp(started.0 + slots * 20_000);
    writer.seal(Tail { ended, reason: "enough".into(), ledger: None }).expect("a sealed bundle");
}

/// Sentences by espeak-ng, as Opus packets.
fn speech_packets() -> Vec<Vec<u8>> {
    let text =
        "The quick brown fox jumps over the lazy dog. She sells sea shells by the sea shore. ".repeat(8);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let wav = folder.path().join("speech.wav");
    let spoken = Command::new("espeak-ng").args(["-v", "en-us", "-w"]).arg(&wav).arg(text).status();
    assert!(spoken.is_ok_and(|status| status.success()), "espeak-ng is needed: make setup");
    let raw = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(&wav)
        .args(["-f", "s16le", "-ac", "1", "-ar", "48000", "-"])
        .output()
        .expect("ffmpeg is needed: make setup");
    let pcm: Vec<i16> =
        raw.stdout.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let mut encoder =
        opus2::Encoder::new(48_000, opus2::Channels::Mono, opus2::Application::Voip).expect("an encoder");
    encoder.set_bitrate(opus2::Bitrate::Bits(64_000)).expect("a bitrate");
    pcm.chunks_exact(SLOT_SAMPLES_48K)
        .map(|frame| encoder.encode_vec(frame, 1_500).expect("a packet"))
        .collect()
}
