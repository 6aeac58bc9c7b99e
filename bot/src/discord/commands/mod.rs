//! The slash commands, one file each.
mod ask;
mod bundle;
mod consent;
mod errors;
mod health;
mod sandbox;
mod say;
mod voice;

use super::{CommandError, Shared};

pub(super) use errors::on_error;

/// Every command, as declared to Discord.
pub(super) fn all() -> Vec<poise::Command<Shared, CommandError>> {
    vec![
        voice::voice(),
        ask::ask(),
        say::say(),
        consent::consent(),
        bundle::bundle(),
        sandbox::sandbox(),
        health::health(),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_command_and_option_is_described_and_restricted_where_it_changes_things_for_others() {
        for command in super::all() {
            let described = |c: &poise::Command<_, _>| c.description.as_deref().is_some_and(|d| d.len() > 5);
            assert!(described(&command), "{} has no description", command.name);
            for sub in &command.subcommands {
                assert!(described(sub), "{} {} has no description", command.name, sub.name);
            }
            assert!(command.guild_only, "{} works in guilds only", command.name);
        }
        let sandbox = super::sandbox::sandbox();
        assert!(sandbox.default_member_permissions.manage_guild());
    }
}
