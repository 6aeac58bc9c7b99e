//! `antiphon diff A [B]`.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use antiphon_core::ids::Lane;
use bundle::{MANIFEST, Reader};
use parity::diff::{Parity, Run, Tolerances, compare, junit, load};
use parity::report::ParityReport;

use super::{paths, settings_for_people};
use crate::output::{BUNDLES, json, line};
use crate::settings::Sources;

/// Compare two lanes or two runs, turn by turn and field by field
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  antiphon diff target/demo/bundle                         its production lane against its sandbox lane
  antiphon diff monday.bundle rehearsal --html parity.html
  antiphon diff a.bundle b.bundle --ignore latency --junit parity.xml

Exit code 0: they agree; 3: they differ; 1: one of them cannot be used.")]
pub(super) struct Args {
    /// A bundle, or a replay's folder
    a: PathBuf,
    /// What to compare it with; without, a bundle's sandbox lane
    b: Option<PathBuf>,
    /// Leave a field out (may be given several times)
    #[arg(long, value_name = "FIELD")]
    ignore: Vec<String>,
    /// Latencies within this many percent of each other count as the same
    #[arg(long, default_value_t = 5.0, value_name = "PERCENT")]
    latency: f64,
    /// Write a page for people
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write JUnit XML for a CI
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, sources: Sources) -> anyhow::Result<ExitCode> {
    settings_for_people(sources)?;
    tokio::task::spawn_blocking(move || diff(&args)).await?
}

fn diff(args: &Args) -> anyhow::Result<ExitCode> {
    for folder in std::iter::once(&args.a).chain(&args.b) {
        paths::existing(folder, "the bundle or run", BUNDLES)?;
    }
    let a = load::folder(&args.a, Lane::Production)?;
    let b = match &args.b {
        Some(b) => load::folder(b, Lane::Production)?,
        None => load::folder(&args.a, Lane::Sandbox)?,
    };
    let tolerances = Tolerances {
        latency: args.latency / 100.0,
        ignore: args.ignore.iter().cloned().collect::<BTreeSet<_>>(),
        ..Tolerances::default()
    };
    let parity = compare(&a, &b, &tolerances);
    if let Some(path) = &args.html {
        page(&a, &b, &parity, &args.a, path)?;
    }
    if let Some(path) = &args.junit {
        let turns = a.turns.iter().chain(&b.turns).map(|turn| turn.turn).collect::<BTreeSet<_>>();
        antiphon_core::private_files::write(path, junit(&parity, turns))?;
    }
    if args.json {
        json(&parity)?;
    } else {
        show(&parity);
    }
    Ok(if parity.holds() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

fn page(a: &Run, b: &Run, parity: &Parity, folder: &Path, path: &Path) -> anyhow::Result<()> {
    let reader = if folder.join(MANIFEST).exists() { Some(Reader::open(folder)?) } else { None };
    let report = ParityReport { runs: (a, b), parity, bundle: reader.as_ref(), chain: None, notes: vec![] };
    Ok(report.write(path)?)
}

fn show(parity: &Parity) {
    line(format!("a  {}", parity.a));
    line(format!("b  {}", parity.b));
    line(format!(
        "{} of {} turns agree ({:.0} %, 95 % interval {:.0} to {:.0} %)",
        parity.agreed,
        parity.turns,
        parity.agreement * 100.0,
        parity.interval.low * 100.0,
        parity.interval.high * 100.0
    ));
    for (field, left_out) in &parity.not_comparable {
        line(format!("{field}: not comparable in {} turns: {}", left_out.turns, left_out.reason));
    }
    for difference in &parity.differences {
        line(format!("turn {}  {}  ({})", difference.turn, difference.field, difference.class.as_str()));
        let side = |value: &Option<String>, because: &Option<String>| {
            let value = value.as_deref().unwrap_or("nothing");
            match because {
                Some(because) => format!("{value}  ({because})"),
                None => value.to_owned(),
            }
        };
        line(format!("    a: {}", side(&difference.a, &difference.because_a)));
        line(format!("    b: {}", side(&difference.b, &difference.because_b)));
    }
}
