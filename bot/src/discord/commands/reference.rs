//! The commands as `docs/commands.md` lists them: made from what is declared to Discord.
use std::fmt::Write;

use crate::discord::{CommandError, Shared};

type Command = poise::Command<Shared, CommandError>;

/// The table of `docs/commands.md`.
pub fn reference() -> String {
    let mut table = String::from("| command | options | who | what it does |\n|---|---|---|---|\n");
    for command in super::all() {
        let managed = !command.checks.is_empty();
        if command.subcommands.is_empty() {
            row(&mut table, &command.name, &command, managed);
        }
        for sub in &command.subcommands {
            let managed = managed || !sub.checks.is_empty();
            row(&mut table, &format!("{} {}", command.name, sub.name), sub, managed);
        }
    }
    table
}

fn row(table: &mut String, name: &str, command: &Command, managed: bool) {
    let options: Vec<String> = command
        .parameters
        .iter()
        .map(|option| {
            let choices: Vec<String> =
                option.choices.iter().map(|choice| format!("`{}`", choice.name)).collect();
            let of = if choices.is_empty() { String::new() } else { format!(" ({})", choices.join(", ")) };
            format!("`{}`{of}: {}", option.name, option.description.as_deref().unwrap_or_default())
        })
        .collect();
    let who = if managed { "Manage Server, or a named role" } else { "everybody" };
    let about = command.description.as_deref().unwrap_or_default();
    // Writing to a string cannot fail.
    let _written = writeln!(table, "| `/{name}` | {} | {who} | {about} |", options.join("<br>"));
}
