//! ZSCAN.

use crate::commands::keys::scan::Options;
use crate::commands::prelude::*;
use crate::number::format_f64;

pub(crate) const COMMANDS: &[Command] = &[Command::new("zscan", -3, R, ONE, zscan)];

fn zscan(call: &mut Call<'_>) -> Answer {
    let options = Options::parse(&call.args[2..], false)?;
    let Some(zset) = call.zset(&call.args[1])? else { return Ok(Options::reply(0, Vec::new())) };
    // All at once, as Redis does for small ones: a sorted set has no order that survives changes
    // of score.
    let found = zset.iter().filter(|(member, _)| options.admits(member));
    let items =
        found.flat_map(|(member, score)| [Reply::Bulk(member.clone()), Reply::bulk(format_f64(score))]);
    Ok(Options::reply(0, items.collect()))
}
