//! HSCAN.

use crate::commands::keys::scan::Options;
use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[Command::new("hscan", -3, R, ONE, hscan)];

fn hscan(call: &mut Call<'_>) -> Answer {
    let options = Options::parse(&call.args[2..], false)?;
    let Some(hash) = call.hash(&call.args[1])? else { return Ok(Options::reply(0, Vec::new())) };
    let (next, found) = hash.scan(options.cursor, options.count);
    let found = found.into_iter().filter(|(name, _)| options.admits(name));
    let items = found.flat_map(|(name, value)| [Reply::Bulk(name.clone()), Reply::Bulk(value.clone())]);
    Ok(Options::reply(next, items.collect()))
}
