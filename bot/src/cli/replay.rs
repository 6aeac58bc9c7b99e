//! `antiphon replay BUNDLE`.
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use antiphon_core::event::PolicyName;
use clap::ValueEnum;
use orchestrator::replay::CandidateSettings;
use orchestrator::replay::bundle::{try_candidate, verify_bundle};

use super::paths::open_bundle;
use super::settings_for_people;
use crate::output::{bar, json, line, progress, spin, warn};
use crate::settings::Sources;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Candidate {
    /// Answers every utterance with the first healthy provider
    Established,
    /// Answers when addressed, chooses by latency budget
    Adaptive,
}

/// Feed a bundle's inputs to a machine again, on a virtual clock
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  antiphon replay target/demo/bundle                       decides it again what was recorded, bit for bit?
  antiphon replay target/demo/bundle --policy adaptive --out rehearsal
  antiphon diff target/demo/bundle rehearsal

Exit code 0: identical (or the candidate's run was written); 3: the decisions differ; 1: the bundle cannot be used.")]
pub(super) struct Args {
    /// The bundle's folder
    bundle: PathBuf,
    /// Instead of checking, let this policy go through the session, and write what it would have done
    #[arg(long, value_enum, requires = "out")]
    policy: Option<Candidate>,
    /// Where to write it
    #[arg(long, value_name = "FOLDER", requires = "policy")]
    out: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, sources: Sources) -> anyhow::Result<ExitCode> {
    let settings = settings_for_people(sources)?;
    tokio::task::spawn_blocking(move || {
        let reader = open_bundle(&args.bundle)?;
        let checked = reader.verify(bar("checked"))?;
        if let Some(problem) = checked.problems.first() {
            anyhow::bail!("{} cannot be replayed: {problem}", args.bundle.display());
        }
        match (args.policy, args.out) {
            (Some(policy), Some(out)) => {
                let policy = match policy {
                    Candidate::Established => PolicyName::Established,
                    Candidate::Adaptive => PolicyName::Adaptive,
                };
                let zone = jiff::tz::TimeZone::get(&settings.time_zone)?;
                let tried = spin("replaying", || try_candidate(&reader, CandidateSettings { policy, zone }, &out))?;
                if args.json {
                    json(&serde_json::json!({
                        "steps": tried.steps,
                        "actions": tried.actions,
                        "replies_by_the_offline_responder": tried.stand_ins,
                        "out": out,
                    }))?;
                } else {
                    line(format!("{}: {} steps, {} actions", out.display(), tried.steps, tried.actions));
                    if !tried.stand_ins.is_empty() {
                        warn(format!(
                            "in {} turns the offline responder wrote the reply in place of the provider that was chosen.",
                            tried.stand_ins.len()
                        ));
                    }
                    if std::io::stderr().is_terminal() {
                        progress(format!("Next: antiphon diff {} {}", args.bundle.display(), out.display()));
                    }
                }
                Ok(ExitCode::SUCCESS)
            }
            _ => {
                let replayed = spin("replaying", || verify_bundle(&reader))?;
                if args.json {
                    json(&replayed)?;
                } else {
                    match replayed.first_difference() {
                        None => line(format!(
                            "identical: {} inputs, {} actions in production, {} in the sandbox",
                            replayed.inputs, replayed.production.lines, replayed.sandbox.lines
                        )),
                        Some((lane, difference)) => {
                            line(format!("different: {lane}, action {}", difference.line));
                            line(format!("  recorded {}", difference.a.as_deref().unwrap_or("nothing")));
                            line(format!("  replayed {}", difference.b.as_deref().unwrap_or("nothing")));
                        }
                    }
                }
                Ok(if replayed.identical() { ExitCode::SUCCESS } else { ExitCode::from(3) })
            }
        }
    })
    .await?
}
