//! `antiphon worker stt|llm|tts`.
use std::process::ExitCode;

use broker::keys::WorkQueue;
use clap::ValueEnum;

use crate::output::{hinted, progress};
use crate::settings::{Sources, load};
use crate::signals::Signals;
use crate::{app, telemetry};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Speech to text
    Stt,
    /// Language model
    Llm,
    /// Text to speech
    Tts,
}

/// Run workers of one kind in a process of their own
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  ANTIPHON_REDIS_URL=redis://redis:6379 antiphon worker stt --jobs 2

They share the work with the bot's own workers, or do all of it (`workers.in_process`):
it needs a Redis that both can reach.")]
pub(super) struct Args {
    /// Which work
    #[arg(value_enum)]
    kind: Kind,
    /// Jobs in hand at the same time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

pub(super) async fn run(args: Args, sources: Sources) -> anyhow::Result<ExitCode> {
    let settings = load(&sources)?;
    telemetry::init_logs(&settings.log, settings.log_json)?;
    if settings.redis_url.is_none() {
        return Err(hinted(
            "a worker of its own needs a Redis that the bot reaches too",
            "set ANTIPHON_REDIS_URL",
        ));
    }
    let queue = match args.kind {
        Kind::Stt => WorkQueue::Stt,
        Kind::Llm => WorkQueue::Llm,
        Kind::Tts => WorkQueue::Tts,
    };
    let crew = app::standalone_workers(&settings, queue, args.jobs.into()).await?;
    progress(format!("working on {queue}"));
    let signal = Signals::follow().next().await;
    tracing::info!(%signal, "finishing what is in hand");
    crew.stop().await;
    Ok(ExitCode::SUCCESS)
}
