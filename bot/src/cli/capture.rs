//! `antiphon capture`: mirrored sound into a bundle, through the same path as a live channel; from a file or a pipe
//! (`--pcm`), or pushed by other processes (`--listen`).
mod file;
mod held;
mod listen;

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::audio::DISCORD_RATE;
use antiphon_core::event::{Consent, Member};
use antiphon_core::ids::{ChannelId, GuildId, SessionId, UserId};
use antiphon_core::time::Clock;
use anyhow::{Context, bail};
use capture::mirror::{Encoding, Format};
use clap::ValueEnum;
use orchestrator::session;
use orchestrator::session::{Ended, NullVoiceOutput};

use super::mirror::{MIRROR_RATES, sound_file};
use super::{paths, settings_for_people};
use crate::app::App;
use crate::mirror::Address;
use crate::output::progress;
use crate::settings::Sources;

/// How long the last turn may take to be answered after the end of the sound.
const LAST_TURN_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Samples {
    /// 16-bit signed integers, little-endian
    S16le,
    /// 32-bit floats, little-endian
    F32le,
}

/// Record mirrored sound into a bundle, through the same path as a live channel
#[derive(Debug, clap::Args)]
#[command(
    group(clap::ArgGroup::new("source").required(true).args(["file", "pcm", "listen"])),
    after_help = "Examples:
  antiphon capture --file talk.mp3 --out talk.bundle
  antiphon capture --pcm talk.raw --rate 48000 --channels 2 --out talk.bundle
  ffmpeg -i talk.mp3 -f s16le -ar 16000 -ac 1 - | antiphon capture --pcm - --rate 16000 --channels 1 --out talk.bundle
  antiphon capture --listen unix:/run/antiphon/mirror.sock --out call.bundle
  ANTIPHON_MIRROR_TOKEN_FILE=token antiphon capture --listen tcp:127.0.0.1:9470 --out call.bundle --once

With --file or --pcm everything that is said counts as one speaker's, who has agreed to be recorded: see to that before you record
people. A speaker's track is mono: channels are mixed to one (their mean). With --listen each sender says who speaks and whether they agreed (docs/mirror.md); Ctrl-C ends and seals the
bundle."
)]
pub(super) struct Args {
    /// A sound file: WAV and its kin, AIFF, FLAC, MP3, Opus or Vorbis in Ogg
    #[arg(long, value_name = "FILE", conflicts_with = "samples")]
    file: Option<PathBuf>,
    /// A file of raw PCM, or - for the standard input
    #[arg(long, value_name = "FILE|-")]
    pcm: Option<PathBuf>,
    /// Where other processes push sound: a socket file, or a TCP port (which needs ANTIPHON_MIRROR_TOKEN)
    #[arg(long, value_name = "unix:PATH|tcp:HOST:PORT")]
    listen: Option<Address>,
    /// Samples a second
    #[arg(long, value_name = "HZ", required_unless_present_any = ["listen", "file"], conflicts_with_all = ["listen", "file"], value_parser = clap::value_parser!(u32).range(8_000..=192_000))]
    rate: Option<u32>,
    /// Interleaved channels, mixed to one: for speech, and in the bundle's track
    #[arg(long, required_unless_present_any = ["listen", "file"], conflicts_with_all = ["listen", "file"], value_parser = clap::value_parser!(u16).range(1..=8))]
    channels: Option<u16>,
    /// How samples are written
    #[arg(long, value_enum, default_value_t = Samples::S16le)]
    samples: Samples,
    /// The speaker's name
    #[arg(long, default_value = "Speaker")]
    speaker: String,
    /// How much faster than spoken a file is taken in; a pipe is taken as it comes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=16))]
    speed: u32,
    /// The bundle's folder, which must not exist yet
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// End when the last sender has left
    #[arg(long, requires = "listen")]
    once: bool,
    /// How long a speaker's place is kept when their connection breaks off
    #[arg(long, requires = "listen", value_name = "SECONDS", default_value_t = 30)]
    grace: u64,
    /// How long a connection may say nothing
    #[arg(long, requires = "listen", value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    idle: u64,
    /// Connections at the same time
    #[arg(long, requires = "listen", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
    /// Speakers at the same time
    #[arg(long, requires = "listen", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=100))]
    speakers: u16,
}

pub(super) async fn run(args: Args, sources: Sources) -> anyhow::Result<ExitCode> {
    let settings = settings_for_people(sources)?;
    if let Some(address) = &args.listen {
        let listener = listen::bind(address, &args, &settings).await?;
        let app = App::build(settings).await?;
        let outcome = listen::record(&app, &args, listener).await;
        app.close().await;
        return outcome;
    }
    if let Some(path) = args.file.clone() {
        let (format, source) = tokio::task::spawn_blocking(move || sound(&path)).await??;
        let app = App::build(settings).await?;
        let outcome = file::record(&app, &args, false, format, source).await;
        app.close().await;
        return outcome;
    }
    let (Some(pcm), Some(rate), Some(channels)) = (args.pcm.clone(), args.rate, args.channels) else {
        bail!("give --file, --pcm with --rate and --channels, or --listen");
    };
    let live = pcm.as_os_str() == "-";
    let encoding = match args.samples {
        Samples::S16le => Encoding::I16Le,
        Samples::F32le => Encoding::F32Le,
    };
    let format = Format { rate, channels, encoding };
    let source: Box<dyn Read + Send> = if live {
        Box::new(std::io::stdin())
    } else {
        paths::file(&pcm)?;
        let file =
            std::fs::File::open(&pcm).with_context(|| format!("{} cannot be opened", pcm.display()))?;
        Box::new(std::io::BufReader::new(file))
    };
    let app = App::build(settings).await?;
    let outcome = file::record(&app, &args, live, format, source).await;
    app.close().await;
    outcome
}

/// A sound file as raw PCM, at its own rate if that can be captured as it is.
fn sound(path: &std::path::Path) -> anyhow::Result<(Format, Box<dyn Read + Send>)> {
    let sound = sound_file(path)?;
    let rate = if MIRROR_RATES.contains(&sound.rate) { sound.rate } else { DISCORD_RATE };
    let samples = speech::audio::resample(&sound.samples, sound.rate, rate)?;
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let format = Format { rate, channels: 1, encoding: Encoding::F32Le };
    Ok((format, Box::new(std::io::Cursor::new(bytes))))
}

/// Starts a session without a voice channel.
async fn start(
    app: &Arc<App>,
    out: &std::path::Path,
    speed: u32,
    clock: Arc<dyn Clock>,
    members: Vec<(Member, Consent)>,
) -> anyhow::Result<session::SessionHandle> {
    let (link, link_events) = NullVoiceOutput::new(speed);
    let services = session::Services {
        clock,
        redis: app.redis().clone(),
        ledger: Some(app.recorder().clone()),
        outbox: None,
        limiter: None,
    };
    let new = session::NewSession {
        session: SessionId(uuid::Uuid::now_v7()),
        guild: GuildId(0),
        channel: ChannelId(0),
        bot: Member { user: UserId(0), name: app.settings().wake_name.clone(), bot: true },
        members,
        flags: app.settings().flags,
        providers: app.providers().for_machine(),
        settings: app.machine_settings(),
        capture: capture::Config::default(),
        vad: app.providers().speech().vad(),
        link: Arc::new(link),
        link_events,
        versions: app.providers().versions(),
        speed,
        bundle: Some(out.to_path_buf()),
        fsync: app.settings().fsync,
        pcm: app.settings().pcm,
    };
    Ok(session::start(services, new).await?)
}

/// Waits for the end of the last turn: its silence has to be heard, and its answer given.
async fn settle(session: &session::SessionHandle, speed: u32) {
    tokio::time::sleep(Duration::from_secs(2) / speed).await;
    if tokio::time::timeout(LAST_TURN_TIMEOUT, session.idle()).await.is_err() {
        progress("the last turn was not answered in time");
    }
}

/// Refuses a recording that stopped before its session did, and says what became of what was written.
fn whole(ended: &Ended) -> anyhow::Result<()> {
    match (&ended.recording_fault, &ended.bundle) {
        (None, _) => Ok(()),
        (Some(fault), Some(folder)) => bail!("{fault}; what came before is whole in {}", folder.display()),
        (Some(fault), None) => bail!("{fault}; `antiphon bundle recover` makes a bundle of what was written"),
    }
}
