//! `antiphon doctor`: each part by itself, and how to fix what is wrong.
mod checks;
mod redis_part;

use std::process::ExitCode;

use serde::Serialize;

use crate::output::{DIM, ERROR, GOOD, HINT, json, line, styled};
use crate::settings::{Sources, load};

/// Check every part and say how to fix what is wrong
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  antiphon doctor
  antiphon doctor --json | jq '.[] | select(.state==\"broken\")'
  antiphon doctor redis

The exit code is 1 when anything that is asked for by a setting does not work.")]
pub struct Args {
    /// As JSON
    #[arg(long, global = true)]
    json: bool,
    /// One part, closely
    #[command(subcommand)]
    part: Option<Part>,
}

/// A part that can be looked at closely.
#[derive(Debug, Clone, Copy, clap::Subcommand)]
enum Part {
    /// Redis: role, version, eviction, persistence, access list, latency, clock, replicas, Sentinels, Cluster
    #[command(after_help = "Examples:
  ANTIPHON_REDIS_URL=redis://db:6379 antiphon doctor redis
  antiphon doctor redis --json | jq '.findings[] | select(.severity==\"broken\")'

The exit code is 1 when Redis is not reached, or something about it is broken.")]
    Redis,
}

/// How a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It works.
    Fine,
    /// It is not there, and nothing asks for it: something lesser stands in.
    Absent,
    /// A setting asks for it, and it does not work.
    Broken,
}

/// One part's finding.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    part: &'static str,
    state: State,
    found: String,
    #[serde(rename = "mend", skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

/// Examines every part.
pub async fn run(args: Args, sources: Sources) -> anyhow::Result<ExitCode> {
    let settings = load(&sources)?;
    crate::telemetry::init_logs(&settings.log, settings.log_json)?;
    if let Some(Part::Redis) = args.part {
        return redis_part::run(&settings, args.json).await;
    }
    let findings = checks::all(&settings).await;
    if args.json {
        json(&findings)?;
    } else {
        for finding in &findings {
            let mark = match finding.state {
                State::Fine => styled(GOOD, "ok     "),
                State::Absent => styled(DIM, "absent "),
                State::Broken => styled(ERROR, "BROKEN "),
            };
            line(format!("{mark} {:<14} {}", finding.part, finding.found));
            if let Some(fix) = &finding.fix {
                line(format!("{:8} {}: {fix}", "", styled(HINT, "hint")));
            }
        }
    }
    let broken = findings.iter().any(|finding| finding.state == State::Broken);
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
