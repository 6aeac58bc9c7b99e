//! `antiphon doctor redis`: a close look at Redis.
use std::process::ExitCode;

use broker::ops::diagnose::{Diagnosis, diagnose};
use broker::{RedisError, Severity};
use serde::Serialize;

use crate::app::redis_config;
use crate::output::{ERROR, HINT, WARNING, json, line, styled};
use crate::settings::Settings;

/// What is printed as JSON: what was found, or why nothing could be.
#[derive(Serialize)]
#[serde(untagged)]
enum Report {
    Found(Diagnosis),
    Unreached { url: String, reason: &'static str, error: String },
}

pub(super) async fn run(settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let config = redis_config(settings);
    let found = diagnose(&config).await;
    let broken = found.as_ref().map_or(true, Diagnosis::is_broken);
    match (found, as_json) {
        (Ok(found), false) => print(&found),
        (Err(error), false) => line(format!("{}  {error}", styled(ERROR, "BROKEN"))),
        (found, true) => json(&report(config.shown(), found))?,
    }
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn report(url: String, found: Result<Diagnosis, RedisError>) -> Report {
    match found {
        Ok(found) => Report::Found(found),
        Err(error) => Report::Unreached { url, reason: error.reason(), error: error.to_string() },
    }
}

fn print(found: &Diagnosis) {
    line(&found.url);
    for fact in &found.facts {
        line(format!("  {:<28} {}", fact.name, fact.value));
    }
    for finding in &found.findings {
        let mark = match finding.severity {
            Severity::Broken => styled(ERROR, "BROKEN"),
            Severity::Advice => styled(WARNING, "advice"),
        };
        line(format!("{mark}  {}\n        {}: {}", finding.what, styled(HINT, "hint"), finding.fix));
    }
    if found.findings.is_empty() {
        line("nothing to fix");
    }
}
