//! All commands by name.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::entry::Command;
use super::{
    connection, geo, hashes, hyperloglogs, keys, lists, pubsub, scripting, server, sets, streams, strings,
    transactions, zsets,
};

/// Families by the names Redis' own documentation gives them.
const FAMILIES: &[(&str, &[&[Command]])] = &[
    ("connection", connection::COMMANDS),
    ("generic", keys::COMMANDS),
    ("geo", geo::COMMANDS),
    ("string", strings::COMMANDS),
    ("hash", hashes::COMMANDS),
    ("set", sets::COMMANDS),
    ("sorted-set", zsets::COMMANDS),
    ("list", lists::COMMANDS),
    ("stream", streams::COMMANDS),
    ("hyperloglog", hyperloglogs::COMMANDS),
    ("pubsub", pubsub::COMMANDS),
    ("transactions", transactions::COMMANDS),
    ("scripting", scripting::COMMANDS),
    ("server", server::COMMANDS),
];

/// Longer names are no command.
const MAX_NAME_BYTES: usize = 32;

static BY_NAME: LazyLock<HashMap<&'static [u8], &'static Command>> =
    LazyLock::new(|| all().map(|(_, command)| (command.spec.name.as_bytes(), command)).collect());

/// Every command with its family.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static Command)> {
    FAMILIES.iter().flat_map(|(family, files)| {
        files.iter().flat_map(move |commands| commands.iter().map(move |command| (*family, command)))
    })
}

/// The command by this name, in any case.
pub(crate) fn find(name: &[u8]) -> Option<&'static Command> {
    let mut lower = [0; MAX_NAME_BYTES];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    BY_NAME.get(&*lower).copied()
}

/// The list of covered commands as it stands in `docs/redis.md`.
#[must_use]
pub fn covered_commands() -> String {
    let mut out = String::new();
    for (family, files) in FAMILIES {
        let mut names: Vec<String> = files
            .iter()
            .flat_map(|commands| commands.iter())
            .map(|command| command.spec.name.to_uppercase())
            .collect();
        names.sort_unstable();
        out.push_str(&format!("- {family}: {}\n", names.join(", ")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_commands_are_unique_and_short() {
        let mut names: Vec<_> = all().map(|(_, command)| command.spec.name).collect();
        assert!(names.iter().all(|name| name.len() <= MAX_NAME_BYTES && *name == name.to_lowercase()));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn the_page_about_redis_lists_the_commands_there_are() {
        let page = include_str!("../../../../docs/redis.md");
        assert!(page.contains(&covered_commands()), "docs/redis.md should hold:\n{}", covered_commands());
    }
}
