//! Places: sorted sets whose scores are geohashes.

pub(crate) mod geoadd;
pub(crate) mod geopos;
pub(crate) mod query;
pub(crate) mod search;

use super::entry::Command;

pub(crate) const COMMANDS: &[&[Command]] = &[geoadd::COMMANDS, geopos::COMMANDS, search::COMMANDS];
