//! `antiphon demo`: the whole main job on the simulated Discord, with the embedded Redis and SQLite, watched from
//! outside: what people in the channel heard, what the bundle holds, whether replay is exact, where the lanes differ.
mod cast;
mod check;
mod folder;
mod follow_up;
mod printer;
mod results;
mod scene;
mod story;
mod summary;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;

use crate::settings::Sources;
use crate::signals::{Signals, Which};
use printer::Printer;

/// Watch a whole voice session on the simulated Discord: talk, bundle, replay, parity
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  antiphon demo
  antiphon demo --out /tmp/demo --seed 7
  antiphon demo --json | jq .voice_to_voice_ms
  antiphon demo --redis redis://127.0.0.1:6379 --database postgres://antiphon@127.0.0.1/antiphon

The exit code is 0 only if every check held.")]
pub struct Args {
    /// Where to leave what was heard, recorded and compared
    #[arg(long, value_name = "FOLDER", default_value = "target/demo")]
    out: PathBuf,
    /// Seed of the packet loss
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Share of the packets to the bot that are lost, in percent
    #[arg(long, default_value_t = 2.0, value_name = "PERCENT", value_parser = percent)]
    loss: f64,
    /// Use this Redis instead of the embedded one
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Use this ledger instead of SQLite in the folder
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Print the summary as JSON at the end
    #[arg(long)]
    json: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=50.0).contains(&share) => Ok(share),
        _ => Err("give a number from 0 to 50".to_owned()),
    }
}

impl Args {
    /// Where the simulated Discord's certificate authority is written: the voice connection trusts it.
    pub fn ca_path(&self) -> PathBuf {
        let out = std::path::absolute(&self.out).unwrap_or_else(|_| self.out.clone());
        out.join("ca.pem")
    }
}

/// Runs the demo to its end.
pub async fn run(args: Args, sources: Sources) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let mut signals = Signals::follow();
    let printer = Printer::new(began);
    let out = folder::prepare(&args.out)?;
    let scene = tokio::select! {
        scene = scene::Scene::set(&args, &out, sources, &printer) => scene?,
        signal = signals.next() => {
            printer.happened(format!("{signal}: ended before anything was recorded"));
            return Ok(signal.exit_code());
        }
    };
    let played = tokio::select! {
        played = play(&scene, &args, &out, &printer) => played,
        signal = signals.next() => {
            printer.happened(format!("{signal}: ending (again to leave at once)"));
            return Ok(interrupted(scene, &out, &printer, signal, &mut signals).await);
        }
    };
    // What was recorded so far is kept and sealed, whatever went wrong.
    scene.strike().await;
    let (story, found) = played.with_context(|| kept(&out))?;
    let summary = summary::write(&args, &story, found, &out, began)?;
    if args.json {
        crate::output::json(&summary)?;
    }
    summary.print(&printer, &out);
    Ok(if summary.held() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn play(
    scene: &scene::Scene,
    args: &Args,
    out: &Path,
    printer: &Printer,
) -> anyhow::Result<(results::StoryResult, results::FollowUp)> {
    let story = story::play(scene, args, out, printer).await?;
    let found = follow_up::follow(scene, &story, out, printer).await?;
    Ok((story, found))
}

/// Takes everything down because a signal came; another one cuts that short as well.
async fn interrupted(
    scene: scene::Scene,
    out: &Path,
    printer: &Printer,
    signal: Which,
    signals: &mut Signals,
) -> ExitCode {
    tokio::select! {
        () = scene.strike() => printer.happened(format!("the servers are stopped; {}", kept(out))),
        signal = signals.next() => printer.happened(format!("{signal}: left at once; {}", kept(out))),
    }
    signal.exit_code()
}

fn kept(out: &Path) -> String {
    format!("what was recorded so far is in {}", out.display())
}
