//! `antiphon settings`: what can be set, for people and as the table of the docs.
use std::process::ExitCode;

use clap::Args;

use crate::output::line;
use crate::settings::SETTINGS;

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
