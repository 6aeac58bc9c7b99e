//! Printing: for people, and as JSON for programs.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command's output is its purpose")]
use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::settings::SETTINGS;

/// Tells an error with its causes, and gives the exit code of a failure.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("antiphon: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
    ExitCode::FAILURE
}

/// A line for people.
pub(crate) fn line(text: impl AsRef<str>) {
    // A closed pipe (`antiphon … | head`) is no failure of ours.
    let _closed = writeln!(std::io::stdout(), "{}", text.as_ref());
}

/// A line about progress: to the standard error, so that output can be piped.
pub(crate) fn progress(text: impl AsRef<str>) {
    let _closed = writeln!(std::io::stderr(), "{}", text.as_ref());
}

/// A value for programs.
pub(crate) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}

#[derive(Debug, Args)]
pub(super) struct SettingsArgs {
    /// As a Markdown table
    #[arg(long)]
    markdown: bool,
}

pub(super) fn settings(args: SettingsArgs) -> anyhow::Result<ExitCode> {
    if args.markdown {
        line(settings_markdown());
        return Ok(ExitCode::SUCCESS);
    }
    for setting in SETTINGS {
        line(setting.key);
        line(format!("    {}", setting.about));
        let default = if setting.default.is_empty() { "none" } else { setting.default };
        line(format!("    set by {}; default: {default}", setting.env.join(" or ")));
    }
    Ok(ExitCode::SUCCESS)
}

/// The table in `docs/configuration.md`.
pub fn settings_markdown() -> String {
    let mut out = String::from("| setting | variable | default | what it does |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let mut env: Vec<String> = setting.env.iter().map(|name| format!("`{name}`")).collect();
        if setting.secret {
            env.push("each with `_FILE` for a file that holds it".to_owned());
        }
        let default =
            if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
        out.push_str(&format!(
            "| `{}` | {} | {default} | {} |\n",
            setting.key,
            env.join(", "),
            setting.about
        ));
    }
    out
}
