//! HRANDFIELD.

use crate::commands::prelude::*;
use crate::commands::sets::random::{pick, wanted};

pub(crate) const COMMANDS: &[Command] = &[Command::new("hrandfield", -2, R, ONE, hrandfield)];

fn hrandfield(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let pairs: Vec<(Bytes, Bytes)> = call
        .hash(&args[1])?
        .map(|hash| hash.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
        .unwrap_or_default();
    let Some(count) = args.get(2) else {
        let picked = pick(call, &pairs, 1)?.pop();
        return Ok(Reply::bulk_or_nil(picked.map(|(name, _)| name)));
    };
    let count = wanted(count)?;
    let with_values = match args.get(3) {
        Some(word) if args.len() == 4 && is(word, "withvalues") => true,
        Some(_) => return Err(syntax()),
        None => false,
    };
    let picked = pick(call, &pairs, count)?;
    let resp3 = call.resp3();
    let items = picked.into_iter().flat_map(|(name, value)| match (with_values, resp3) {
        (false, _) => vec![Reply::Bulk(name)],
        (true, false) => vec![Reply::Bulk(name), Reply::Bulk(value)],
        (true, true) => vec![Reply::Array(vec![Reply::Bulk(name), Reply::Bulk(value)])],
    });
    Ok(Reply::Array(items.collect()))
}
