//! XPENDING: what was delivered and not acknowledged, in sum and one by one.

use super::xrange::ends;
use crate::commands::prelude::*;
use crate::store::stream::Group;

pub(crate) const COMMANDS: &[Command] = &[Command::new("xpending", -3, R, ONE, xpending)];

pub(crate) fn no_group(key: &[u8], group: &[u8]) -> Abort {
    Abort::error(format!(
        "NOGROUP No such key '{}' or consumer group '{}'",
        String::from_utf8_lossy(key),
        String::from_utf8_lossy(group)
    ))
}

fn xpending(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let mut rest = &args[3..];
    let mut idle = 0;
    let extended = !rest.is_empty();
    if extended && args.len() < 6 {
        return Err(syntax());
    }
    if let Some((word, after)) = rest.split_first()
        && is(word, "idle")
    {
        let (least, after) = after.split_first().ok_or_else(syntax)?;
        idle = int(least)?;
        rest = after;
    }
    let query = match rest {
        [] if !extended => None,
        [start, end, count] => Some((start, end, count, None)),
        [start, end, count, consumer] => Some((start, end, count, Some(consumer))),
        _ => return Err(syntax()),
    };
    let query = match query {
        Some((start, end, count, consumer)) => Some((ends(start, end)?, int(count)?, consumer)),
        None => None,
    };
    let group = call.stream(&args[1])?.and_then(|stream| stream.groups.get(&args[2]));
    let group = group.ok_or_else(|| no_group(&args[1], &args[2]))?;
    let Some(((start, end), count, consumer)) = query else { return Ok(summary(group)) };
    let count = usize::try_from(count).unwrap_or(0);
    if start > end || consumer.is_some_and(|name| !group.consumers.contains_key(name)) {
        return Ok(Reply::Array(Vec::new()));
    }
    let now = call.now();
    let long_enough = |at: u64| i64::try_from(now.saturating_sub(at)).unwrap_or(i64::MAX) >= idle;
    let found = group
        .pending
        .range(start..=end)
        .filter(|(_, pending)| consumer.is_none_or(|name| pending.consumer == *name))
        .filter(|(_, pending)| long_enough(pending.delivered_at))
        .take(count);
    Ok(Reply::Array(
        found
            .map(|(id, pending)| {
                let idle = i64::try_from(now.saturating_sub(pending.delivered_at)).unwrap_or(i64::MAX);
                let deliveries = i64::try_from(pending.deliveries).unwrap_or(i64::MAX);
                Reply::Array(vec![
                    id.reply(),
                    Reply::Bulk(pending.consumer.clone()),
                    Reply::Int(idle),
                    Reply::Int(deliveries),
                ])
            })
            .collect(),
    ))
}

fn summary(group: &Group) -> Reply {
    let (Some(first), Some(last)) = (group.pending.keys().next(), group.pending.keys().next_back()) else {
        return Reply::Array(vec![Reply::Int(0), Reply::Nil, Reply::Nil, Reply::NilArray]);
    };
    let consumers = group.consumers.iter().filter(|(_, consumer)| !consumer.pending.is_empty());
    let consumers = consumers.map(|(name, consumer)| {
        Reply::Array(vec![Reply::Bulk(name.clone()), Reply::bulk(consumer.pending.len().to_string())])
    });
    Reply::Array(vec![
        Reply::count(group.pending.len()),
        first.reply(),
        last.reply(),
        Reply::Array(consumers.collect()),
    ])
}
