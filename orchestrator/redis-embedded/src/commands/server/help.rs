//! What every command with subcommands says of them.

use crate::commands::prelude::*;

/// The answer to HELP: the subcommands there are.
pub(crate) fn of(command: &str, subcommands: &[&str]) -> Reply {
    let head = format!("{command} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    let mut lines = vec![Reply::Status(Bytes::from(head))];
    let all = subcommands.iter().copied().chain(["HELP"]);
    lines.extend(all.map(|name| Reply::Status(Bytes::copy_from_slice(name.as_bytes()))));
    Reply::Array(lines)
}

/// The refusal of a subcommand that there is none of.
pub(crate) fn unknown(command: &str, word: &[u8]) -> Abort {
    let word = String::from_utf8_lossy(&word[..word.len().min(128)]).into_owned();
    Abort::error(format!("ERR unknown subcommand '{word}'. Try {command} HELP."))
}

/// The refusal of a subcommand with too many or too few words.
pub(crate) fn arity(command: &str, word: &[u8]) -> Abort {
    let word = String::from_utf8_lossy(word).to_lowercase();
    Abort::error(format!("ERR wrong number of arguments for '{}|{word}' command", command.to_lowercase()))
}
