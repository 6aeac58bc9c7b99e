//! ZSCAN.

use crate::commands::keys::scan::Options;
use crate::commands::prelude::*;
use crate::number::format_f64;

pub(crate) const COMMANDS: &[Command] = &[Command::new("zscan", -3, R, ONE, zscan)];

fn zscan(call: &mut Call<'_>) -> Answer {
    let options = Options::parse(&call.args[2..], false)?;
    let Some(zset) = call.zset(&call.args[1])? else { return Ok(Options::reply(0, Vec::new())) };
    let (next, found) = zset.scan(options.cursor, options.count);
    let found = found.into_iter().filter(|(member, _)| options.admits(member));
    let items = found.flat_map(|(member, score)| [Reply::Bulk(member), Reply::bulk(format_f64(score))]);
    Ok(Options::reply(next, items.collect()))
}
