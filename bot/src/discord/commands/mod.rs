//! The slash commands, one file each.
mod ask;
mod bundle;
mod consent;
mod errors;
mod health;
pub(super) mod permissions;
mod record;
mod reference;
mod sandbox;
mod say;
mod voice;

use super::{CommandError, Shared};

pub(super) use errors::on_error;
pub use reference::reference;

/// Every command, as declared to Discord.
pub(super) fn all() -> Vec<poise::Command<Shared, CommandError>> {
    vec![
        voice::voice(),
        ask::ask(),
        say::say(),
        consent::consent(),
        record::record(),
        bundle::bundle(),
        sandbox::sandbox(),
        health::health(),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_command_is_described_and_restricted_where_needed() {
        for command in super::all() {
            let described = |c: &poise::Command<_, _>| c.description.as_deref().is_some_and(|d| d.len() > 5);
            assert!(described(&command), "{} has no description", command.name);
            for sub in &command.subcommands {
                assert!(described(sub), "{} {} has no description", command.name, sub.name);
                for option in &sub.parameters {
                    let described = option.description.as_deref().is_some_and(|words| words.len() > 5);
                    assert!(described, "{} {} {} has no description", command.name, sub.name, option.name);
                }
            }
            assert!(command.guild_only, "{} works in guilds only", command.name);
            // What is declared hides a command; what is checked refuses it. Neither goes without the other.
            let declared = command.default_member_permissions.manage_guild();
            assert_eq!(declared, !command.checks.is_empty(), "{}", command.name);
        }
        let restricted: Vec<String> = super::all()
            .into_iter()
            .filter(|command| command.default_member_permissions.manage_guild())
            .map(|command| command.name.into_owned())
            .collect();
        assert_eq!(restricted, ["record", "bundle", "sandbox"]);
    }
}
