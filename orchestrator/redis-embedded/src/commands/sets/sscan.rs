//! SSCAN.

use crate::commands::keys::scan::Options;
use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[Command::new("sscan", -3, R, ONE, sscan)];

fn sscan(call: &mut Call<'_>) -> Answer {
    let options = Options::parse(&call.args[2..], false)?;
    let Some(set) = call.set(&call.args[1])? else { return Ok(Options::reply(0, Vec::new())) };
    let (next, found) = set.scan(options.cursor, options.count);
    let found = found.into_iter().filter(|member| options.admits(member));
    Ok(Options::reply(next, found.map(Reply::Bulk).collect()))
}
