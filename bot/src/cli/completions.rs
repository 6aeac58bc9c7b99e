//! `antiphon completions SHELL`.
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

/// Print a shell's completions
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  antiphon completions bash > ~/.local/share/bash-completion/completions/antiphon"
)]
pub(super) struct Args {
    /// Which shell
    shell: Shell,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "antiphon", &mut text);
    crate::output::line(String::from_utf8_lossy(&text));
    Ok(ExitCode::SUCCESS)
}
