//! `antiphon mirror send`: the reference sender, to try a mirror out or to push a file.
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use antiphon_core::audio::DISCORD_RATE;
use antiphon_core::ids::UserId;
use anyhow::{Context, bail};
use capture::mirror::wire::{Codec, Counters, Declaration};
use clap::{Subcommand, ValueEnum};
use speech::audio;
use speech::sound::Mono;

use super::{paths, settings_for_people};
use crate::mirror::{Address, Sender};
use crate::output::{hinted, json, line, progress};
use crate::settings::Sources;
use crate::signals::Signals;

/// Rates that Opus takes.
const OPUS_RATES: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];
/// Rates that a mirror takes as they are.
pub(super) const MIRROR_RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Push a file or a pipe to a mirror as one speaker's voice
    Send(Send),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Samples {
    /// 16-bit signed integers, little-endian
    S16le,
    /// 32-bit floats, little-endian
    F32le,
}

/// Push a file or a pipe to a mirror as one speaker's voice
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  antiphon mirror send --to unix:/run/antiphon/mirror.sock --user 7 --name Alice talk.wav
  ANTIPHON_MIRROR_TOKEN_FILE=token antiphon mirror send --to tcp:127.0.0.1:9470 --user 8 --name Bob bob.raw --rate 48000 --channels 2
  arecord -f S16_LE -r 48000 -c 1 -t raw | antiphon mirror send --to unix:/run/antiphon/mirror.sock --user 9 --name Eve - --rate 48000 --channels 1 --live

Sound is sent at the pace at which it was spoken; --live sends a pipe as it comes. What finds no room is dropped and
counted, here and by the server: sending never holds up the source of the sound. A speaker's track is mono: two channels
are mixed to one (send each as a user of its own to keep them apart).")]
pub(super) struct Send {
    /// A sound file (WAV and its kin, AIFF, FLAC, MP3, Opus or Vorbis in Ogg), raw PCM (with --rate and --channels), or -
    /// for the standard input
    source: PathBuf,
    /// The mirror
    #[arg(long, value_name = "unix:PATH|tcp:HOST:PORT")]
    to: Address,
    /// The speaker's id: a number of your own, the same each time
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    user: u64,
    /// The speaker's name
    #[arg(long, default_value = "Speaker")]
    name: String,
    /// The speaker did not agree to be recorded: nothing of their voice is used
    #[arg(long)]
    no_consent: bool,
    /// Samples a second of raw PCM
    #[arg(long, value_name = "HZ")]
    rate: Option<u32>,
    /// Interleaved channels of raw PCM; the server mixes two to one, for a track is one voice
    #[arg(long)]
    channels: Option<u8>,
    /// How samples of raw PCM are written
    #[arg(long, value_enum, default_value_t = Samples::S16le)]
    samples: Samples,
    /// Send Opus packets of 20 ms in place of PCM (16-bit; 8, 12, 16, 24 or 48 kHz)
    #[arg(long)]
    opus: bool,
    /// A live source: take it as it comes
    #[arg(long)]
    live: bool,
    /// Say what became of it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: Command, sources: Sources) -> anyhow::Result<ExitCode> {
    let Command::Send(args) = command;
    let settings = settings_for_people(sources)?;
    let mut signals = Signals::follow();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    let show = args.json;
    let mut sending = tokio::task::spawn_blocking(move || send(&args, settings.mirror_token, &stopped));
    let outcome = tokio::select! {
        outcome = &mut sending => outcome?,
        signal = signals.next() => {
            progress(format!("{signal}: saying goodbye"));
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            // A read of a pipe that brings nothing is not waited for.
            match tokio::time::timeout(Duration::from_secs(3), sending).await {
                Ok(outcome) => outcome?,
                Err(_) => return Ok(signal.exit_code()),
            }
        }
    };
    let Sent { counters, unsent, reconnects } = outcome?;
    let Counters { received, taken, lost, late, duplicate, muted, withheld, bad, dropped } = counters;
    if show {
        json(&serde_json::json!({
            "frames_dropped_here": unsent, "reconnects": reconnects,
            "server": {
                "received": received, "taken": taken, "lost": lost, "late": late, "duplicate": duplicate,
                "muted": muted, "withheld": withheld, "bad": bad, "dropped": dropped,
            },
        }))?;
    } else {
        line(format!(
            "{taken} of {received} frames taken; {lost} lost, {unsent} dropped here, {dropped} dropped there, {withheld} withheld, {bad} bad"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

struct Sent {
    counters: Counters,
    unsent: u64,
    reconnects: u64,
}

/// Sound and what is to be known of it.
struct Source {
    reader: Box<dyn Read>,
    rate: u32,
    channels: u8,
    codec: Codec,
}

fn open(args: &Send) -> anyhow::Result<Source> {
    let path = &args.source;
    if path.as_os_str() != "-" {
        paths::file(path)?;
    }
    let (rate, channels) = match (args.rate, args.channels) {
        // Raw PCM says nothing of itself, a sound file everything.
        (None, None) => return open_sound(path, args.opus),
        (Some(rate), Some(channels)) => (rate, channels),
        _ => {
            return Err(hinted(
                "raw PCM does not say its rate and channels",
                "give both --rate and --channels, or neither for a sound file",
            ));
        }
    };
    let reader: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        let file =
            std::fs::File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
        Box::new(std::io::BufReader::new(file))
    };
    let codec = match args.samples {
        Samples::S16le => Codec::Pcm16,
        Samples::F32le => Codec::PcmFloat,
    };
    Ok(Source { reader, rate, channels, codec })
}

/// A sound file as mono of 16 bits, at its own rate if that can be sent as it is.
fn open_sound(path: &Path, opus: bool) -> anyhow::Result<Source> {
    let sound = sound_file(path)?;
    let fits = if opus { OPUS_RATES.contains(&sound.rate) } else { MIRROR_RATES.contains(&sound.rate) };
    let rate = if fits { sound.rate } else { DISCORD_RATE };
    let samples = audio::resample(&sound.samples, sound.rate, rate)?;
    let bytes = audio::to_bytes(&audio::to_i16(&samples));
    Ok(Source { reader: Box::new(std::io::Cursor::new(bytes)), rate, channels: 1, codec: Codec::Pcm16 })
}

/// A sound file as mono; what had to be worked around is said.
pub(super) fn sound_file(path: &Path) -> anyhow::Result<Mono> {
    let sound = speech::sound::read(path)?.into_mono();
    for remark in &sound.remarks {
        progress(format!("{}: {remark}", path.display()));
    }
    Ok(sound)
}

fn send(
    args: &Send,
    token: Option<crate::settings::Secret>,
    stop: &std::sync::atomic::AtomicBool,
) -> anyhow::Result<Sent> {
    let Source { mut reader, rate, channels, codec } = open(args)?;
    let mut opus = match args.opus {
        true => Some(Opus::new(rate, channels, codec)?),
        false => None,
    };
    let declaration = Declaration {
        user: UserId(args.user),
        name: args.name.clone(),
        codec: if args.opus { Codec::Opus } else { codec },
        rate: if args.opus { 48_000 } else { rate },
        channels,
        consent: !args.no_consent,
    };
    let bytes = if codec == Codec::PcmFloat { 4 } else { 2 };
    let mut block = vec![0u8; rate as usize / 50 * usize::from(channels) * bytes];
    let mut sender = Sender::connect(args.to.clone(), token, declaration)?;
    let (began, mut sent) = (Instant::now(), Duration::ZERO);
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        let filled = fill(&mut *reader, &mut block)?;
        if filled == 0 {
            break;
        }
        // Whatever fills no sample frame is no sound.
        let whole = filled / (bytes * usize::from(channels)) * bytes * usize::from(channels);
        match &mut opus {
            Some(opus) => drop(sender.push_opus(&opus.encode(&block[..whole])?, 960)),
            None => drop(sender.push(&block[..whole])),
        }
        if let Some(refused) = sender.refused() {
            return Err(refused.into());
        }
        sent += Duration::from_millis(20);
        if !args.live {
            std::thread::sleep(sent.saturating_sub(began.elapsed()));
        }
    }
    if let Some(complaint) = sender.complaint() {
        progress(format!("the mirror says: {complaint}"));
    }
    let (unsent, reconnects) = (sender.dropped(), sender.reconnects());
    Ok(Sent { counters: sender.finish()?, unsent, reconnects })
}

/// Fills the block, if there is as much.
fn fill(reader: &mut dyn Read, block: &mut [u8]) -> anyhow::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match reader.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(anyhow::Error::new(error).context("reading the sound failed")),
        }
    }
    Ok(filled)
}

/// PCM to packets of 20 ms.
struct Opus {
    encoder: opus2::Encoder,
    samples: Vec<i16>,
}

impl Opus {
    fn new(rate: u32, channels: u8, codec: Codec) -> anyhow::Result<Self> {
        let mix = match channels {
            1 => opus2::Channels::Mono,
            2 => opus2::Channels::Stereo,
            _ => bail!("Opus has one or two channels, not {channels}"),
        };
        if codec != Codec::Pcm16 || !OPUS_RATES.contains(&rate) {
            bail!("--opus takes 16-bit samples of 8, 12, 16, 24 or 48 kHz");
        }
        let encoder = opus2::Encoder::new(rate, mix, opus2::Application::Voip)?;
        Ok(Self { encoder, samples: vec![0; rate as usize / 50 * usize::from(channels)] })
    }

    /// The last block may be short: silence fills it.
    fn encode(&mut self, block: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.samples.fill(0);
        for (sample, pair) in self.samples.iter_mut().zip(block.chunks_exact(2)) {
            *sample = i16::from_le_bytes([pair[0], pair[1]]);
        }
        Ok(self.encoder.encode_vec(&self.samples, 1_275)?)
    }
}
