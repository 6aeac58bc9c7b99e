//! `antiphon transcribe` and `antiphon speak`: the providers by themselves.
use std::path::PathBuf;
use std::process::ExitCode;

use antiphon_core::audio::SPEECH_RATE;
use antiphon_core::event::ProviderKind;
use antiphon_core::ids::UserId;
use anyhow::Context;
use speech::synthesize::collect;
use speech::{Limits, Utterance, audio};

use super::{paths, settings_for_people};
use crate::app;
use crate::output::{json, line, progress};
use crate::settings::Sources;

/// Turn a sound file's speech into text, with the configured recogniser
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  antiphon transcribe talk.wav
  ffmpeg -i talk.m4a -f wav - | antiphon transcribe -
  ANTIPHON_WHISPER_MODEL=ggml-base.en.bin antiphon transcribe --json talk.wav")]
pub(super) struct Transcribe {
    /// A sound file (WAV and its kin, AIFF, FLAC, MP3, Opus or Vorbis in Ogg), or - for the standard input
    file: PathBuf,
    /// As JSON: text, confidence, provider, time
    #[arg(long)]
    json: bool,
}

/// Speak a text into a WAV file, with the configured voice
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  antiphon speak \"Hello there.\" -o hello.wav")]
pub(super) struct Speak {
    /// What to say
    text: String,
    /// The file to write (48 kHz, mono, 16 bit)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// How long one file may take to be understood or spoken.
const FILE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(600);

pub(super) async fn transcribe(args: Transcribe, sources: Sources) -> anyhow::Result<ExitCode> {
    paths::file(&args.file)?;
    let settings = settings_for_people(sources)?;
    let providers = app::load_speech(&settings).await?;
    let report = providers.report();
    if let Some(refused) =
        report.refused.iter().find(|refused| refused.asked_for && refused.kind == ProviderKind::Stt)
    {
        anyhow::bail!("{}", refused.why);
    }
    let recogniser = providers
        .first_stt()
        .context("no speech recogniser is there: `antiphon doctor` says how to get one")?;
    let file = args.file.clone();
    let read = tokio::task::spawn_blocking(move || audio::read_mono(&file, SPEECH_RATE));
    let (samples, remarks) = read.await??;
    for remark in &remarks {
        progress(format!("{}: {remark}", args.file.display()));
    }
    let utterance = Utterance::new(UserId(0), samples);
    let began = std::time::Instant::now();
    let heard = recogniser.transcribe(utterance, &Limits::within(FILE_TIMEOUT)).await?;
    let took = began.elapsed();
    if args.json {
        json(&serde_json::json!({
            "text": heard.text,
            "confidence_permille": heard.confidence_permille(),
            "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "provider": recogniser.about(),
            "remarks": remarks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }))?;
    } else {
        line(&heard.text);
        progress(format!(
            "({}, confidence {:.2}, {} ms)",
            recogniser.about().name,
            heard.confidence,
            took.as_millis()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn speak(args: Speak, sources: Sources) -> anyhow::Result<ExitCode> {
    let settings = settings_for_people(sources)?;
    let providers = app::load_speech(&settings).await?;
    let voice = providers.first_tts().context("no voice is there: `antiphon doctor` says how to get one")?;
    let pcm = collect(&*voice, &args.text, &Limits::within(FILE_TIMEOUT)).await?;
    audio::write_wav_48k(&args.output, &pcm)?;
    let seconds = pcm.len() as f64 / f64::from(antiphon_core::audio::DISCORD_RATE);
    progress(format!("{} ({seconds:.1} s, {})", args.output.display(), voice.about().name));
    Ok(ExitCode::SUCCESS)
}
